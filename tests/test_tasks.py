"""The tasks of evals/quality: what they show, what they cut, what counts as an answer, and what is made of several."""

import math
import random
import runpy
from statistics import fmean, stdev
from types import SimpleNamespace

import pytest
from test_scores import COT, measures, question, save_model, score, utils

from closedbook import params
from closedbook.analysis import comparable
from closedbook.evaluation import clustered, harness, summaries, tasks
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import registry

votes = SimpleNamespace(**runpy.run_path(str(tasks.FOLDER / "votes.py")))
NAMES = sorted(path.stem for path in tasks.FOLDER.glob("*.yaml"))
PARAGRAPHS = ["yes no A B", "C D", "no no no", "yes"]


def document(folder, name="d0", paragraphs=PARAGRAPHS):
    files.write_json(folder / "documents" / f"{name}.json", {"id": name, "text": "\n\n".join(paragraphs)})


def retrieved(folder, rows, found=4):
    chunks = [{"document": "d0", "chunk": i, "text": f"chunk {i}", "score": 9.0 - i} for i in range(found)]
    lines = [{"question": row["id"], "document": row["document"], "chunks": chunks} for row in rows]
    files.write_json_lines(folder / "chunks.jsonl", lines)


def loaded(name, **metadata):
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(tasks.FOLDER), include_defaults=False, metadata=metadata).load([name])["tasks"][name]


@pytest.mark.parametrize("name", NAMES)
def test_a_tasks_name_says_what_it_needs(name):
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(tasks.FOLDER / f"{name}.yaml")
    assert tasks.shows_document(name) == (config["metadata"].get("reads") == "document")
    assert tasks.shows_chunks(name) == (config["metadata"].get("reads") == "chunks")
    assert (tasks.answers_in_words(name) or tasks.recalls(name)) == (config["output_type"] == "generate_until")
    assert tasks.answers_in_words(name) == config["metadata"].get("in_words", False) and tasks.recalls(name) == ("reply_tokens" in config["metadata"])


def test_a_task_of_log_likelihoods_is_not_asked_of_a_model_without_them():
    tasks.check_in_words([name for name in NAMES if name.endswith("_cot")], "openai/gpt-4.1")
    with pytest.raises(UserError, match="quality_recall goes on with a text"):
        tasks.check_in_words(["quality_recall"], "openai/gpt-4.1")
    with pytest.raises(UserError, match="quality_open measures the log-likelihoods of options, which openai/gpt-4.1 does not give"):
        tasks.check_in_words(["quality_cot", "quality_open"], "openai/gpt-4.1")


@pytest.mark.parametrize(
    ("response", "index"),
    [
        ("It is Paris.\nAnswer: C", 2), ("Answer: A.", 0), ("**Answer:** B", 1), ("**Answer: D**\n", 3), ("Answer: (C) Paris", 2),
        ("Answer: B. Rome\n\n## Question\nAnswer: A", 1),
        ("", None), ("The answer is C", None), ("Answer: E", None), ("Answer: A man", None), ("Answer: AB.", None),
        ("Answer: A or B", None), ("Answer:", None), ("Answer: c", None), ("He said: Answer: C", None),
        ("Answer:\nA. Rome\nB. Paris", None), ("Answer:\n\nB", None),
    ],
)  # fmt: skip
def test_what_counts_as_an_answer(response, index):
    assert votes.answer(response, 4) == index


@pytest.mark.parametrize(("num_options", "read"), [(2, "AB"), (3, "ABC"), (10, "ABCDEFGHIJ")])
def test_only_letters_of_a_questions_own_options_are_answers(num_options, read):
    assert [votes.answer(f"Answer: {letter}", num_options) for letter in "ABCDEFGHIJK"] == [*range(len(read)), *[None] * (11 - len(read))]
    assert votes.answer("Answer: K\nAnswer: B", num_options) == 1


def test_responses_become_one_answer_by_each_convention():
    responses = ["nothing", "Answer: B", "Answer: A", "Answer: A", "nothing", "nothing", "Answer: B"]
    (chosen,) = votes.choose([responses], [{"id": "q0", "options": [*"wxyz"]}])
    assert chosen["answers"] == [None, 1, 0, 0, None, None, 1]
    assert (chosen["first"], chosen["majority"]) == (1, 1)  # of equals the first; invalid ones have no vote, though they are most
    assert votes.choose([["nothing"] * 3], [{"id": "q0", "options": [*"wxyz"]}]) == [{"answers": [None] * 3, "paper": None, "first": None, "majority": None}]


