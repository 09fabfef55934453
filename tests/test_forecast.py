"""The forecast against what a server then counts."""

import json
from pathlib import Path

import jobs_here
import pytest
from openai_server import Server
from ruamel.yaml import YAML
from texts import TEXTS, write_documents

from closedbook import cli
from closedbook.workflow import plan

ROOT = Path(__file__).parent.parent
PASSAGES = {"attempts": 2, "rephrase": {"styles": ["easy"], "samples": 2}, "qa": {"kinds": ["recall"], "samples": 1},
            "active_reading": {"proposals": 2, "ways": 3, "samples": 1},
            "entigraph": {"order": "seeded", "singles": 0, "pairs": 100, "triplets": 0, "summary": True}}  # fmt: skip


class Project:
    """A folder with parameters and documents of its own, and jobs run in this process."""

    def __init__(self, folder: Path, url: str):
        for name in ("evals", "src"):
            (folder / name).symlink_to(ROOT / name)
        write_documents(folder / "texts")
        self.path, self.sections = folder / "params.yaml", YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
        self.set(documents={"source": "folder", "path": "texts"}, llm={"model": "openai/toy", "api_base": url, "max_tokens": 500},
                 entities={"max": 6}, passages=PASSAGES, limits={"max_calls": 1000})  # fmt: skip
        self.arms("rephrase", "entigraph")

    def set(self, **changes) -> None:
        for name, value in changes.items():
            self.sections[name] |= value
        YAML(typ="safe", pure=True).dump(self.sections, self.path)

    def arms(self, *strategies) -> None:
        arms = {f"arm-{number}": {"strategy": strategy, "corpus_tokens": "all", "epochs": 1} for number, strategy in enumerate(strategies)}
        self.sections["arms"] = arms
        self.set()


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def project(tmp_path, monkeypatch, server):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, server.url)


