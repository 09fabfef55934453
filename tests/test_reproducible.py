"""What of an arm can be made again: each claim, what stands against it, and wrong claims that rebuilding finds, on hand-made receipts."""

import asyncio
import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import toys
from openai_server import Server
from ruamel.yaml import YAML

from closedbook import llm, params
from closedbook.lineage import reproducible
from closedbook.lineage.history import History
from closedbook.llm import ledger
from closedbook.records import Document
from closedbook.spending.asking import Kept, Rehearsal
from closedbook.stages import entities, passages
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts
from closedbook.workflow.registry import STEPS

TEXT = "Mira Oldan lives in Varn. The Council of Varn met Mira Oldan in Kell."
DOCUMENT = Document(id="varn-1", title="Varn", author=None, year=None, text=TEXT)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A document, its list and its passages as a model on a loopback server made them, with one answer that was of no use; and a score."""
    settings = YAML(typ="safe").load(Path("params.yaml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    settings["documents"]["path"] = "not here"
    with open("params.yaml", "w") as handle:
        YAML(typ="safe").dump(settings, handle)
    DOCUMENT.write("results/documents/varn-1.json")
    _job("documents/varn-1", {}, [], ["results/documents/varn-1.json"])
    with Server({0: "not_json", 2: "empty", 4: "refusal"}) as server:
        _written({"model": "openai/toy", "api_base": server.url, "temperature": 0.5, "max_tokens": 100, "sections": None})
    files.write_text("results/scores/a-s1.json", "{}")
    _job("scores/a-s1", {"scores": {"device": "cpu"}}, ["results/passages/rephrase/varn-1.json"], ["results/scores/a-s1.json"])
    return tmp_path


def _written(model):
    limits = params.load().limits
    recipe = {"seed": 1, "llm": model, "entities": params.load().entities.model_dump(), "spacy": {"model": "blank"}}
    document, names, told = (Path(f"results/{kind}/varn-1.json") for kind in ("documents", "entities", "passages/rephrase"))
    asyncio.run(entities.job(document=document, output=names, params=params.typed(recipe), limits=limits))
    _job("entities/varn-1", recipe, [document], [names])
    recipe = {"seed": 1, "strategy": "rephrase", "llm": model, "passages": {"attempts": 2, "rephrase": {"styles": ["easy", "hard"], "samples": 1}}}
    one_by_one = limits.model_copy(update={"concurrency": 1})
    asyncio.run(passages.job(document=document, entities=[], output=told, params=params.typed(recipe), limits=one_by_one))
    _job("passages/rephrase/varn-1", recipe, [document], [told])


def _job(job, settings, inputs, outputs):
    toys.receipt(job, inputs, outputs, settings, {"made_by": "llm", "maker": "toy", "answered": {"toy": 1}},
                 code=STEPS[job.partition("/")[0]].code())


def claims(arm="a"):
    return {artefact["job"]: artefact for artefact in reproducible.answer(Namespace(arm=arm, prove=False))["artefacts"]}


def test_what_the_ledger_holds_is_replayable_and_what_asks_nobody_is_rebuilt(project):
    found = claims()
    assert {job: artefact["by"] for job, artefact in found.items()} == {
        "documents/varn-1": "rebuilding", "passages/rephrase/varn-1": "ledger", "scores/a-s1": "rebuilding"}
    assert found["passages/rephrase/varn-1"]["against"] == [] and found["scores/a-s1"]["against"] == []
    assert "the source is not here" in found["documents/varn-1"]["against"][0]


def test_chunks_that_a_provider_found_are_not_rebuilt_here(project):
    models = {"embedder": {"model": "openai/finds", "api_base": None}, "reranker": {"model": None, "api_base": None}}
    files.write_text("results/retrieval/retrieval.json", "{}")
    _job("scores/a-s1", {"scores": {"device": "cpu"}}, ["results/retrieval/retrieval.json"], ["results/scores/a-s1.json"])
    for settings, by in ((models, "provider"), (dict.fromkeys(models, models["reranker"]), "rebuilding")):
        _job("retrieval/retrieval", {"retrieval": settings}, ["results/documents/varn-1.json"], ["results/retrieval/retrieval.json"])
        assert claims()["retrieval/retrieval"]["by"] == by


def test_a_lost_answer_needs_a_provider_one_that_was_of_no_use_too(project):
    segment = Path("ledger/rephrase/varn-1.jsonl")
    lines = segment.read_text().splitlines()
    assert len(lines) == 3, "one style was asked for twice, in vain"
    for lost in range(3):
        segment.write_text("\n".join(line for number, line in enumerate(lines) if number != lost) + "\n")
        assert (claims()["passages/rephrase/varn-1"]["by"], claims()["passages/rephrase/varn-1"]["calls_missing"]) == ("provider", 1)


def test_a_redacted_answer_can_not_be_replayed(project):
    ledger.redact("varn-1")
    assert claims()["passages/rephrase/varn-1"]["calls_missing"] == 3


def test_the_list_of_a_later_attempt_needs_the_first_one_too(project):
    history = History.here()
    job = history.jobs["entities/varn-1"]
    assert reproducible._claim(job) == {"by": "ledger", "calls_missing": 0}
    segment = Path("ledger/entities/varn-1.jsonl")
    segment.write_text(segment.read_text().splitlines()[1] + "\n")
    assert reproducible._claim(job) == {"by": "provider", "calls_missing": 1}


def test_what_was_asked_about_sections_is_looked_for_by_sections(project):
    long = replace(DOCUMENT, text="\n\n".join(f"Mira Oldan lives in Varn{number}. " + "It is far. " * 30 for number in range(2)))
    long.write("results/documents/varn-1.json")
    with Server() as server:
        _written({"model": "openai/toy", "api_base": server.url, "temperature": 0.5, "max_tokens": 100, "sections": 100})
        assert server.received == 2 + 2 * 2
    jobs = History.here().jobs
    for job in ("entities/varn-1", "passages/rephrase/varn-1"):
        assert reproducible._claim(jobs[job]) == {"by": "ledger", "calls_missing": 0}


def test_an_answer_without_a_setting_that_its_server_refuses_is_replayable_and_no_longer_to_be_asked(project):
    for segment in ("entities", "rephrase"):
        Path(f"ledger/{segment}/varn-1.jsonl").unlink()
    with Server() as server:
        server.refuses = {"seed": (422, {"detail": "Unexpected fields in the request: {'seed'}"})}
        _written({"model": "openai/toy", "api_base": server.url, "temperature": 0.5, "max_tokens": 100, "sections": None})
    jobs = History.here().jobs
    for job in ("entities/varn-1", "passages/rephrase/varn-1"):
        assert reproducible._claim(jobs[job]) == {"by": "ledger", "calls_missing": 0}
    model = params.typed(jobs["entities/varn-1"].recipe["params"]).llm
    client = Rehearsal(llm=model, kept=Kept("rephrase", "varn-1"), document=DOCUMENT, seed=1)
    assert asyncio.run(client.ask("easy", attempts=1, check=str))[0]


def test_another_prompt_is_another_call(project, monkeypatch):
    monkeypatch.setattr(reproducible.prompts, "messages", lambda *_, **__: [{"role": "user", "content": "something else"}])
    assert claims()["passages/rephrase/varn-1"]["by"] == "provider"


@pytest.mark.parametrize("change, reason", [
    (lambda record: record["versions"].update(torch="1.0"), "another version: torch 1.0"),
    (lambda record: record["recipe"].update(code="0" * 64), "code of the stage scores changed"),
    (lambda record: record["recipe"]["params"]["scores"].update(device="cuda"), "scores.device is cuda"),
    (lambda record: record["facts"].update(cpu="Zilog Z80"), "another kind of CPU: Zilog Z80"),
    (lambda record: record.update(accepted=[{"why": "a name", "code_before": "0", "code_after": "1"}]), "accepted over a change"),
])
def test_what_stands_against_a_claim_is_said(project, change, reason):
    receipt = Path("results/receipts/scores/a-s1.json")
    record = receipts.read(receipt)
    change(record)
    receipts.keep(receipt, record)
    assert any(reason in one for one in claims()["scores/a-s1"]["against"])
    assert reason in "\n".join(reproducible.lines(reproducible.answer(Namespace(arm="a", prove=False))))


def test_a_base_from_the_hub_without_revision_may_be_another_one_today(project):
    files.write_text("results/base/base.json", "{}")
    _job("base/base", {"base": {"model": "some/model", "revision": None}}, [], ["results/base/base.json"])
    assert list(reproducible._computed(History.here().jobs["base/base"])) == ["base.revision is null: the Hub may give another commit today"]


def test_a_run_is_asked_about_as_its_arm_is(project):
    assert claims("a-s1") == claims("a")


def test_an_unknown_arm_is_refused_with_those_that_are_known(project):
    with pytest.raises(UserError, match="b: no such arm.*a-s1"):
        claims("b")


def test_with_calls_forbidden_a_step_stops_and_says_which_answer_it_misses(project, monkeypatch):
    monkeypatch.setenv(llm.NO_CALLS, "1")
    recipe = json.loads(Path("results/receipts/passages/rephrase/varn-1.json").read_text())["recipe"]["params"]
    replay = dict(document=Path("results/documents/varn-1.json"), entities=[], params=params.typed(recipe),
                  limits=params.load().limits)
    asyncio.run(passages.job(**replay, output=Path("again.json")))
    assert Path("again.json").read_bytes() == Path("results/passages/rephrase/varn-1.json").read_bytes()
    Path("ledger/rephrase/varn-1.jsonl").unlink()
    with pytest.raises(UserError, match="varn-1: the ledger has no answer to the prompt (easy|hard).*forbids to ask openai/toy"):
        asyncio.run(passages.job(**replay, output=Path("again.json")))


def test_the_scripted_generator_is_no_provider(monkeypatch, tmp_path):
    monkeypatch.setenv(llm.NO_CALLS, "1")
    model = params.Llm(model="miniature/author", api_base=None, temperature=0.5, max_tokens=100, sections=None)
    with ledger.Ledger("rephrase", "varn-1", tmp_path) as segment:
        client = llm.Client(llm=model, limits=params.load().limits, ledger=segment, document=DOCUMENT, seed=1)
        with pytest.raises(llm.NotAnswered, match="refused"):
            asyncio.run(client.ask("easy", attempts=1, check=str))


def test_what_was_found_or_read_by_a_provider_s_model_is_replayable_where_the_ledger_knows_the_document(project):
    document, nobody = "results/documents/varn-1.json", {"model": None}
    rows, samples = Path("results/retrieval/chunks.jsonl"), Path("results/scores/api-gpt.samples.jsonl")
    for path in (rows, samples):
        files.write_json_lines(path, [{"document": "varn-1"}])
    files.write_text("results/scores/b-s1.json", "{}")
    for embedder, reranker, by in ((nobody, nobody, "rebuilding"), ({"model": "openai/e"}, nobody, "provider"),
                                   (nobody, {"model": "cohere/r"}, "provider")):
        _job("retrieval/retrieval", {"retrieval": {"embedder": embedder, "reranker": reranker}}, [document], [rows])
        _job("scores/b-s1", {"scores": {"device": "cpu"}}, [rows], ["results/scores/b-s1.json"])
        assert claims("b")["retrieval/retrieval"]["by"] == by
    _job("scores/api-gpt", {"api_model": {"model": "openai/gpt"}}, [document], [samples])
    record = files.read_json("results/receipts/scores/api-gpt.json")
    receipts.keep(Path("results/receipts/scores/api-gpt.json"), record | {"recipe": record["recipe"] | {"step": "api_models"}})
    assert claims("api-gpt")["scores/api-gpt"]["by"] == "provider"
    for step in ("retrieval", "reader-gpt"):
        with ledger.Ledger(step, "varn-1") as segment:
            segment.append({"key": "k", "messages": [], "text": "", "refusal": None})
    assert claims("b")["retrieval/retrieval"]["by"] == claims("api-gpt")["scores/api-gpt"]["by"] == "ledger"


def rebuilt(monkeypatch, **contents):
    """--prove where the rebuilding gives every receipt and output as here, but for `contents` by job."""

    def rebuild(place, targets):
        for job in History.here().jobs.values():
            text = contents.get(job.step, "same")
            if text is None:
                log = f"{job.name.rpartition('/')[0].replace('/', '-')}-0"  # as its shard's
                files.write_text(place / f".closedbook/logs/{log}.log", "…\nerror: the ledger has no answer\n")
                continue
            files.write_text(place / job.receipt, Path(job.receipt).read_text())
            for path in job.outputs:
                files.write_text(place / path, Path(path).read_text() if text == "same" else text)

    monkeypatch.setattr(reproducible, "_rebuild", rebuild)
    monkeypatch.setattr(reproducible, "_checkout", lambda place: None)
    answer = reproducible.answer(Namespace(arm="a", prove=True))
    return answer, {artefact["job"]: artefact["result"] for artefact in answer["artefacts"]}


def test_what_comes_out_the_same_proves_the_claims(project, monkeypatch):
    answer, results = rebuilt(monkeypatch)
    assert set(results.values()) == {"identical"} and answer["broken"] == []
    assert "Rebuilt: 3 of 3 identical" in reproducible.lines(answer)


def test_a_different_score_makes_its_claim_wrong_and_says_what_was_expected(project, monkeypatch):
    answer, results = rebuilt(monkeypatch, scores="other")
    assert results["scores/a-s1"] == "different" and [one["job"] for one in answer["broken"]] == ["scores/a-s1"]
    (difference,) = answer["broken"][0]["differences"]
    assert difference["expected"] == files.sha256_text("{}") and difference["got"] == files.sha256_text("other")


def test_a_replay_that_misses_an_answer_makes_its_claim_wrong_and_says_why(project, monkeypatch):
    answer, results = rebuilt(monkeypatch, passages=None)
    assert results["passages/rephrase/varn-1"] == "not made" and answer["broken"][0]["why"] == "error: the ledger has no answer"


def test_where_something_stands_against_a_claim_it_is_none(project, monkeypatch):
    answer, results = rebuilt(monkeypatch, documents="other")
    assert results["documents/varn-1"] == "different" and answer["broken"] == [], "its source is not here, and that was said"


def test_outside_git_nothing_says_what_to_copy(project):
    with pytest.raises(UserError, match="no git repository here"):
        reproducible.answer(Namespace(arm="a", prove=True))