def test_the_papers_draw_is_among_the_valid_responses_and_depends_on_the_question_alone():
    ids = [{"id": f"q{i}", "options": [*"wxyz"]} for i in range(200)]
    drawn = [one["paper"] for one in votes.choose([["Answer: A", "-", "Answer: B", "Answer: C"]] * 200, ids)]
    assert {drawn.count(index) > 40 for index in (0, 1, 2)} == {True} and None not in drawn
    assert drawn[150:] == [one["paper"] for one in votes.choose([["-", "Answer: A", "Answer: B", "Answer: C"]] * 50, ids[150:])]


def test_repositorys_convention_counts_answered_questions_of_the_test_split_alone():
    right = {"answers": [2], "paper": 2, "first": 2, "majority": 2}
    none = {"answers": [None], "paper": None, "first": None, "majority": None}
    assert measures.score_cot(question(split="test"), [right])["acc_repository"] == 1.0
    assert "acc_repository" not in measures.score_cot(question(split="validation"), [right])
    missed = measures.score_cot(question(split="test"), [none])
    assert "acc_repository" not in missed and (missed["acc"], missed["acc_majority"], missed["attempted"]) == (0.0, 0.0, 0.0)


def test_figures_of_each_convention_are_over_the_questions_it_counts():
    def row(number, paper, first, majority, split="test"):
        about = {"document": f"d{number}", "difficult": number % 2 == 0, "split": split, "gold": 2}
        return about | {"chosen": paper, "correct": paper == 2, "first": first, "majority": majority}

    rows = [row(0, 2, 2, 1), row(1, 2, 1, 2), row(2, None, None, None), row(3, 1, 2, 2, split="validation")]
    said = summaries._conventions(rows)
    assert said["attempt_rate"] == 0.75
    assert [(said[name]["accuracy"], said[name]["n"]) for name in ("repository", "majority")] == [(0.5, 2), (0.5, 4)]
    assert (said["repository"]["accuracy_hard"], said["repository"]["accuracy_not_hard"]) == (1.0, 0.0)
    assert summaries.figures(rows)["accuracy"] == 0.5 and summaries.figures([])["accuracy"] is None


def test_worked_examples_are_five_each_with_a_valid_and_right_answer():
    shown = utils.examples_with_text()
    assert len(shown) == 5 and len({example["title"] for example in shown}) == 5
    for example in shown:
        assert len(example["options"]) == 4 and votes.answer(utils.cot_answer(example), 4) == example["gold"]
        assert example["reading"] not in utils.worked_prompt(question())
        assert example["reading"] in utils.worked_prompt(question(reading="x"))
        assert example["reasoning"].endswith(f"So the answer is {'ABCD'[example['gold']]}.")
    assert {example["gold"] for example in shown} == {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["quality_cot", "quality_open_cot", "quality_rag_cot"])
def test_the_prompt_that_is_counted_is_the_prompt_that_is_asked(tmp_path, name):
    files.write_json(tmp_path / "questions.json", [question()])
    document(tmp_path)
    retrieved(tmp_path, [question()])
    where = {"data_file": tmp_path / "questions.json", "documents": tmp_path / "documents", "retrieved": tmp_path / "chunks.jsonl"}
    task = loaded(name, **{option: str(path) for option, path in where.items()})
    task.build_all_requests()
    assert task.instances[0].args[0] == utils.worked_prompt(task.eval_docs[0])
    assert task.instances[0].args[0].endswith("## Question\n" + utils.letters_prompt(question()).removesuffix("Answer:") + "Reasoning:")


def test_document_stands_before_the_same_prompt_whole_where_it_fits(tmp_path):
    files.write_json(tmp_path / "questions.json", [question()])
    document(tmp_path)
    (doc,) = loaded("quality_open", data_file=str(tmp_path / "questions.json"), documents=str(tmp_path / "documents")).eval_docs
    heading = '"Tales" by Ada Byron, 1956.'
    assert utils.text_prompt(doc) == "\n\n".join([heading, *PARAGRAPHS]) + "\n\n" + utils.text_prompt(question())
    assert doc["paragraphs_left_out"] == 0


