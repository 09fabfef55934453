"""Scores: prompts to the letter, metrics as they say, numbers equal to plain lm_eval's, and no question lost."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from closedbook import params, sources
from closedbook.evaluation import tasks
from closedbook.stages import documents, scores
from closedbook.util import files
from closedbook.util.errors import UserError

QUALITY = Path("../shared/quality")
WORDS = ["[UNK]", "</s>", "A", "B", "C", "D", "yes", "no"]
RUN = {"run": "raw-s1", "arm": "raw", "strategy": "raw", "corpus_tokens": 100, "train_tokens": 300, "seed": 1}
BASE = {"end_of_text_id": 1}
utils = SimpleNamespace(**runpy.run_path(str(tasks.FOLDER / "utils.py")))
measures = SimpleNamespace(**runpy.run_path(str(tasks.FOLDER / "measures.py")))
COT = params.Cot(samples=2, temperature=1.0, max_tokens=6)


def question(number=0, **changes) -> dict:
    row = {"id": f"q{number}", "question": "Who is it?", "options": ["no no", "no", "yes yes", "no no no"], "gold": 2, "difficult": None}
    return row | {"document": "d0", "title": "Tales", "author": "Ada Byron", "year": 1956} | changes


def settings(**changes) -> params.Scores:
    plain = dict(tasks=["quality_closed_text", "quality_closed"], cot=COT, forgetting=[], summary_tokens=300,
                 batch_size=4, device="cpu", dtype="float32", threads=1)
    return params.Scores(**plain | changes)


def save_model(folder: Path, *, favours: dict[str, float] | None = None, context: int = 64, split_letters: bool = False) -> Path:
    """A toy run that reads words. `favours`: the next word's logits, whatever was read; None: random weights, so that all of it counts."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words = pre_tokenizers.Split(Regex(r"\s"), "isolated") if split_letters else pre_tokenizers.WhitespaceSplit()
    tokenizer.pre_tokenizer = words
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.3}
    config = LlamaConfig(vocab_size=len(WORDS), max_position_embeddings=context, tie_word_embeddings=False, **shape)
    model = LlamaForCausalLM(config)
    if favours is not None:
        with torch.no_grad():
            for parameter in (model.model.layers[0].self_attn.o_proj.weight, model.model.layers[0].mlp.down_proj.weight):
                parameter.zero_()
            model.model.embed_tokens.weight.fill_(1)
            for i, word in enumerate(WORDS):
                model.lm_head.weight[i] = favours.get(word, 0) / 64
    model.save_pretrained(folder)
    files.write_json(folder / "run.json", RUN | {"num_steps": 9, "base": BASE})
    return folder


def score(folder: Path, rows: list[dict], *, model: Path, name: str = "score", **changes) -> tuple[dict, list[dict]]:
    """Score on these questions, with whatever documents/*.json and chunks.jsonl lie in `folder`."""
    files.write_json(folder / "questions.json", rows)
    output, samples = folder / f"{name}.json", folder / f"{name}.samples.jsonl"
    retrieval = SimpleNamespace(chunks=changes.pop("chunks", [2]), order=changes.pop("order", ["best_last"]))
    scores.build(model=model, questions=[folder / "questions.json"], documents=sorted(folder.glob("documents/*.json")),
                 retrieved=list(folder.glob("chunks.jsonl")), replay=[], output=output, samples=samples,
                 params=SimpleNamespace(scores=settings(**changes), seed=1, retrieval=retrieval))  # fmt: skip
    return files.read_json(output), files.read_json_lines(samples)


def test_context_line_says_what_is_known():
    assert utils.context_line(question()) == 'In the context of "Tales", written by Ada Byron in 1956, Who is it?'
    assert utils.context_line(question(year=None)) == 'In the context of "Tales", written by Ada Byron, Who is it?'
    assert utils.context_line(question(author=None)) == 'In the context of "Tales", Who is it?'


def test_prompts():
    line = utils.context_line(question())
    assert utils.text_prompt(question()) == f"{line}\nAnswer:"
    assert utils.letters_prompt(question()) == f"{line}\nA. no no\nB. no\nC. yes yes\nD. no no no\nAnswer:"


def test_length_normalised_accuracy_can_differ_from_summed():
    row = question(options=["ab", "abcdefgh", "abc", "abcd"], gold=1, split="test")
    results = [(-2.0, False), (-4.0, False), (-6.0, False), (-8.0, False)]
    texts = measures.score_texts(row, results)
    assert (texts["acc"], texts["acc_norm"]) == (0.0, 1.0)
    assert measures.score_letters(row | {"gold": 0}, results)["acc"] == 1.0


