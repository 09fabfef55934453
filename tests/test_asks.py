"""Requests written for an engine of any kind, and its answers taken back."""

import json
import shutil
from collections import Counter
from functools import partial
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import engine
import jobs_here
import pytest
from openai_server import Server
from test_forecast import Project

from closedbook import cli
from closedbook.llm import account, ledger, shards
from closedbook.spending import asks, calls
from closedbook.util import files
from closedbook.workflow import plan


@pytest.fixture
def server():
    """To which nothing may be sent."""
    with Server() as running:
        yield running


@pytest.fixture
def project(tmp_path, monkeypatch, server):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, server.url)


def said(capsys, *command: str, status: int = 0):
    """The answer as data; the error where there is one."""
    capsys.readouterr()
    assert cli.main(["asks", *command, "--json"]) == status
    came = capsys.readouterr()
    return came.err if status else json.loads(came.out)


def exported(capsys, name: str) -> list[dict]:
    said(capsys, "export", name)
    return engine.requests(Path(name)) if Path(name).exists() else []


def answer_all(capsys, with_=engine.done, rounds: int = 9) -> list[dict]:
    """Export, answer and import until nothing is left; all requests."""
    asked = []
    for number in range(rounds):
        if not (new := exported(capsys, f"asks-{number}")):
            return asked
        asked += new
        said(capsys, "import", str(engine.answer(Path(f"asks-{number}"), Path(f"answers-{number}.jsonl"), with_)))
    raise AssertionError(f"not answered in {rounds} rounds")


def lines() -> list[dict]:
    return [line for segment in calls.segments() for line in calls.lines(segment)]


def results(folder: Path) -> dict[str, str]:
    """Entity lists and passages, whoever answered."""
    found = [*folder.glob("results/entities/*.json"), *folder.glob("results/passages/*/*.json")]
    return {str(path.relative_to(folder)): path.read_text().replace("engine-0001", "toy-0001") for path in found}


@pytest.mark.slow
def test_what_is_exported_is_what_a_run_sends_and_its_answers_make_the_bytes_that_live_ones_make(project, server, capsys, tmp_path):
    project.arms("entigraph", "active_reading")
    asked = answer_all(capsys)
    assert server.received == 0
    jobs_here.make(plan.make())
    assert server.received == 0 and {line["key"] for line in lines()} == {request["custom_id"] for request in asked}
    in_bulk = results(tmp_path)
    for folder in ("results", "ledger"):
        shutil.rmtree(folder)
    jobs_here.make(plan.make())
    assert Counter(map(files.canonical, server.requests)) == Counter(files.canonical(request["body"]) for request in asked)
    assert in_bulk == results(tmp_path) and len(in_bulk) == 3 * 3


def test_a_chain_takes_rounds_and_how_many_wait_is_said(project, capsys):
    first = said(capsys, "export", "first")
    assert first["requests"] == 3 + 6 and first["waiting"] == 3, "entity lists and rephrasings; entigraph waits for the lists"
    answers = str(engine.answer(Path("first"), Path("answers.jsonl")))
    taken = said(capsys, "import", answers)
    assert (taken["taken"], taken["models"], taken["trouble"], taken["waiting"]) == (9, {"engine-0001": 9}, [], 0) and taken["open"] > 0
    assert said(capsys, "export", "second")["requests"] == taken["open"]


def test_files_stay_under_the_limits_and_hold_a_document_s_requests_together(project, capsys, monkeypatch):
    project.arms("rephrase", {"qa": 1, "spa": 1})
    monkeypatch.setattr(shards, "Shards", partial(shards.Shards, most_requests=4, most_bytes=9_000))
    requests = exported(capsys, "out")
    for path in Path("out").iterdir():
        assert path.read_bytes().count(b"\n") <= 4 and path.stat().st_size <= 9_000
    assert len({request["custom_id"] for request in requests}) == len(requests) > 3 * 4
    passages = [text for request in requests if "salient entities" not in (text := request["body"]["messages"][-1]["content"])]
    titles = [title for title, _ in groupby(passages, key=lambda text: text.splitlines()[0])]
    assert len(titles) == 3, "a document's requests stand together"


def test_a_request_longer_than_a_file_may_be_is_an_error_and_leaves_nothing(project, capsys, monkeypatch):
    monkeypatch.setattr(shards, "Shards", partial(shards.Shards, most_bytes=900))
    assert "llm.sections" in said(capsys, "export", "out", status=2)
    assert not Path("out").exists() and not list(Path(".").glob(".tmp-*"))


