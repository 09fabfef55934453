"""The arms of an experiment side by side, at equal training: over tokens, over dollars, and which of them surely differ.

    PYTHONPATH=src python -m closedbook bakeoff
"""

import argparse

from closedbook import layout
from closedbook.analysis import bakeoff, measures, plots, table
from closedbook.llm import prices
from closedbook.spending import corpus_cost
from closedbook.util import files, tables
from closedbook.util.errors import UserError
from closedbook.workflow import outcome, plan, recipes

COLUMNS = {"arm": "arm", "accuracy": "accuracy", "over": "± over", "interval": "95% interval", "corpus_tokens": "corpus tokens",
           "train_tokens": "train tokens", "usd": "US dollars"}  # fmt: skip
SURE = {bakeoff.TOGETHER: "yes, with all pairs counted", bakeoff.ALONE: "by itself only", None: "no"}


def answer(options: argparse.Namespace) -> dict:
    """{"task", "metric", "n", "n_documents", "arms": a row each (bakeoff.arms, with "cost"), "measures" (measures.of), "pairs" (bakeoff.pairs),
    "picture", "notes"}.

    Writes the picture. Raises UserError where nothing is scored yet, for an unknown task or arm, and for arms that differ in train tokens.
    """
    planned = plan.make(write=False)
    task, found = options.task or planned.params.scores.tasks[0], scores(planned)
    if not any(task in score["tasks"] for score in found):
        raise UserError(f"{task}: nothing is scored under it here: the tasks are {', '.join(recipes.all_tasks(planned.params))}")
    price = prices.by_name(options.price, planned.params.limits) if options.price else None
    listed = [row | {"cost": cost(row, price)} for row in bakeoff.arms(found, task, options.arms)]
    pairs = bakeoff.pairs(found, listed, task)
    plots.bakeoff(options.plot, rows=listed, usd=[row["cost"] and row["cost"]["usd"] for row in listed])
    num_questions, num_documents = bakeoff.asked(found, listed, task)
    also = measures.of(found, task, *(files.read_json(path) if path.is_file() else None for path in (layout.REPORT / "diversity.json", layout.JUDGED)))
    return {"task": task, "measures": {row["arm"]: also[row["arm"]] for row in listed}, "metric": listed[0]["metric"], "n": num_questions, "n_documents": num_documents, "arms": listed, "pairs": pairs,
            "picture": str(options.plot), "notes": [*_refused(found, options.arms), *_notes(planned, listed, pairs, options.price)]}  # fmt: skip


def _refused(found: list[dict], names: list[str]) -> list[str]:
    """What was not trained, and why."""
    return [f"{score['run']}: {score['explanation']}" for score in found if "refused" in score and (not names or score["arm"] in names)]


def scores(planned: plan.Plan) -> list[dict]:
    """Of params.yaml's arms, base and API models, as far as they are there."""
    paths = [path for name in recipes.score_names(planned.params) if (path := layout.score(name)).is_file()]
    if not paths:
        raise UserError(f"{layout.SCORES}: no scores of params.yaml yet: run make reproduce, or snakemake --cores all")
    return table.scored(paths)


def cost(row: dict, price: prices.Prices | None) -> dict | None:
    """What its first seed's corpus cost; None of a model that read none here."""
    facts = layout.run_facts(row["run"])
    if row["strategy"] in table.UNTAUGHT or not facts.is_file():
        return None
    return vars(corpus_cost.of(layout.CORPORA / files.read_json(facts)["corpus"], price))


def _notes(planned: plan.Plan, listed: list[dict], pairs: list[dict], priced_as: str | None) -> list[str]:
    notes = bakeoff.left_out(listed)
    if len(pairs) > 1:
        notes.append(f"{len(pairs)} pairs: of so many equal ones, {0.05 * len(pairs):.1f} would seem to differ by their own intervals; \"{SURE[bakeoff.TOGETHER]}\" "
                     "allows for that")  # fmt: skip
    if others := [row["arm"] for row in listed if row["differs"]]:
        notes.append(f"* trained on another number of tokens than the others: {', '.join(others)}")
    taught = [row for row in listed if row["strategy"] not in table.UNTAUGHT]
    if len({row["corpus_tokens"] for row in taught}) > 1:
        notes.append("corpus tokens differ: arms with fewer read the same more often")
    notes.append(_dollars(priced_as))
    here = {f"scores/{run}" for run in recipes.score_names(planned.params) if layout.score(run).is_file()}
    return notes + [f"{name}: {why}" for name, why in outcome.doubts(planned).items() if name in here]


def _dollars(priced_as: str | None) -> str:
    told = "dollars are those of the answers behind a corpus, of the first seed where each has its own; trainings and failed attempts are not in them"
    return told + (f"; as if {priced_as} had been asked and had counted as many tokens" if priced_as else "")


def lines(answer: dict) -> list[str]:
    rows = [_shown(row) for row in answer["arms"]]
    told = [f"{answer['task']} ({answer['metric']}), {answer['n']:,} questions about {answer['n_documents']:,} documents", "",
            *tables.lines(rows, COLUMNS), ""]  # fmt: skip
    told += _measures(answer["measures"])
    if answer["pairs"]:
        cells = [("better", "than", "by", "95% interval", "± over", "sure"), *map(_pair, answer["pairs"])]
        told += [*tables.aligned(cells, left=(0, 1, 4, 5)), ""]
    return [*told, *answer["notes"], f"picture: {answer['picture']}"]


def _measures(found: dict[str, dict[str, float]]) -> list[str]:
    names = list(dict.fromkeys(name for its in found.values() for name in its))
    if not names:
        return []
    cells = [[f"{its[name]:.3f}" if name in its else "–" for name in names] for its in found.values()]
    return [*tables.aligned([("arm", *names), *((arm, *row) for arm, row in zip(found, cells))]), ""]


def _shown(row: dict) -> dict:
    usd = "–" if row["cost"] is None else tables.figure(row["cost"]["usd"])
    tokens = {name: f"{row[name]:,}" if row["strategy"] not in table.UNTAUGHT else "–" for name in ("corpus_tokens", "train_tokens")}
    return {"arm": row["arm"] + " *" * row["differs"], "accuracy": table.with_error(row["accuracy_mean"], row["accuracy_stderr"]),
            "over": row["accuracy_over"] or "–", "interval": table.interval_of(row), "usd": usd, **tokens}  # fmt: skip


def _pair(row: dict) -> tuple[str, ...]:
    around = "–" if row["interval"] is None else f"{row['interval'][0]:+.3f} to {row['interval'][1]:+.3f}"
    return (row["b"], row["a"], f"{row['difference']:+.3f}", around, row["over"] or "–", SURE[row["sure"]])