def test_each_subset_has_a_metric_of_its_own_and_a_question_counts_only_where_it_belongs():
    results = [(-1.0, True), (-2.0, False), (-3.0, False), (-4.0, False)]
    for difficult, subset in ((True, {"acc_hard"}), (False, {"acc_not_hard"}), (None, set())):
        measured = measures.score_letters(question(difficult=difficult, gold=0, split="test"), results)
        plain = {name: value for name, value in measured.items() if not name.endswith("_error_by_document")}
        assert plain == dict.fromkeys({"acc", "acc_test"} | subset, 1.0)
        assert {name: measured[f"{name}_error_by_document"] for name in plain} == dict.fromkeys(plain, (1.0, "d0"))


@pytest.mark.parametrize("changes", [{"gold": 4}, {"options": ["a", "b"]}, {"options": ["a"], "gold": 0}, {"options": ["a"] * 11}, {"options": ["a", "b", "c", " "]}])
def test_question_that_cannot_be_scored_is_refused(tmp_path, changes):
    files.write_json(tmp_path / "bad.json", [question(), question(7, **changes)])
    with pytest.raises(ValueError, match="bad.json: question q7"):
        utils.load(str(tmp_path))


def test_files_are_named_after_their_task_and_its_version_is_in_the_log():
    log = (tasks.FOLDER / "README.md").read_text(encoding="utf-8")
    for path in tasks.FOLDER.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert f"\ntask: {path.stem}\n" in text
        assert f"| {path.stem} | {text.split('version: ')[1].strip()} |" in log


def test_model_that_knows_gets_all_and_permuted_gold_gets_none(tmp_path):
    model = save_model(tmp_path / "model", favours={"yes": 4, "C": 4})
    hard = [True, False, None, True]
    rows = [question(i, difficult=difficult, document=f"d{i // 2}") for i, difficult in enumerate(hard)]
    result, samples = score(tmp_path, rows, model=model)
    assert {name: result[name] for name in RUN} == RUN
    assert (result["n"], result["explanation"]) == (4, None)
    for task, metric in (("quality_closed_text", "acc_norm"), ("quality_closed", "acc")):
        measured = result["tasks"][task]
        assert (measured["metric"], measured["accuracy"], measured["accuracy_hard"]) == (metric, 1.0, 1.0)
        assert (measured["n"], measured["n_hard"], measured["n_documents"]) == (4, 2, 2)
    assert [(row["task"], row["id"]) for row in samples] == [(task, row["id"]) for task in result["tasks"] for row in rows]

    permuted, samples = score(tmp_path, [row | {"gold": 3} for row in rows], model=model)
    assert [measured["accuracy"] for measured in permuted["tasks"].values()] == [0.0, 0.0]
    assert all((row["gold"], row["chosen"], row["correct"]) == (3, 2, False) for row in samples)
    assert permuted["questions_sha256"] != result["questions_sha256"]


def test_choice_and_answer_are_those_of_the_length_normalised_metric(tmp_path):
    model = save_model(tmp_path / "model", favours={"yes": 1})
    rows = [question(options=["no", "yes yes yes yes", "A B", "C D"], gold=1)]
    result, samples = score(tmp_path, rows, model=model, tasks=["quality_closed_text"])
    metrics = result["tasks"]["quality_closed_text"]["metrics"]
    assert (metrics["acc"], metrics["acc_norm"]) == (0.0, 1.0)
    assert (samples[0]["chosen"], samples[0]["correct"]) == (1, True)
    assert max(samples[0]["log_likelihoods"]) == samples[0]["log_likelihoods"][0]


def test_hard_subset_has_its_own_mean_and_none_where_nobody_says(tmp_path):
    model = save_model(tmp_path / "model", favours={"C": 4})
    rows = [question(0, difficult=False), question(1, gold=0, difficult=True), question(2, difficult=True, document="d1"), question(3)]
    measured = score(tmp_path, rows, model=model, tasks=["quality_closed"])[0]["tasks"]["quality_closed"]
    assert (measured["accuracy"], measured["accuracy_hard"], measured["stderr_hard"]) == (0.75, 0.5, 0.5)
    assert (measured["accuracy_not_hard"], measured["n_not_hard"]) == (1.0, 1)
    measured = score(tmp_path, rows[:1], model=model, tasks=["quality_closed"])[0]["tasks"]["quality_closed"]
    assert (measured["stderr"], measured["accuracy_hard"], measured["stderr_hard"], measured["n_hard"]) == (None, None, None, 0)
    assert (measured["validation"]["accuracy"], measured["validation"]["n"]) == (None, 0)


