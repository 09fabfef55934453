"""What was asked of language models here, from the account that enforces the limits.

    PYTHONPATH=src python -m closedbook spent --by model
"""

import argparse
from collections import defaultdict

from closedbook.llm import account, ledger
from closedbook.llm.ledger import ANSWERED, FAILED, GIVEN_UP, QUARANTINED, RETRIED, STOPPED
from closedbook.spending import calls
from closedbook.spending.commands import GROUPS
from closedbook.util import tables

SERVED = "served"
"""what the account calls an answer that the ledger had"""
OUTCOMES = {ANSWERED: "answered", QUARANTINED: "useless", GIVEN_UP: "refused", RETRIED: "retried", FAILED: "failed", STOPPED: "failed",
            account.OPEN: "unanswered", SERVED: "from_ledger"}
"""what an outcome is counted as"""
SUMS = ("unpriced", "input_tokens", "cached_tokens", "output_tokens", "usd")
COUNTS = ("asked", *dict.fromkeys(OUTCOMES.values()), *SUMS)


def answer(options: argparse.Namespace) -> dict:
    """A row for each of what options.by names, and the sum of them. Raises UserError where there is no ledger."""
    calls.segments()
    rows: dict[str, dict] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for one in account.rows(ledger.root()):
        for name in (one[GROUPS[options.by]], None):
            _add(rows[name], one)
    total = rows.pop(None, dict.fromkeys(COUNTS, 0))
    return {"by": options.by, "rows": [{options.by: name, **row} for name, row in sorted(rows.items())], "total": total}


def _add(row: dict, one: dict) -> None:
    row[OUTCOMES[one["outcome"]]] += one["calls"]
    row["asked"] += one["calls"] if one["outcome"] != SERVED else 0
    for name in SUMS:
        row[name] += one[name]


def lines(answer: dict) -> list[str]:
    rows = [*answer["rows"], {answer["by"]: "total", **answer["total"]}]
    told = tables.lines(rows, {name: name.replace("_", " ").replace("usd", "US dollars") for name in rows[-1]})
    if answer["total"]["unanswered"]:
        told.append("unanswered: in flight now or when a job died, or in a batch; they count with the most they can have cost")
    if answer["total"]["unpriced"]:
        told.append("unpriced: their price is not known, and the dollars do not include it")
    if not answer["rows"]:
        told.append("models that are code of closedbook are free and not counted here: closedbook ledger stats counts their calls")
    return told
