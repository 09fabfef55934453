import re
from pathlib import Path

import pytest

from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts, upkeep
from closedbook.workflow.registry import Files, Job
from closedbook.workflow.upkeep import accept

RECIPE = {"step": "runs", "params": {"seed": 1}, "code": "old", "prompts": {}, "assets": {}}
RESULT, RECEIPT = Path("results/runs/raw-s1/run.json"), Path("results/receipts/runs/raw-s1.json")


class Plan:
    """As much of a plan as the functions here look at: one run."""

    written = {}

    def __init__(self, **changes):
        self.recipes = {"runs/raw-s1": {**RECIPE, **changes}}
        self.jobs = {"runs/raw-s1": Job(name="runs/raw-s1", stage="runs", recipe="runs/raw-s1", files=Files())}


@pytest.fixture(autouse=True)
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.write_text(RESULT, "a run")
    receipts.write(RECEIPT, recipe=RECIPE, inputs={}, outputs=[RESULT], facts={})


@pytest.mark.parametrize("what", [str(RESULT), str(RECEIPT), "runs", "runs/raw-*"])
def test_an_accepted_result_is_fresh_and_says_so_for_good(what):
    plan = Plan(code="new")
    assert upkeep.report(plan, strict=False) == (["runs/raw-s1: code of the stage runs changed", "0 of 1 results are fresh"], True)
    assert accept(plan, what, "a name was changed") == [RECEIPT]
    assert upkeep.report(plan, strict=False) == (
        ["runs/raw-s1: fresh, for its code was accepted: a name was changed", "1 of 1 results are fresh"], False
    )  # fmt: skip
    assert files.read_json(RECEIPT)["accepted"] == [{"why": "a name was changed", "code_before": "old", "code_after": "new"}]


@pytest.mark.parametrize("changes, words", [({}, "has not changed"), ({"code": "new", "params": {"seed": 2}}, "parameter seed changed 1 → 2")])
def test_nothing_but_code_can_be_accepted(changes, words):
    before = RECEIPT.read_bytes()
    with pytest.raises(UserError, match=words):
        accept(Plan(**changes), str(RESULT), "why not")
    assert RECEIPT.read_bytes() == before


def test_an_edited_result_stays_stale_whatever_is_accepted():
    RESULT.write_text("another run")
    with pytest.raises(UserError, match="was edited"):
        accept(Plan(code="new"), str(RESULT), "why not")
    assert "accepted" not in files.read_json(RECEIPT)


@pytest.mark.parametrize("what", ["runs", str(RESULT)])
@pytest.mark.parametrize("content", ["{}", "[]", "{"])
def test_a_receipt_that_is_none_is_named(content, what):
    RECEIPT.write_text(content)
    with pytest.raises(UserError, match="not a (whole )?receipt|not a result of this plan"):
        accept(Plan(code="new"), what, "why not")


@pytest.mark.parametrize("what", ["elsewhere.json", "results/runs/other/run.json", "scores", "runs/entigraph-*"])
def test_what_is_no_result_is_named(what):
    with pytest.raises(UserError, match=f"{re.escape(what)}: not a result of this plan"):
        accept(Plan(), what, "why not")


def test_other_versions_are_reported_and_only_strictly_stale(monkeypatch):
    assert upkeep.report(Plan(), strict=True) == (["1 of 1 results are fresh"], False)
    monkeypatch.setattr(receipts, "versions", lambda: {"torch": "9.9"})
    then = files.read_json(RECEIPT)["versions"]["torch"]
    assert upkeep.report(Plan(), strict=False) == ([f"torch {then} → 9.9 since 1 results were made", "1 of 1 results are fresh"], False)
    lines, stale = upkeep.report(Plan(), strict=True)
    assert stale and lines[0] == f"runs/raw-s1: torch {then} → 9.9"