def test_same_bytes_again_and_whatever_tasks_stand_beside(tmp_path):
    model = save_model(tmp_path / "model", context=128)
    rows = [question(i, question="yes no A " * (i + 1), options=["no " * (i % 4 + 1), "yes", "A B C", "D no yes"]) for i in range(12)]
    _, both = score(tmp_path, rows, model=model, name="first")
    score(tmp_path, rows, model=model, name="second")
    for suffix in (".json", ".samples.jsonl"):
        written = (tmp_path / f"first{suffix}").read_bytes()
        assert written == (tmp_path / f"second{suffix}").read_bytes()
        assert str(tmp_path).encode() not in written
    _, alone = score(tmp_path, rows, model=model, tasks=["quality_closed"])
    assert alone == both[len(rows) :]


def test_two_to_ten_options_have_as_many_letters_and_a_chance_to_match(tmp_path):
    rows = [question(0, options=["no", "yes"], gold=1), question(1, options=["no no"] * 9 + ["yes"], gold=9), question(2)]
    files.write_json(tmp_path / "questions.json", rows)
    assert utils.letters_prompt(rows[0]).endswith("\nA. no\nB. yes\nAnswer:") and "\nJ. yes\nAnswer:" in utils.letters_prompt(rows[1])
    result, samples = score(tmp_path, rows, model=save_model(tmp_path / "model", favours={"B": 4, "yes": 4}))
    assert [len(row["log_likelihoods"]) for row in samples] == [2, 10, 4, 2, 10, 4]
    by_text, by_letter = result["tasks"]["quality_closed_text"], result["tasks"]["quality_closed"]
    assert by_text["chance"] == by_letter["chance"] == pytest.approx((1 / 2 + 1 / 10 + 1 / 4) / 3)
    assert [row["correct"] for row in samples[3:]] == [True, False, False]


def test_base_is_loaded_from_where_its_reference_points(tmp_path):
    model = save_model(tmp_path / "model", favours={"C": 4})
    files.write_json(tmp_path / "base" / "base.json", {"load": str(model), "revision": None, **BASE})
    result, _ = score(tmp_path, [question()], model=tmp_path / "base", tasks=["quality_closed"])
    assert result["tasks"]["quality_closed"]["accuracy"] == 1.0
    assert (result["run"], result["strategy"], result["corpus_tokens"], result["seed"]) == ("base", "base", 0, None)


def test_no_questions_is_said_without_a_model(tmp_path):
    files.write_json(tmp_path / "base" / "base.json", {"load": "nowhere", "revision": None})
    result, samples = score(tmp_path, [], model=tmp_path / "base")
    assert (result["n"], result["tasks"], result["explanation"], samples) == (0, {}, "no questions: accuracy not measured", [])


def test_unknown_task_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match="scores.tasks: 'quality_close' .*did you mean quality_closed?"):
        score(tmp_path, [question()], model=tmp_path / "nowhere", tasks=["quality_close"])


def test_prompt_beyond_the_context_is_an_error_and_one_that_just_fits_is_not(tmp_path):
    words = len(f"{utils.text_prompt(question())} no no no".split())
    fits = save_model(tmp_path / "fits", context=words - 1)
    score(tmp_path, [question()], model=fits, tasks=["quality_closed_text"])
    short = save_model(tmp_path / "short", context=words - 2)
    with pytest.raises(UserError, match=f"question q0 needs {words - 1} tokens .* holds {words - 2}: take a base.model"):
        score(tmp_path, [question()], model=short, tasks=["quality_closed_text"])
    assert not (tmp_path / "short.json").exists()


def test_letter_of_two_tokens_is_an_error(tmp_path):
    model = save_model(tmp_path / "model", split_letters=True)
    with pytest.raises(UserError, match="2 tokens of the letter ' A'"):
        score(tmp_path, [question()], model=model, tasks=["quality_closed"])


def test_diverged_model_is_an_error(tmp_path):
    model = save_model(tmp_path / "model", favours={"yes": float("nan")})
    with pytest.raises(UserError, match="question q0: log-likelihoods .* diverged"):
        score(tmp_path, [question()], model=model)