def test_the_same_request_from_two_places_is_written_once(tmp_path):
    budget = SimpleNamespace(pending=lambda key: None)
    sender = SimpleNamespace(section="llm", llm=SimpleNamespace(model="openai/toy"), budget=budget, body=lambda request, question: {})
    with shards.Shards(tmp_path) as written:
        bulk = asks.Export(written)
        for key in ("a", "b", "a"):
            bulk.note(sender, {"key": key}, None)
    assert [request["custom_id"] for request in engine.requests(tmp_path)] == ["a", "b"]


def test_the_folder_is_not_there_before_it_is_whole(project, capsys, monkeypatch):
    add = shards.Shards.add

    def watched(self, *given):
        assert not Path("out").exists()
        add(self, *given)

    monkeypatch.setattr(shards.Shards, "add", watched)
    assert exported(capsys, "out")


def test_a_folder_that_holds_something_stays_as_it_is(project, capsys):
    Path("mine").mkdir()
    Path("mine/own.txt").write_text("mine")
    assert "mine" in said(capsys, "export", "mine", status=2)
    assert [path.name for path in Path("mine").iterdir()] == ["own.txt"]


def test_an_answer_is_checked_as_a_live_one_is_and_the_next_attempt_is_written(project, capsys):
    project.arms("rephrase")
    first = exported(capsys, "first")
    sorry = "I'm sorry, but I can't help."
    refusing = engine.answer(Path("first"), Path("refusals.jsonl"), lambda request: engine.done(request, content=sorry))
    said(capsys, "import", str(refusing))
    assert {line["outcome"] for line in lines()} == {ledger.QUARANTINED}
    second = exported(capsys, "second")
    assert len(second) == len(first) and not {one["custom_id"] for one in first} & {one["custom_id"] for one in second}


def test_cost_is_counted_at_the_batch_price_and_where_an_answer_came_from_is_shown(project, capsys):
    project.set(llm={"model": "openai/gpt-4.1-mini"})
    answer_all(capsys)
    half = (100 * 0.4 + 20 * 1.6) / 2 / 1e6
    assert all(line["cost_usd"] == pytest.approx(half) for line in lines())
    assert sum(row["usd"] for row in account.rows(ledger.root())) == pytest.approx(half * len(lines()))
    passage = json.loads(next(Path("results/passages/rephrase").iterdir()).read_text())["passages"][0]
    assert passage["call"]["model_answered"] == "engine-0001" and "answers-" not in json.dumps(passage)
    capsys.readouterr()
    assert cli.main(["trace", passage["id"], "--json"]) == 0
    came = json.loads(capsys.readouterr().out)["call_came_from"]
    source = Path(came["file"]).read_text().splitlines()[came["line"] - 1]
    assert json.loads(source)["custom_id"] == passage["call"]["key"]


@pytest.mark.parametrize("limits", [{"max_usd": 0.0}, {"max_calls": 0}])
def test_what_is_answered_is_taken_whatever_the_limits_and_counts_against_them(project, capsys, limits):
    project.set(limits=limits)
    project.arms("rephrase")
    answer_all(capsys)
    (unpriced,) = {row["unpriced"] == row["calls"] for row in account.rows(ledger.root()) if row["outcome"] == "answered"}
    assert unpriced and sum(row["calls"] for row in account.rows(ledger.root()) if row["outcome"] == "answered") == 9


def test_to_import_twice_changes_nothing(project, capsys):
    answer_all(capsys)
    before = {path: path.read_bytes() for path in calls.segments()}
    spent = [row for row in account.rows(ledger.root()) if row["outcome"] != "served"]
    again = said(capsys, "import", "answers-0.jsonl", "answers-1.jsonl")
    assert again["taken"] == 0 and again["known"] == len(lines()) and not again["trouble"]
    assert {path: path.read_bytes() for path in calls.segments()} == before
    assert [row for row in account.rows(ledger.root()) if row["outcome"] != "served"] == spent


def test_every_line_of_no_use_is_named_and_the_others_are_taken(project, capsys):
    project.arms("rephrase")
    requests = exported(capsys, "out")
    good = [json.dumps(engine.done(request)) for request in requests]
    error = json.dumps({"custom_id": requests[2]["custom_id"], "response": {"status_code": 500, "body": None}, "error": "out of memory"})
    never = json.dumps({"custom_id": requests[3]["custom_id"], "response": None, "error": {"code": "batch_expired", "message": "too late"}})
    other = json.dumps({**json.loads(good[0]), "custom_id": "f" * 64})
    Path("bad.jsonl").write_text("\n".join([good[0], good[1], good[1], error, never, other, "no json", '{"a": 1}', good[4][:-9]]))
    found = said(capsys, "import", "bad.jsonl")
    assert {(one["line"], one["kind"]) for one in found["trouble"]} == {
        (3, shards.DOUBLE), (4, asks.FAILED), (5, asks.FAILED), (6, asks.UNKNOWN), (7, shards.UNREADABLE), (8, shards.UNREADABLE),
        (9, shards.CUT)}  # fmt: skip
    assert {one["file"] for one in found["trouble"]} == {"bad.jsonl"} and sum(found["kinds"].values()) == 7
    assert found["taken"] == len(lines()) == 2 and found["open"] == len(requests) - 2
    again = {one["custom_id"] for one in exported(capsys, "again")}
    assert again == {one["custom_id"] for one in requests[2:]}, "what failed is asked again"