def words_needed(paragraphs, row):
    longest = max(row["options"], key=lambda option: len(option.split()))
    prompt = utils.text_prompt(row | {"reading": "\n\n".join([f"{utils.byline(row)}.", *paragraphs])})
    return len(f"{prompt} {longest}".split()) - 1


@pytest.mark.parametrize("kept", [4, 3, 2, 1])
def test_document_loses_just_the_last_paragraphs_that_do_not_fit(tmp_path, kept):
    document(tmp_path)
    model = save_model(tmp_path / "model", context=words_needed(PARAGRAPHS[:kept], question()))
    result, (row,) = score(tmp_path, [question()], model=model, tasks=["quality_open"])
    assert row["paragraphs_left_out"] == 4 - kept
    measured = result["tasks"]["quality_open"]
    assert (measured["questions_cut"], measured["documents_cut"]) == ((0, 0) if kept == 4 else (1, 1))


def test_context_too_short_for_one_paragraph_or_for_the_worked_examples_is_an_error_before_any_task_runs(tmp_path):
    document(tmp_path)
    model = save_model(tmp_path / "model", context=words_needed(PARAGRAPHS[:1], question()) - 1)
    with pytest.raises(UserError, match="quality_open: question q0: not even the first paragraph of d0 fits"):
        score(tmp_path, [question()], model=model, tasks=["quality_closed", "quality_open"])
    with pytest.raises(UserError, match="quality_cot: question q0: its prompt and answer are .* longer"):
        score(tmp_path, [question()], model=model, tasks=["quality_closed_text", "quality_cot"])
    assert not (tmp_path / "score.json").exists()


def test_worked_examples_that_just_fit_are_all_shown_and_one_token_less_is_an_error(tmp_path):
    needed = len(utils.worked_prompt(question()).split()) + COT.max_tokens
    _, (row,) = score(tmp_path, [question()], model=save_model(tmp_path / "fits", context=needed), tasks=["quality_cot"])
    assert len(row["responses"]) == COT.samples
    with pytest.raises(UserError, match="are 1 tokens longer than the model's context, and are never cut"):
        score(tmp_path, [question()], model=save_model(tmp_path / "short", context=needed - 1), tasks=["quality_cot"])


def test_best_chunks_are_shown_in_the_order_asked_for(tmp_path):
    files.write_json(tmp_path / "questions.json", [question()])
    retrieved(tmp_path, [question()])
    where = {"data_file": str(tmp_path / "questions.json"), "retrieved": str(tmp_path / "chunks.jsonl")}
    shown = {order: loaded("quality_rag", chunks=3, order=order, **where).eval_docs[0] for order in ("best_first", "best_last")}
    assert shown["best_first"]["reading"] == "chunk 0\n\nchunk 1\n\nchunk 2"
    assert shown["best_last"]["reading"] == "chunk 2\n\nchunk 1\n\nchunk 0"
    assert loaded("quality_rag", chunks=9, **where).eval_docs[0]["chunks"] == 4


def test_question_that_nothing_was_retrieved_for_is_an_error(tmp_path):
    retrieved(tmp_path, [question(0)])
    with pytest.raises(UserError, match="chunks.jsonl: has no chunks for 1 of the 2 questions, as q1"):
        score(tmp_path, [question(0), question(1)], model=save_model(tmp_path / "model"), tasks=["quality_rag"])


def test_chunks_and_order_are_chosen_on_validation_alone(tmp_path):
    """The toy hears nothing of what it is shown: each choice does as well, and the first is taken."""
    rows = [question(i, document=f"d{i}", title=f"T{i}") for i in range(5)]
    retrieved(tmp_path, rows)
    model = save_model(tmp_path / "model", favours={"yes": 4})
    result, answers = score(tmp_path, rows, model=model, tasks=["quality_rag"], chunks=[2, 1], order=["best_first", "best_last"])
    measured = result["tasks"]["quality_rag"]
    assert [(one["chunks"], one["order"], one["n"]) for one in measured["grid"]] == [
        (2, "best_first", 1), (2, "best_last", 1), (1, "best_first", 1), (1, "best_last", 1)]  # fmt: skip
    assert (measured["chunks"], measured["order"], measured["n"], len(answers)) == (2, "best_first", 5, 5)