def plain_lm_eval(folder: Path, model: Path, names: list[str], *more: str) -> dict[str, tuple[dict, dict[str, dict]]]:
    """What the command line of lm_eval, to which closedbook is nothing, says of each task: its metrics, and its samples by question."""
    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32", "--device", "cpu"]
    command += ["--include_path", str(tasks.FOLDER), "--tasks", ",".join(names), "--batch_size", "4", "--log_samples", *more]
    where = {"data_file": str(folder / "questions.json"), "documents": str(folder / "documents"), "answer_tokens": 6}
    command += ["--metadata", json.dumps(where), "--output_path", str(folder / "plain")]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
    (results,) = (folder / "plain").rglob("results_*.json")
    said = {}
    for name in names:
        (samples,) = (folder / "plain").rglob(f"samples_{name}_2*.jsonl")
        measured = files.read_json(results)["results"][name].items()
        metrics = {key.removesuffix(",none"): value for key, value in measured if key.endswith(",none") and value != "N/A"}
        said[name] = metrics, {row["doc"]["id"]: row for row in files.read_json_lines(samples)}
    return said


@pytest.mark.slow
def test_plain_lm_eval_gives_the_same_numbers_and_responses_to_the_last_digit(tmp_path):
    """Of an open task with some documents cut, and of a sampled one: they share no batch, so one command can run both."""
    model = save_model(tmp_path / "model", context=1000)
    options = ["yes", "A B C", "D no yes"]
    rows = [question(i, options=["no " * (i + 1), *options], gold=i % 4, difficult=i < 3, document=f"d{i // 2}") for i in range(7)]
    rows.append(question(7, options=["no", "yes"], gold=1, document="d0"))
    for i in range(4):
        files.write_json(tmp_path / "documents" / f"d{i}.json", {"text": "\n\n".join(["yes no A B", "C D", "yes " * 500 * i, "no"])})
    cot = params.Cot(samples=8, temperature=0.1, max_tokens=6)
    result, samples = score(tmp_path, rows, model=model, tasks=["quality_open", "quality_cot"], cot=cot)
    opened, sampled = result["tasks"]["quality_open"], result["tasks"]["quality_cot"]
    more = ("--seed", f"0,1234,{sampled['torch_seed']},1234", "--gen_kwargs", "max_gen_toks=6")
    said = plain_lm_eval(tmp_path, model, ["quality_open", "quality_cot"], *more)
    assert (opened["metrics"], sampled["metrics"]) == (said["quality_open"][0], said["quality_cot"][0])
    for row in samples:
        theirs = said[row["task"]][1][row["id"]]
        if row["task"] == "quality_open":
            assert row["log_likelihoods"] == [float(log_likelihood) for log_likelihood, _ in theirs["filtered_resps"]]
        else:
            assert row["responses"] == theirs["resps"][0]
    assert opened["questions_cut"] == 3 and opened["metrics"]["cut"] == 3 / 8
    for subset in ("", "_hard", "_not_hard"):
        assert opened["metrics"][f"acc_norm{subset}"] == opened[f"accuracy{subset}"]
        assert opened["metrics"][f"acc_norm{subset}_error_by_document"] == opened[f"stderr{subset}"]


@pytest.mark.skipif(not QUALITY.exists(), reason=f"the real articles are not in {QUALITY}")
def test_all_124_real_questions_are_scored_with_their_options_as_given(tmp_path):
    """119 of the ten articles as text and 5 of the one as HTML."""
    given, of_documents = {}, []
    for name in ("QuALITY.sample.htmlstripped.dev", "QuALITY.sample.html.dev"):
        given |= {row["question_unique_id"]: row["options"] for line in files.read_json_lines(QUALITY / name) for row in line["questions"]}
        asked = params.Documents(source="quality", path=str(QUALITY / name), limit=None)
        for article in sources.articles(asked, params.load().miniature, 1, [1]):
            source, document = tmp_path / "sources" / f"{article.id}.json", tmp_path / "documents" / f"{article.id}.json"
            of_documents.append(tmp_path / "questions" / f"{article.id}.json")
            files.write_json(source, article.as_dict())
            documents.build(source=source, document=document, questions=of_documents[-1])
    model, output, samples = save_model(tmp_path / "model", context=512), tmp_path / "score.json", tmp_path / "samples.jsonl"
    scores.build(model=model, questions=of_documents, documents=[], retrieved=[], replay=[],
                 params=SimpleNamespace(scores=settings(batch_size=32)),
                 output=output, samples=samples)  # fmt: skip
    rows = [row for path in of_documents for row in files.read_json(path)]
    assert {row["id"]: row["options"] for row in rows} == {id: [option.strip() for option in options] for id, options in given.items()}
    answers = files.read_json_lines(samples)
    for task, measured in files.read_json(output)["tasks"].items():
        assert (measured["n"], measured["n_documents"], measured["n_hard"]) == (124, 11, sum(row["difficult"] is True for row in rows))
        assert [answer["id"] for answer in answers if answer["task"] == task] == [row["id"] for row in rows]
    assert all(len(answer["log_likelihoods"]) == 4 for answer in answers)
