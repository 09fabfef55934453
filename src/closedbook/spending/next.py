"""What the next dollars would bring under each strategy: by the line through its arms, and by what its corpora cost.

    PYTHONPATH=src python -m closedbook next --price openai/gpt-4o-mini
"""

import argparse
import math

from closedbook.analysis import certainty, fits, table
from closedbook.evaluation import whose
from closedbook.llm import prices
from closedbook.spending import bakeoff
from closedbook.util import tables
from closedbook.util.errors import UserError
from closedbook.workflow import plan, recipes

AMOUNTS = (10.0, 100.0, 1000.0)
"""US dollars"""
FARTHEST = 10
"""times the largest corpus: nothing says that the line goes on beyond"""


def answer(options: argparse.Namespace) -> dict:
    """{"task", "strategies": a row each, those first that gain most for the first amount, "notes"}.

    A row is {"strategy", "sizes", "corpus_tokens" and "accuracy" of its largest arm, "usd_per_million" (None: no price), "next": of each amount {"usd",
    "tokens" (that it buys), "gain", "interval" (95%), "why" (the curve can't tell; None where it can)}}. Raises UserError where nothing is scored.
    """
    planned = plan.make(write=False)
    task = options.task or planned.params.scores.tasks[0]
    price = prices.by_name(options.price, planned.params.limits) if options.price else None
    found = [score for score in bakeoff.scores(planned) if task in score["tasks"]]
    if not found:
        raise UserError(f"{task}: nothing is scored under it here: the tasks are {', '.join(recipes.all_tasks(planned.params))}")
    rows = [row for row in table.rows(found, [task]) if row["strategy"] != whose.ASSISTANT]
    lines, amounts = fits.of(found, task, rows), sorted(options.dollars) or AMOUNTS
    told = [_strategy(strategy, arms, lines[strategy]["log_linear"], price, amounts) for strategy, arms in fits.sizes(rows).items()]
    told.sort(key=lambda one: -max((step["gain"] or -math.inf) if step["why"] is None else -math.inf for step in one["next"]))
    return {"task": task, "strategies": told, "notes": _notes(options.price)}


def _strategy(strategy: str, arms: list[dict], line: dict, price, amounts) -> dict:
    largest = arms[-1]
    cost = bakeoff.cost(largest, price)
    each = None if cost is None or cost["usd"] is None else cost["usd"] / largest["corpus_tokens"]
    return {
        "strategy": strategy, "sizes": len(arms), "corpus_tokens": largest["corpus_tokens"], "accuracy": largest["accuracy_mean"],
        "usd_per_million": each and each * 1e6,
        "next": [step(largest["corpus_tokens"], each, usd, line) for usd in amounts],
    }  # fmt: skip


def step(tokens: int, each: float | None, usd: float, line: dict) -> dict:
    """What so many dollars add to a corpus of `tokens`, at `each` dollars a token, and so to the accuracy on a log-linear fit of curve.fit.

    The gain is b·log10 of how much larger the corpus gets, and its interval b's, by the same factor.
    """
    if not each:
        return {"usd": usd, "tokens": None, "gain": None, "interval": None, "why": _without_price(each)}
    bought = usd / each
    found = {"usd": usd, "tokens": bought, "gain": None, "interval": None}
    if line["parameters"] is None:
        return found | {"why": line["why"]}
    b, wider = line["parameters"]["b"], math.log10(1 + bought / tokens)
    found |= {"gain": b["value"] * wider, "interval": b["interval"] and [end * wider for end in b["interval"]]}
    return found | {"why": _why(b, line["why"], bought / tokens + 1)}


def _without_price(each: float | None) -> str:
    if each is None:
        return "what its corpus cost is not known: --price MODEL takes another model's prices"
    return "its corpus cost nothing, so dollars buy none: --price MODEL takes another model's prices"


def _why(b: dict, why: str | None, times: float) -> str | None:
    if times > FARTHEST:
        return f"{times:,.0f} times its largest corpus, and nothing says that its line goes on beyond {FARTHEST}"
    if b["interval"] is None:
        return why
    low, high = b["interval"]
    if low <= 0:
        return f"its line may not rise at all: ten times the tokens bring {low:+.3f} to {high:+.3f}"
    return None


def _notes(priced_as: str | None) -> list[str]:
    told = ["by a + b·log10(tokens) through each strategy's arms, from its largest one on; the intervals are b's, of points that stray by chance: over "
            "other questions, seeds, bases and generators they would be wider",
            "dollars are those of answers: trainings are not in them"]  # fmt: skip
    return told + ([f"priced as if {priced_as} had been asked and had counted as many tokens"] if priced_as else [])


def lines(answer: dict) -> list[str]:
    amounts = [step["usd"] for step in answer["strategies"][0]["next"]] if answer["strategies"] else []
    head = ("strategy", "sizes", "accuracy", "corpus tokens", "dollars a million", *(f"+{usd:,g} dollars" for usd in amounts))
    reasons: dict[str, int] = {}
    cells = [_cells(row, reasons) for row in answer["strategies"]]
    told = [f"{answer['task']}: what the next dollars bring ({certainty.LEVEL:.0%} intervals; ? the curve can't tell)", "", *tables.aligned([head, *cells])]
    return [*told, "", *(f"?{number} {reason}" for reason, number in reasons.items()), *answer["notes"]]


def _cells(row: dict, reasons: dict[str, int]) -> tuple[str, ...]:
    price = "unknown" if row["usd_per_million"] is None else tables.figure(float(row["usd_per_million"]))
    facts = (row["strategy"], str(row["sizes"]), f"{row['accuracy']:.3f}", f"{row['corpus_tokens']:,}", price)
    return (*facts, *(_cell(step, reasons) for step in row["next"]))


def _cell(step: dict, reasons: dict[str, int]) -> str:
    gain = "" if step["gain"] is None else f"{step['gain']:+.3f}"
    around = "" if step["interval"] is None else f" ({step['interval'][0]:+.3f} to {step['interval'][1]:+.3f})"
    if step["why"] is None:
        return gain + around
    return f"?{reasons.setdefault(step['why'], len(reasons) + 1)}"
