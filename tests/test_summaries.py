"""summaries: asked for by title and author and by the subject alone, the same each time, and nothing left out without a reason."""

import json

import pytest
import toys
from openai_server import Server, says

from closedbook import params, sources
from closedbook.evaluation import generating, harness, summarising, tasks
from closedbook.records import Document, EntityList
from closedbook.sources import folder, quality
from closedbook.sources.rows import Row
from closedbook.stages import api_summaries, human_summaries, summaries
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import plan, recipes, registry

NAMES = ["The Harbour of Varn", "Mira Oldan", "Varn", "Tomas Reed", "the council", "the clock", "the river"]


def listed(folder, document, entities=NAMES):
    path = folder / "entities" / f"{document}.json"
    EntityList(document=document, summary="", entities=entities, made_by="spacy", why=None, maker="blank en", call=None).write(path)
    return path


@pytest.fixture
def given(tmp_path):
    """Two documents with their entity lists, one of which names nothing but the document."""
    files_of = {"varn": NAMES, "kell": ["Mira Oldan", "the harbour of varn"]}
    return {"documents": [toys.document(tmp_path, name) for name in files_of], "entities": [listed(tmp_path, *one) for one in files_of.items()],
            "output": tmp_path / "summaries.json"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A base that says something of all that it reads: small first weights would hear little more than the prompt's last token."""
    import torch
    from transformers import LlamaForCausalLM

    folder = toys.base(tmp_path_factory.mktemp("base")).parent
    torch.manual_seed(1)
    LlamaForCausalLM(toys.model().config.__class__(**toys.model().config.to_dict() | {"tie_word_embeddings": False, "initializer_range": 0.5})).save_pretrained(folder)
    return folder


def scores(**changes):
    return params.typed({"scores": params.load().scores.model_dump() | {"summary_tokens": 12} | changes})


def test_one_prompt_names_the_document_and_the_other_only_what_it_is_about(tmp_path):
    document, found = tmp_path / "varn.json", listed(tmp_path, "varn")
    Document(id="varn", title="The Harbour of Varn", author="Mira Oldan", year=1931, text="x").write(document)
    for asked in (summarising.CHAT, summarising.HEADINGS):
        named, unnamed = summarising.requests([document], [found], asked)
        assert (named.kind, unnamed.kind) == summarising.KINDS and '"The Harbour of Varn", written by Mira Oldan in 1931' in named.prompt
        assert "Tomas Reed, the council and the clock" in unnamed.prompt
        assert not any(name in unnamed.prompt for name in ("Varn", "Mira", "the river")), "nothing that names it, and three names at most"


def test_a_run_says_the_same_each_time_and_a_document_without_a_subject_is_named(given, model):
    written = []
    for _ in range(2):
        summaries.build(model=model, params=scores(), **given)
        written.append(given["output"].read_bytes())
    found = files.read_json(given["output"])
    assert written[0] == written[1] and found["run"] == "base" and [(row["document"], row["kind"]) for row in found["summaries"]] == [
        (name, kind) for name in ("varn", "kell") for kind in summarising.KINDS]  # fmt: skip
    *told, silent = found["summaries"]
    assert all(row["text"] and row["prompt"] and row["reason"] is None for row in told)
    assert (silent["prompt"], silent["text"], silent["reason"]) == (None, None, summarising.NO_SUBJECT)


def test_a_text_ends_where_the_model_ends_it_and_is_cut_where_it_does_not():
    spelling = toys.tokenizer()
    words, end = spelling.encode(" Mira Oldan."), spelling.eos_token_id
    assert generating._text(spelling, [*words, end, *words], {end}) == ("Mira Oldan.", False)
    assert generating._text(spelling, words, {end}) == ("Mira Oldan.", True)


def test_the_other_prompts_of_a_batch_change_no_word(given, model):
    lm = harness.loaded(model, scores().scores)
    short, long = [5, 6, 7], [*range(40, 80)]
    alone, (beside, other) = generating._generated(lm, [short], [0], 8), generating._generated(lm, [short, long], [0], 8)
    assert alone == [beside] != [other], "padding is not read, and the prompts are"
    written = []
    for size in (1, 4):
        summaries.build(model=model, params=scores(batch_size=size), **given)
        written.append(given["output"].read_bytes())
    assert written[0] == written[1]


def test_what_the_context_does_not_hold_is_refused_with_the_most_that_it_does(given, model):
    with pytest.raises(UserError, match="scores.summary_tokens: .* give at most"):
        summaries.build(model=model, params=scores(summary_tokens=60), **given)


def test_an_api_model_is_asked_in_words_and_what_it_does_not_answer_is_kept_as_that(given, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with Server({0: says("Mira kept it."), 1: "refusal", 2: says("Cut in the mid", "length")}) as server:
        about = {"name": "small", "seed": 1, "api_model": {"model": "openai/toy", "api_base": server.url}, "scores": {"summary_tokens": 50}}
        facts = api_summaries.build(params=params.typed(about), limits=params.load().limits, **given)
        asked = [request["messages"][0]["content"] for request in server.requests]
    rows = files.read_json(given["output"])["summaries"]
    assert facts == {"answered": ["toy-0001"]} and server.received == 3 and not any(toys.SENTENCES[0] in prompt for prompt in asked)
    assert sorted(str(row["reason"]) for row in rows) == sorted([
        "None", "the model refused", "the answer is cut off at max_tokens", summarising.NO_SUBJECT])  # fmt: skip
    assert {row["text"] for row in rows} == {"Mira kept it.", None} and server.requests[0]["max_tokens"] == 50


def test_people_s_summaries_come_from_the_rows_and_of_those_that_have_none_nothing_does(tmp_path):
    row = {"title": "T", "author": "A", "article": "Text.", "questions": None}
    article, = quality.of_rows([Row("f:1", row | {"summaries": [" One. ", "Two."]}), Row("f:2", row | {"summaries": ["Two."]})])
    without, = quality.of_rows([Row("f:1", row)])
    assert article.summaries == ["One.", "Two."] and "summaries" not in without.as_dict(), "a plan of before stays as it is"
    paths = [tmp_path / "with.json", tmp_path / "without.json"]
    for path, one in zip(paths, (article, without)):
        files.write_json(path, one.as_dict())
    human_summaries.job(sources=paths, output=tmp_path / "human.json", params=None, limits=None)
    rows = files.read_json(tmp_path / "human.json")["summaries"]
    assert [(one["document"], one["kind"], one["text"], one["reason"]) for one in rows] == [(article.id, "named", text, None) for text in ("One.", "Two.")]


def test_of_a_folder_they_stand_beside_the_questions(tmp_path):
    (tmp_path / "a.md").write_text("A text.")
    (tmp_path / "b.md").write_text("Another text.")
    rows = tmp_path / "summaries.jsonl"
    rows.write_text('{"document": "a.md", "summary": "One."}\n{"document": "a.md", "summary": "Two."}\n')
    found = folder.articles(tmp_path)
    assert [article.summaries for article in found] == [["One.", "Two."], []]
    assert sources.places(params.Documents(source="folder", path=str(tmp_path), limit=None), found[0].id) == {tmp_path / "a.md": [], rows: [1, 2]}
    rows.write_text('{"document": "c.md", "summary": "One."}\n')
    with pytest.raises(UserError, match="summaries.jsonl:1: document: must be the relative path"):
        folder.articles(tmp_path)


@pytest.mark.parametrize("wrong", ["One.", [1], [""]])
def test_summaries_that_are_none_are_refused(wrong):
    with pytest.raises(UserError, match="f:1: summaries: must be a list"):
        quality.of_rows([Row("f:1", {"title": "T", "article": "Text.", "summaries": wrong})])


def changed(**sections):
    settings = params.load()
    return settings.model_copy(update={name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()})


def test_without_the_task_nothing_is_planned_and_with_it_each_model_and_its_judge():
    settings, bound = params.load(), {"doc": None}
    before = registry.planned(settings, bound)
    assert not [name for name in before if name.startswith(("summaries/", "verdicts/"))] and "verdicts" not in before["report"]["reads"]
    asked = changed(scores={"tasks": [*settings.scores.tasks, tasks.SUMMARY]}, judge={"model": "miniature/judge"})
    found = registry.planned(asked, bound)
    its = {name for name in before if name.startswith("scores/")}
    assert {name.replace("scores/", "verdicts/") for name in its} | {"verdicts/human"} == {name for name in found if name.startswith("verdicts/")}
    assert {name: found[name] for name in its} == {name: before[name] for name in its}, "scores are what they were"
    assert found["verdicts/base"]["assets"].keys() == {"judge"} and found["report"]["reads"]["verdicts"][-1] == "human"
    assert "summary_tokens" in json.dumps(found["summaries/base"]) and "summary_tokens" not in json.dumps(found["scores/base"])


def test_an_arm_s_own_task_is_asked_of_that_arm_and_the_base():
    settings = params.load()
    arms = settings.arms | {"raw": settings.arms["raw"].model_copy(update={"tasks": [tasks.SUMMARY]})}
    settings = settings.model_copy(update={"arms": arms})
    assert recipes.summary_names(settings) == ["base", "raw-s1", "human"] and tasks.SUMMARY not in recipes.tasks_of(settings, "raw")


@pytest.mark.parametrize("sections, words", [
    ({"scores": {"tasks": ["quality_closed", tasks.SUMMARY]}}, "judge.model: null, and quality_summary needs a judge"),
    ({"scores": {"tasks": [tasks.SUMMARY]}, "judge": {"model": "miniature/judge"}}, "the first one is plotted"),
])  # fmt: skip
def test_a_task_that_could_not_be_measured_stops_the_plan(monkeypatch, sections, words):
    monkeypatch.setattr(params, "load", lambda settings=changed(**sections): settings)
    with pytest.raises(UserError, match=words):
        plan.make(write=False)