def forecast(capsys) -> dict:
    capsys.readouterr()
    assert cli.main(["forecast", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_was_forecast_is_what_is_asked_and_then_nothing_is_left(project, server, capsys):
    at_first = forecast(capsys)
    assert server.received == 0 and not Path("results").exists() and not Path("ledger").exists()
    assert at_first["strategies"]["entities"]["to_ask"] == 3 and at_first["strategies"]["rephrase"]["to_ask"] == 6
    assert at_first["strategies"]["entigraph"]["is_bound"] and at_first["strategies"]["entigraph"]["to_ask"] == 3 * 15
    project.arms("rephrase")
    jobs_here.make(plan.make())
    assert server.received == 9
    project.arms("rephrase", "entigraph")
    expected = forecast(capsys)
    assert not expected["total"]["is_bound"] and expected["total"]["answered"] == 9 and server.received == 9
    jobs_here.make(plan.make())
    assert server.received == 9 + expected["total"]["to_ask"] > 9
    assert forecast(capsys)["total"]["to_ask"] == 0


def test_a_second_phase_is_the_most_that_it_can_be_until_its_first_answers_are_there(project, server, capsys):
    project.arms({"qa": 1, "active_reading": 1})
    rows = forecast(capsys)["strategies"]
    assert rows["qa"]["to_ask"] == 3 and rows["active_reading"]["to_ask"] == 3 * 2 * (1 + 3) and rows["active_reading"]["is_bound"]
    jobs_here.make(plan.make())
    asked = server.received
    assert asked < 3 + 3 + rows["active_reading"]["to_ask"]  # ways that are proposed twice are applied once
    total = forecast(capsys)["total"]
    assert total["to_ask"] == 0 and total["answered"] == asked and not total["is_bound"]
    for path in Path("results/passages/active_reading").glob("*.json"):
        path.unlink()
    for segment in Path("ledger/active_reading").glob("*.jsonl"):
        segment.write_bytes(b"".join(line for line in segment.read_bytes().splitlines(keepends=True) if b'"prompt": "ways"' in line))
    after = forecast(capsys)["strategies"]["active_reading"]
    assert after["answered"] == 3 * 2 and after["to_ask"] == asked - 3 - 3 - 3 * 2 and not after["is_bound"]
    assert after["corpus_tokens"] == pytest.approx(after["to_ask"] * 500)  # the proposals are no passages


def test_answers_in_the_ledger_count_by_what_determines_them_whatever_became_of_the_results(project, server, capsys):
    jobs_here.make(plan.make())
    asked = server.received
    for path in Path("results/passages").rglob("*.json"):
        path.unlink()
    for path in Path("results/receipts/entities").glob("*.json"):
        path.unlink()
    again = forecast(capsys)["total"]
    assert again["to_ask"] == 0 and again["answered"] == asked and not again["is_bound"]
    segment = sorted(Path("ledger/rephrase").glob("*.jsonl"))[0]
    segment.write_bytes(segment.read_bytes().splitlines(keepends=True)[0])
    assert forecast(capsys)["strategies"]["rephrase"]["to_ask"] == 1
    project.set(llm={"temperature": 0.1})
    assert forecast(capsys)["total"]["to_ask"] >= asked


def test_what_the_model_gave_up_on_is_not_asked_again_unless_it_is_reopened(project, server, capsys):
    server.trouble = dict.fromkeys(range(3, 1000), "refusal")
    project.arms("rephrase")
    jobs_here.make(plan.make())
    segments = {path: path.read_bytes() for path in Path("ledger").rglob("*.jsonl")}
    assert forecast(capsys)["total"]["to_ask"] == 0
    assert cli.main(["ask-again"]) == 0
    assert forecast(capsys)["strategies"]["rephrase"]["to_ask"] == 6
    for path, content in segments.items():
        path.write_bytes(content)
    assert forecast(capsys)["strategies"]["rephrase"]["to_ask"] == 0


def test_tokens_seconds_and_dollars_are_learnt_from_the_ledger(project, capsys):
    project.set(limits={"input_usd_per_million": 1.0, "output_usd_per_million": 10.0, "concurrency": 1})
    project.arms("rephrase")
    before = forecast(capsys)
    assert any("500 tokens per answer" in note and "easy" in note for note in before["notes"])  # no more than llm.max_tokens
    jobs_here.make(plan.make())
    project.set(passages={"rephrase": {"styles": ["easy"], "samples": 5}})
    after = forecast(capsys)
    row = after["strategies"]["rephrase"]
    assert row["to_ask"] == 9 and row["answered"] == 6 and any("by answers in the ledger: easy (6)" in note for note in after["notes"])
    assert row["input_tokens"] == pytest.approx(9 * 100) and row["output_tokens"] == pytest.approx(9 * 20)  # as the server counts
    assert row["usd"] == pytest.approx((900 + 10 * 180) / 1e6, abs=1e-6) and row["most_usd"] > 2 * row["usd"]
    assert row["corpus_tokens"] == pytest.approx(15 * 20)


def test_the_share_of_input_that_the_provider_had_in_its_cache_is_learnt_from_the_ledger(project, server, capsys):
    server.trouble = dict.fromkeys(range(3, 6), "cached")
    prices = {"input_usd_per_million": 10.0, "cached_input_usd_per_million": 1.0, "output_usd_per_million": 0.0}
    project.set(limits={**prices, "concurrency": 1})
    project.arms("rephrase")
    jobs_here.make(plan.make())
    project.set(passages={"rephrase": {"styles": ["easy"], "samples": 4}})
    found = forecast(capsys)
    row = found["strategies"]["rephrase"]
    assert row["to_ask"] == 6 and row["cached_tokens"] == pytest.approx(600 * 0.3), "three of six answers had 60 of 100"
    assert row["usd"] == pytest.approx((600 * 0.7 * 10 + 600 * 0.3) / 1e6, abs=1e-7)
    assert row["most_usd"] > 2 * 600 * 10 / 1e6, "the most has none"
    assert any("180 of the input tokens as cached ones" in note for note in found["notes"])


def test_batches_are_forecast_at_their_price_and_the_limits_of_a_minute_take_time(project, capsys):
    project.set(llm={"model": "openai/gpt-4.1-mini"})
    project.arms("rephrase")
    live = forecast(capsys)
    project.set(limits={"batch": True})
    in_batches = forecast(capsys)
    assert in_batches["total"]["usd"] == pytest.approx(live["total"]["usd"] / 2)
    assert any("limits.batch" in note for note in in_batches["notes"]) and not any("limits.batch" in note for note in live["notes"])
    project.set(limits={"batch": False, "requests_per_minute": 3})
    assert forecast(capsys)["strategies"]["rephrase"]["seconds"] == 6 * 20
    project.set(limits={"requests_per_minute": None, "tokens_per_minute": 100})
    slow = forecast(capsys)["strategies"]["rephrase"]
    assert slow["seconds"] == pytest.approx((slow["input_tokens"] + slow["output_tokens"]) * 60 / 100)


@pytest.mark.parametrize("limit, verdict", [({"max_calls": 8}, "stops it"), ({"max_calls": 9}, "may stop it"), ({"max_calls": 21}, "holds"),
                                            ({"max_usd": 0.0}, "stops it"), ({"max_tokens": 10**9}, "holds")])
def test_a_limit_that_would_stop_it_is_said(project, capsys, limit, verdict):
    project.set(limits={"max_calls": None, "input_usd_per_million": 1.0, "output_usd_per_million": 1.0, **limit})
    project.arms("rephrase")
    (found,) = forecast(capsys)["limits"]
    assert found["limit"] == next(iter(limit)) and found["verdict"] == verdict
    assert cli.main(["forecast"]) == 0
    assert f"limits.{found['limit']}" in (said := capsys.readouterr().out) and verdict in said


def test_another_models_price_stands_beside_the_generators_own(project, capsys):
    project.set(limits={"input_usd_per_million": 1.0, "output_usd_per_million": 1.0})
    capsys.readouterr()
    assert cli.main(["forecast", "--json", "--beside", "openai/gpt-4-turbo"]) == 0
    found = json.loads(capsys.readouterr().out)
    row = found["strategies"]["rephrase"]
    assert row["usd_beside"] == pytest.approx((round(row["input_tokens"]) * 10 + round(row["output_tokens"]) * 30) / 1e6)  # its list price
    assert found["total"]["usd_beside"] == pytest.approx(sum(one["usd_beside"] for one in found["strategies"].values()))
    assert cli.main(["forecast", "--beside", "openai/gpt-4-turbo"]) == 0 and "with openai/gpt-4-turbo" in capsys.readouterr().out
    project.set(limits={"input_usd_per_million": None, "output_usd_per_million": None})
    assert cli.main(["forecast", "--beside", "openai/none-such"]) == 2 and "no price of it" in capsys.readouterr().err


def test_dollars_without_a_price_are_unknown_and_a_limit_on_them_is_refused(project, capsys):
    found = forecast(capsys)
    assert found["total"]["usd"] is None and any("the price of openai/toy is not known" in note for note in found["notes"])
    assert cli.main(["forecast"]) == 0 and "unknown" in capsys.readouterr().out
    project.set(limits={"max_usd": 5.0})
    assert cli.main(["forecast"]) == 2
    assert "limits.max_usd 5" in capsys.readouterr().err


@pytest.mark.parametrize("model, words", [(None, "llm.model is null"), ("miniature/author", "code of closedbook")])
def test_a_model_of_ours_or_none_costs_nothing_and_that_is_said(project, server, capsys, model, words):
    project.set(llm={"model": model, "api_base": None})
    found = forecast(capsys)
    assert found["total"]["usd"] == 0 and found["limits"] == [] and words in " ".join(found["notes"])
    assert server.received == 0


def test_what_is_asked_of_other_models_is_not_forecast_and_that_is_said(project, capsys):
    project.set(llm={"model": None, "api_base": None})
    assert "nothing leaves this machine" in " ".join(forecast(capsys)["notes"])
    project.set(judge={"model": "openai/judging"}, api_models={"small": {"model": "openai/small", "api_base": None, "tasks": ["quality_rag_cot"]}},
                retrieval={"embedder": {"model": "openai/finding", "api_base": None}})
    notes = " ".join(forecast(capsys)["notes"])
    assert "nothing leaves this machine" not in notes
    assert "not included: what is asked of api_models.small (openai/small), retrieval.embedder (openai/finding)" in notes


def test_summaries_of_api_models_are_forecast_and_count_against_the_limits(project, server, capsys):
    documents = len(plan.make(write=False).documents)
    project.arms("raw")
    project.set(llm={"model": None, "api_base": None}, scores={"summary_tokens": 90},
                judge={"model": "miniature/judge"}, api_models={"small": {"model": "openai/small", "api_base": server.url, "tasks": ["quality_summary"]}})  # fmt: skip
    found = forecast(capsys)
    row = found["summaries"]["small"]
    assert row["to_ask"] == row["most_calls"] == 2 * documents and row["output_tokens"] == 90 * 2 * documents
    assert 0 < row["input_tokens"] / row["to_ask"] < 200, "no document is shown"
    assert found["limits"][0]["expected"] == 2 * documents and "api_models" not in "".join(found["notes"])
    assert cli.main(["forecast"]) == 0 and "asked of API models for summaries, at most:" in capsys.readouterr().out
    assert server.received == 0


def test_the_judge_is_forecast_and_counts_against_the_limits(project, server, capsys):
    project.set(llm={"model": None, "api_base": None}, limits={"max_calls": 100, "input_usd_per_million": 1.0, "output_usd_per_million": 2.0},
                judge={"model": "openai/judging", "api_base": server.url, "max_tokens": 700, "attempts": 3},
                scores={"tasks": ["quality_closed_text", "quality_summary"]})
    project.arms("raw")
    found, documents = forecast(capsys), len(TEXTS)
    judge = found["judge"]
    assert documents > 1 and judge["to_ask"] == 2 * 2 * documents and judge["is_bound"], "base and one run, named and not"
    assert judge["most_calls"] == 3 * judge["to_ask"] and judge["most_tokens"] > judge["most_calls"] * 700
    assert judge["output_tokens"] == 700 * judge["to_ask"]
    (limit,) = found["limits"]
    assert (limit["expected"], limit["most"]) == (judge["to_ask"], judge["most_calls"])
    project.set(scores={"summary_tokens": 500})
    assert forecast(capsys)["judge"]["input_tokens"] - judge["input_tokens"] == 200 * judge["to_ask"], "each summary is read too"
    project.set(judge={"model": "miniature/judge", "api_base": None})
    assert forecast(capsys)["limits"] == [] and server.received == 0


def test_the_limits_hold_over_generator_and_judge_together(project, capsys):
    project.set(judge={"model": "openai/judging"}, limits={"max_calls": 1000})
    project.arms("rephrase")
    found = forecast(capsys)
    assert found["judge"]["to_ask"] == project.sections["judge"]["passages"] and found["total"]["to_ask"] > 0
    assert found["limits"][0]["expected"] == found["total"]["to_ask"] + found["judge"]["to_ask"]