def test_an_answer_counts_before_an_error_about_the_same_request(project, capsys):
    project.arms("rephrase")
    requests = exported(capsys, "out")
    failed = [{"custom_id": request["custom_id"], "response": None, "error": "too late"} for request in requests]
    Path("errors.jsonl").write_text("".join(json.dumps(line) + "\n" for line in failed))
    found = said(capsys, "import", "errors.jsonl", str(engine.answer(Path("out"), Path("answers.jsonl"))))
    assert found["taken"] == len(requests) and not found["trouble"]


@pytest.mark.parametrize("change", ["prompt", "project"])
def test_answers_to_another_prompt_or_of_another_project_are_refused_and_how_many(project, capsys, monkeypatch, tmp_path, change):
    project.arms("rephrase")
    exported(capsys, "out")
    answers = engine.answer(Path("out"), tmp_path / "answers.jsonl")
    if change == "prompt":
        from closedbook.llm import prompts

        template = prompts.template
        monkeypatch.setattr(prompts, "template", lambda name: template(name) + ("\nBe brief." if name == "system" else ""))
    else:
        project.set(llm={"model": "openai/another"})
    assert f"not one of {len(answers.read_text().splitlines())} answers" in said(capsys, "import", str(answers), status=2)
    assert not ledger.root().exists() or lines() == []


def test_an_engine_that_takes_no_schema_is_asked_without_one(project, capsys):
    def no_schema(request):
        if "response_format" not in request["body"]:
            return engine.done(request)
        error = {"error": {"message": "response_format is not supported", "type": "BadRequestError", "code": 400}}
        return {"custom_id": request["custom_id"], "response": {"status_code": 400, "request_id": "r"}, "error": error}  # as vLLM writes it

    asked = answer_all(capsys, no_schema)
    assert sum("response_format" in request["body"] for request in asked) == 3, "once for each list"
    assert all(json.loads(path.read_text())["made_by"] == "llm" for path in Path("results/entities").iterdir())


def test_an_engine_may_leave_out_what_stands_around_a_completion(project, capsys):
    project.arms("rephrase")
    answer_all(capsys, lambda request: {"custom_id": request["custom_id"], "response": engine.completion(request)})
    assert {line["outcome"] for line in lines()} == {ledger.ANSWERED}


def test_what_an_engine_refuses_for_good_is_not_asked_again(project, capsys):
    project.arms("rephrase")

    def filtering(request):
        filtered = "salient entities" not in request["body"]["messages"][-1]["content"]
        error = {"error": {"message": "invalid_request_error: content_policy_violation", "code": "content_policy_violation"}}
        refusal = {"custom_id": request["custom_id"], "error": None, "response": {"status_code": 400, "body": error}}
        return refusal if filtered else engine.done(request)

    answer_all(capsys, filtering)
    assert Counter(line["outcome"] for line in lines()) == {ledger.ANSWERED: 3, ledger.GIVEN_UP: 6 * 2}


@pytest.mark.slow
def test_the_judge_and_api_models_are_asked_too(project, server, capsys):
    project.set(judge={"model": "openai/judge", "api_base": server.url, "passages": 2}, llm={"sections": None})
    asked = {"api_base": server.url, "tasks": ["quality_cot", "quality_open_cot"]}
    project.sections["api_models"] = {name: {"model": f"openai/{name}", **asked} for name in ("mine", "other")}
    project.arms("rephrase")
    first = said(capsys, "export", "first")
    assert first["waiting"] == 1, "the judge, for passages"
    samples = project.sections["scores"]["cot"]["samples"]
    assert {Path(path).name: number for path, number in first["files"].items()} == {
        "llm-00001.jsonl": 3 + 6, "api_models.mine-00001.jsonl": 2 * samples, "api_models.other-00001.jsonl": 2 * samples}  # fmt: skip
    judged = '{"supported": 2, "unsupported": []}'
    answer_all(capsys, lambda request: engine.done(request, content=None if request["body"]["model"] == "toy" else judged))
    assert server.received == 0 and Path("results/judgements/judgements.json").exists() and Path("results/scores/api-other.json").exists()


@pytest.mark.parametrize("model", [None, "miniature/author"])
def test_where_no_provider_is_asked_that_is_said(project, capsys, model):
    project.set(llm={"model": model, "api_base": None})
    assert "nothing is asked" in said(capsys, "export", "out", status=2)