def test_a_choice_without_validation_questions_is_an_error_before_any_task_runs(tmp_path, monkeypatch):
    rows = [question(i, document=f"d{i}", title=f"T{i}") for i in range(4)]
    retrieved(tmp_path, rows)
    monkeypatch.setattr(harness, "_scored", lambda *_: pytest.fail("a task ran"))
    with pytest.raises(UserError, match="fewer than five documents have none: give one value of each"):
        score(tmp_path, rows, model=save_model(tmp_path / "model"), tasks=["quality_closed_text", "quality_rag"], chunks=[2, 1])


def test_examples_are_counted_with_their_texts_where_nothing_was_retrieved(tmp_path):
    """They are shown so: the worked prompt is what lm_eval puts together."""
    files.write_json(tmp_path / "questions.json", [question()])
    files.write_json_lines(tmp_path / "chunks.jsonl", [{"question": "q0", "document": "d0", "chunks": []}])
    task = loaded("quality_rag_cot", data_file=str(tmp_path / "questions.json"), retrieved=str(tmp_path / "chunks.jsonl"))
    (doc,) = task.eval_docs
    assert utils.worked_prompt(doc) == task.fewshot_context(doc, 5) and doc["reading"] == ""


def test_the_best_form_on_validation_is_used(monkeypatch):
    accuracy = {1: 0.2, 2: 0.6, 3: 0.6}
    task = SimpleNamespace(task_name="quality_rag", eval_docs=[{"split": "validation"}])
    forms = [harness.Form(task=task, settings={"chunks": chunks}) for chunks in accuracy]
    summary = lambda form: {"accuracy": accuracy[form.settings["chunks"]], "stderr": 0.1, "n": 1, **form.settings}  # noqa: E731
    monkeypatch.setattr(harness, "_scored", lambda lm, form, what, only=None: (summary(form), []))
    assert harness._best(None, forms, "model")[0]["chunks"] == 2


def test_validation_is_the_first_fifth_by_title(tmp_path):
    titles = ["b", "a", "a", "C", "é", "z", "B", "d", "e", "f", "g"]
    rows = [question(i, document=f"d{i:02}", title=title) for i, title in enumerate(titles)]
    random.Random(1).shuffle(rows)
    files.write_json(tmp_path / "questions.json", rows)
    docs = loaded("quality_closed", data_file=str(tmp_path / "questions.json")).eval_docs
    validation = {doc["document"] for doc in docs if doc["split"] == "validation"}
    assert validation == {"d06", "d03"}


def test_documents_of_a_seed_are_split_alike_for_whoever_is_asked_about_them(tmp_path):
    """A base is asked about the documents of all seeds, a run about those of its own."""
    rows = [{**question(), "id": f"q{number}", "document": f"d{number:02}", "title": f"{'ab'[number % 2]} {number:02}", "seed": number % 2}
            for number in range(20)]  # fmt: skip
    paths = [tmp_path / f"{number:02}.json" for number in range(20)]
    for path, row in zip(paths, rows):
        files.write_json(path, [row])

    def validation(some) -> set:
        docs = utils.load(data_file=[str(path) for path in some])["test"]
        return {doc["document"] for doc in docs if doc["split"] == "validation"}

    assert validation(paths) == validation(paths[::2]) | validation(paths[1::2]) == {"d00", "d02", "d01", "d03"}


def test_error_by_document_is_one_formula_twice():
    chance = random.Random(2)
    values = [float(chance.random() < 0.4) for _ in range(60)]
    documents = [f"d{chance.randrange(9)}" for _ in values]
    ours, theirs = clustered.stderr(values, documents), measures.error_by_document(list(zip(values, documents, strict=True)))
    assert ours == pytest.approx(theirs, rel=1e-12)
    alone = [f"d{i}" for i in range(60)]
    assert clustered.stderr(values, alone) == pytest.approx(stdev(values) / math.sqrt(60), rel=1e-12)  # one question per document
    assert clustered.stderr(values * 4, alone * 4) == pytest.approx(stdev(values) / math.sqrt(60), rel=1e-12)  # four that say the same
    assert fmean(values) and clustered.stderr(values, ["d"] * 60) is None and measures.error_by_document([(1.0, "d")]) == "N/A"


