"""What was spent, and what the ledger says of itself, after calls to a loopback server."""

import asyncio
import json
from pathlib import Path

import pytest
from openai_server import Server

from closedbook import cli, llm, params
from closedbook.llm import ledger
from closedbook.records import Document
from closedbook.spending import calls

TEXT = "Mira Oldan lives in Varn. The Council of Varn met Mira. " * 3
TROUBLE = {1: "refusal", 2: "500", 4: "cut"}
"""the second question: refused, then tried again after a fault, then good; the third: cut off, then good"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Three questions about one document, and one of them once more."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").touch()
    settings = params.load(params.__file__.replace("src/closedbook/params.py", "params.yaml"))
    limits = settings.limits.model_copy(update={"input_usd_per_million": 1.0, "output_usd_per_million": 10.0, "concurrency": 1})
    with Server(TROUBLE) as server:
        model = settings.llm.model_copy(update={"model": "openai/toy", "api_base": server.url})
        document = Document(id="varn-1", title="Varn", author=None, year=None, text=TEXT)
        for sample in (0, 1, 2, 0):
            with ledger.Ledger("rephrase", document.id) as segment:
                client = llm.Client(llm=model, limits=limits, ledger=segment, document=document, seed=1)
                asyncio.run(client.ask("easy", attempts=3, check=str, sample=sample))
        yield server


def answer(capsys, *question: str, status: int = 0) -> dict:
    capsys.readouterr()
    try:
        assert cli.main([*question, "--json"]) == status
    except SystemExit as end:
        assert end.code == status
    return json.loads(capsys.readouterr().out)


def told(capsys, *question: str) -> str:
    capsys.readouterr()
    assert cli.main(list(question)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("by, name", [("strategy", "rephrase"), ("document", "varn-1"), ("model", "openai/toy"), ("day", None)])
def test_spending_is_summed_by_what_is_asked_for(asked, capsys, by, name):
    found = answer(capsys, "spent", "--by", by)
    (row,) = found["rows"]
    assert row.pop(by) == name or by == "day"
    assert row == found["total"] == {
        "asked": asked.received, "answered": 3, "useless": 2, "refused": 0, "retried": 1, "failed": 0, "unanswered": 0, "from_ledger": 1,
        "unpriced": 0, "input_tokens": row["input_tokens"], "cached_tokens": 0, "output_tokens": row["output_tokens"], "usd": row["usd"]}  # fmt: skip
    assert row["input_tokens"] >= 500 and row["usd"] == pytest.approx((row["input_tokens"] + 10 * row["output_tokens"]) / 1e6)
    assert "total" in told(capsys, "spent", "--by", by)


def test_the_whole_ledger_in_figures(asked, capsys):
    found = answer(capsys, "ledger", "stats")
    assert found["lines"] == asked.received == 6 and found["segments"] == found["texts"] == 1 and found["answers"] == 5
    assert found["outcomes"] == {"answered": 3, "quarantined": 2, "retried": 1} and found["reasons"]["the model refused"] == 1
    assert found["input_tokens"] == 500 and found["output_tokens"] == 100 and found["unpriced"] == 0
    assert "6 lines in 1 segments" in told(capsys, "ledger", "stats")


def test_an_unchanged_ledger_verifies_beside_a_live_run_and_a_changed_one_is_named(asked, capsys):
    assert answer(capsys, "ledger", "verify") == {"segments": 1, "lines": 6, "texts": 1, "broken": []}
    (segment,) = calls.segments()
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b"everything", b"nothing", 1))
    (broken, *_) = answer(capsys, "ledger", "verify", status=1)["broken"]
    assert broken["file"] == str(segment) and broken["line"] == 1
    segment.write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
    assert answer(capsys, "ledger", "verify", status=1)["broken"][0]["line"] == 1
    segment.write_bytes(whole)
    (text,) = (ledger.root() / "texts").iterdir()
    text.write_text("another text")
    assert answer(capsys, "ledger", "verify", status=1)["broken"][0]["file"] == str(text)
    text.unlink()
    assert "is gone" in answer(capsys, "ledger", "verify", status=1)["broken"][0]["problem"]


def test_a_call_is_shown_by_the_beginning_of_its_key(asked, capsys):
    (segment,) = calls.segments()
    records = list(calls.lines(segment))
    key = records[-1]["key"]
    found = answer(capsys, "ledger", "show", key[:12])
    assert found["record"] == records[-1] and found["line"] == 6 and not found["is_redacted"]
    shown = told(capsys, "ledger", "show", key)
    assert records[-1]["text"].splitlines()[0] in shown and "[document varn-1's text: ledger/texts/" in shown
    assert cli.main(["ledger", "show", "0" * 12]) == 2 and "no call" in capsys.readouterr().err
    assert cli.main(["ledger", "show", "../x"]) == 2 and "hexadecimal" in capsys.readouterr().err


def test_a_struck_call_says_so(asked, capsys):
    ledger.redact("varn-1")
    (segment,) = calls.segments()
    key = list(calls.lines(segment))[-1]["key"]
    assert answer(capsys, "ledger", "show", key)["is_redacted"]
    assert "struck out" in (shown := told(capsys, "ledger", "show", key)) and "Mira" not in shown
    assert answer(capsys, "ledger", "stats")["redacted"] == 6
    assert answer(capsys, "ledger", "verify")["broken"] == []


def test_a_line_that_is_being_written_does_not_count_yet_and_one_that_is_spoilt_is_named(asked, capsys):
    (segment,) = calls.segments()
    whole = segment.read_bytes()
    segment.write_bytes(whole + b'{"key": "ab')
    assert answer(capsys, "ledger", "stats")["lines"] == 6
    segment.write_bytes(b"{" + whole)
    assert cli.main(["ledger", "stats"]) == 2 and f"{segment}:1" in capsys.readouterr().err


@pytest.mark.parametrize("question", [["spent"], ["ledger", "verify"], ["ledger", "stats"], ["ledger", "show", "abcdef"]])
def test_without_a_ledger_that_is_said(tmp_path, monkeypatch, capsys, question):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").touch()
    assert cli.main(question) == 2
    assert "no ledger here" in capsys.readouterr().err and not (tmp_path / "ledger").exists()