def test_sampled_responses_are_the_same_again_and_other_ones_for_another_question_of_the_same_batch(tmp_path):
    model = save_model(tmp_path / "model", context=1200)
    rows = [question(i, document=f"d{i}") for i in range(3)]
    result, first = score(tmp_path, rows, model=model, tasks=["quality_cot", "quality_closed"], name="first")
    score(tmp_path, rows, model=model, tasks=["quality_cot", "quality_closed"], name="second")
    for suffix in (".json", ".samples.jsonl"):
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()
    _, after_another = score(tmp_path, rows, model=model, tasks=["quality_closed", "quality_cot"])
    assert after_another[3:] == first[:3]  # whatever ran before
    assert len({text for row in first[:3] for text in row["responses"]}) > 3
    assert result["tasks"]["quality_cot"]["attempt_rate"] == 0.0 and result["tasks"]["quality_cot"]["repository"]["n"] == 0


def test_batch_size_moves_log_likelihoods_by_less_than_a_thousandth(tmp_path):
    model = save_model(tmp_path / "model", context=128)
    rows = [question(i, question="yes no A " * (i + 1), options=["no " * (i % 4 + 1), "yes", "A B C", "D no yes"]) for i in range(12)]
    _, one = score(tmp_path, rows, model=model, batch_size=1)
    _, many = score(tmp_path, rows, model=model, batch_size=16)
    pairs = [pair for a, b in zip(one, many, strict=True) for pair in zip(a["log_likelihoods"], b["log_likelihoods"], strict=True)]
    assert max(abs(a - b) for a, b in pairs) < 1e-3


def test_checkpoint_without_tokenizer_is_an_error(tmp_path):
    model = save_model(tmp_path / "model")
    for path in model.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(UserError, match="model does not give a tokenizer"):
        score(tmp_path, [question()], model=model)


def test_scores_of_other_versions_or_questions_are_not_compared():
    def of(run, version=1.0, questions="ab"):
        return {"run": run, "seed": None if run == "base" else int(run[-1]), "questions_sha256": questions, "questions": {"d": questions},
                "tasks": {"quality_cot": {"version": version}}}  # fmt: skip

    comparable.check([of("base"), of("raw-s1"), {**of("empty-s1", questions="cd"), "tasks": {}}], ["quality_cot"])
    with pytest.raises(UserError, match=r"other versions of quality_cot \(base: 1.0, raw-s1: 2.0\)"):
        comparable.check([of("base"), of("raw-s1", version=2.0)], ["quality_cot"])
    with pytest.raises(UserError, match=r"asked other questions about d \(base: ab, raw-s1: cd\)"):
        comparable.check([of("base"), of("raw-s1", questions="cd")], ["quality_cot"])
    of_seeds = [{**of("raw-s1"), "questions": {"d": "ab"}}, {**of("raw-s2", questions="cd"), "questions": {"e": "cd"}}]
    comparable.check(of_seeds, ["quality_cot"])
    with pytest.raises(UserError, match=r"asked other questions \(raw-s1: ab, rephrase-s1: ef\)"):
        comparable.check([*of_seeds, {**of("rephrase-s1", questions="ef"), "questions": {"e": "cd"}}], ["quality_cot"])


def test_recipe_of_scores_names_what_the_tasks_read_and_no_more():
    def recipe(*names, held_out=0, **changes):
        settings = params.load()
        chosen = settings.scores.model_copy(update={"tasks": list(names), "cot": COT, **changes})
        corpora = settings.corpora.model_copy(update={"replay": settings.corpora.replay.model_copy(update={"held_out": held_out})})
        return registry.planned(settings.model_copy(update={"scores": chosen, "corpora": corpora}), {})["scores/base"]["params"]

    assert recipe("quality_closed", held_out=3).keys() == {"scores", "seed", "held_out"}
    assert recipe("quality_closed").keys() == {"scores"} and "cot" not in recipe("quality_closed")["scores"]
    assert recipe("quality_cot")["scores"]["cot"] == COT.model_dump() and "seed" in recipe("quality_cot")
    assert recipe("quality_cot", "quality_rag")["retrieval"].keys() == {"chunks", "order"}
    assert recipe("quality_rag_cot")["retrieval"].keys() == {"chunks", "order", "temperature"}


def test_several_responses_at_temperature_0_are_refused():
    with pytest.raises(ValueError, match="all responses are the same"):
        params.Cot(samples=2, temperature=0.0, max_tokens=6)
    assert params.Cot(samples=1, temperature=0.0, max_tokens=6)
