"""The table of arms: one row per run and task, the base first, with means over training seeds; as plain text, as CSV, as DVC's metrics."""

from collections.abc import Collection, Iterable
from pathlib import Path
from statistics import fmean, stdev

from closedbook.analysis import certainty, comparable
from closedbook.analysis.compare import answers
from closedbook.analysis.compare.answers import Answers
from closedbook.evaluation.clustered import SPLITS
from closedbook.generation.strategies import STRATEGIES
from closedbook.util import files
from closedbook.util.tables import aligned

UNTAUGHT = ("base", "released", "api_model")
"""strategies of models that were not trained here: they have no tokens to be plotted against"""
COLUMNS = ("arm", "strategy", "corpus_tokens", "train_tokens", "seed", "task", "metric", "accuracy", "stderr", "n", "n_documents",
           "accuracy_mean", "accuracy_stderr", "accuracy_low", "accuracy_high", "accuracy_over", "accuracy_sd")  # fmt: skip
QUARTER = {"chance": 0.25}
"""of scores of earlier versions, whose questions had four options"""
FEW = 30
"""questions, below which a count says what a share hides"""
PARTS = {"validation": "validation", "test": "test", "hard": "hard", "not_hard": "not hard"}
"""of the questions of a task, and how they are called"""


def in_order(records: list[Path]) -> list[dict]:
    """Scores or runs: the base first, then strategy by strategy, each from its smallest arm to its largest and, of one size, from
    the shortest training to the longest; API models last. What is one arm's stands together, seed by seed, with its first seed's size."""
    found = [{**files.read_json(path), "path": Path(path)} for path in records]
    found.sort(key=lambda one: one.get("seed") or 0)  # the base has none
    sizes = {arm: (one["corpus_tokens"], one["train_tokens"]) for arm, one in first_seeds(found).items()}
    return sorted(found, key=lambda one: (place(one["strategy"]), sizes[one["arm"]], one["arm"]))


def scored(records: list[Path]) -> list[dict]:
    """Scores in that order, each with the path of its "samples", which lie beside it."""
    return [{**score, "samples": score["path"].with_suffix(".samples.jsonl")} for score in in_order(records)]


def first_seeds(records: Iterable[dict]) -> dict[str, dict]:
    """Arm -> the first of its records."""
    firsts = {}
    for one in records:
        firsts.setdefault(one["arm"], one)
    return firsts


def place(strategy: str) -> tuple[int, str]:
    """Where a strategy stands in the order. Mixtures come after the strategies that they are of."""
    known = ("base", "released", *STRATEGIES)
    return (known.index(strategy) if strategy in known else len(known) + (strategy == "api_model"), strategy)


def rows(found: list[dict], tasks: list[str]) -> list[dict]:
    """One row a score and task that it has, task by task; `found` have the paths of their "samples".

    "stderr" is over the run's questions only. Of the arm's training seeds together: "accuracy_mean" over all their questions, its
    "accuracy_stderr", and from "accuracy_low" to "accuracy_high" its 95% interval (None for one document), what these are over
    ("accuracy_over", of certainty), and "accuracy_sd" of the seeds' accuracies (None of a single seed). "parts": {name in PARTS:
    {"accuracy", "stderr", "n"}} of what has questions. Raises UserError for scores that may not stand side by side.
    """
    comparable.check(found, tasks)
    facts = ("run", "arm", "strategy", "corpus_tokens", "train_tokens", "seed")
    listed = [
        {**{name: score[name] for name in facts}, "task": task, **QUARTER, **score["tasks"][task], "parts": _parts(score["tasks"][task])}
        for task in tasks
        for score in found
        if task in score["tasks"]
    ]
    for (task, arm), runs in by_arm(listed).items():
        together = _together(runs, answers.read(found, [arm], task)[0] if len(runs) > 1 else None)
        for row in runs:
            row |= together
    return listed


def _together(runs: list[dict], answered: Answers | None) -> dict:
    """What the runs of an arm come to; `answered` where there are several."""
    if answered is None:
        (run,) = runs
        mean, spread = run["accuracy"], None
        sure = certainty.over_questions(mean, run["stderr"], run["n_documents"])
    else:
        right, documents, seeds = answered.columns()
        mean, spread = fmean(right), stdev(run["accuracy"] for run in runs)
        sure = certainty.of(right, documents, seeds)
    low, high = sure["interval"] or (None, None)
    return {"accuracy_mean": mean, "accuracy_stderr": sure["stderr"], "accuracy_low": low and max(0.0, low),
            "accuracy_high": high and min(1.0, high), "accuracy_over": sure["over"], "accuracy_sd": spread}  # fmt: skip


def _parts(measured: dict) -> dict[str, dict]:
    found = {split: measured[split] for split in SPLITS}
    found |= {name: {key: measured[f"{key}_{name}"] for key in ("accuracy", "stderr", "n")} for name in PARTS if name not in SPLITS}
    return {name: {key: part[key] for key in ("accuracy", "stderr", "n")} for name, part in found.items() if part["n"]}


def by_arm(listed: list[dict]) -> dict[tuple[str, str], list[dict]]:
    """(task, arm) -> its rows, one a seed."""
    arms = {}
    for row in listed:
        arms.setdefault((row["task"], row["arm"]), []).append(row)
    return arms


def by_size(listed: list[dict]) -> dict[tuple[str, int], list[list[dict]]]:
    """(strategy, corpus_tokens) -> the arms of that size, each its rows of one task, that of the longest training last. The order is
    rows()'; an arm's size is its first seed's."""
    sizes = {}
    for runs in by_arm(listed).values():
        if runs[0]["strategy"] not in UNTAUGHT:
            sizes.setdefault((runs[0]["strategy"], runs[0]["corpus_tokens"]), []).append(runs)
    return sizes


def parts(listed: list[dict]) -> list[str]:
    """Those of PARTS that any of these rows has."""
    return [name for name in PARTS if any(name in row["parts"] for row in listed)]


def book(row: dict) -> str:
    """Whether the document was in the prompt, in words: the score of a task that shows it says how much was shown."""
    return "open-book" if row.keys() & {"documents_cut", "recall"} else "closed-book"


def details(row: dict) -> dict[str, str]:
    """What else its task records of how the questions were answered: other conventions of answers in words, what was cut, what was found."""
    told = {}
    if "attempt_rate" in row:
        told["attempt rate"] = f"{row['attempt_rate']:.3f}"
        for name, title in (("repository", "first valid, of the answered in test"), ("majority", "majority")):
            told[title] = with_error(row[name]["accuracy"], row[name]["stderr"]) if row[name]["n"] else "–"
    if "documents_cut" in row:
        told["documents cut"] = f"{row['documents_cut']:,} of {row['n_documents']:,}"
    if "recall" in row:
        told |= {"recall": f"{row['recall']:.3f}", "chunks": str(row["chunks"]), "order": row["order"].replace("_", " ")}
    if "temperature" in row:
        told["temperature"] = f"{row['temperature']:g}"
    if "identifiers" in row:
        named = row["identifiers"]
        told["in the answer's format"] = f"{row['in_format']:.3f}"
        told["identifiers"] = f"{with_error(named['accuracy'], named['stderr'])}, in format {named['in_format']:.3f}" if named["n"] else "–"
    if "grid" in row:
        told["accuracy on test"] = with_error(row["test"]["accuracy"], row["test"]["stderr"])
    return told


def csv_rows(listed: list[dict]) -> tuple[list[str], list[list]]:
    """Header and cells of table.csv."""
    shown = [(name, key) for name in parts(listed) for key in ("accuracy", "stderr", "n")]
    header = [*COLUMNS, *(f"{key}_{name}" for name, key in shown)]
    return header, [[*(row[name] for name in COLUMNS), *(row["parts"].get(name, {}).get(key) for name, key in shown)] for row in listed]


def refused_rows(found: list[dict], tasks: list[str]) -> list[list]:
    """Cells of table.csv for what was not trained, as csv_rows has them, without an accuracy: "refused" stands where others say over what theirs is."""
    cells = ({**score, "task": task, "accuracy_over": "refused"} for task in tasks for score in found if "refused" in score)
    return [[row.get(name) for name in COLUMNS] for row in cells]


def metrics(found: list[dict], listed: list[dict]) -> dict:
    """{arm: {task: accuracy, "replay_perplexity": …, task of instructions: its value}}; over several seeds, their mean."""
    values = {}
    for row in listed:
        values.setdefault(row["arm"], {}).setdefault(row["task"], []).append(row["accuracy"])
    for score in found:
        if (score.get("forgetting") or {}).get("replay"):
            values.setdefault(score["arm"], {}).setdefault("replay_perplexity", []).append(score["forgetting"]["replay"]["perplexity"])
        for task, measured in score.get("instructions", {}).items():
            values.setdefault(score["arm"], {}).setdefault(task, []).append(measured["value"])
    return {arm: {name: round(fmean(seeds), 4) for name, seeds in of_arm.items()} for arm, of_arm in values.items()}


def text(scores: list[Path], tasks: list[str], doubtful: Collection[str] = ()) -> str:
    """The arms as plain text, one block per task and one line per arm, the way a terminal shows them; `doubtful` runs get a mark."""
    found = scored(scores)
    listed = rows(found, tasks)
    if not listed:
        lines = [("run", "corpus tokens", "train tokens")]
        lines += [(row["run"], f"{row['corpus_tokens']:,}", f"{row['train_tokens']:,}") for row in found]
        return "\n".join([*aligned(lines), found[0]["explanation"]])
    refused = [f"{score['run']}: {score['explanation']}" for score in found if "refused" in score]
    blocks = [(task, [row for row in listed if row["task"] == task]) for task in tasks]
    told = [_block(task, of_task, doubtful) for task, of_task in blocks if of_task]
    return "\n\n".join([*told, "\n".join(refused)] if refused else told)


def _block(task: str, listed: list[dict], doubtful: Collection[str]) -> str:
    shown = parts(listed)
    lines = [(task, f"accuracy ({listed[0]['metric']})", "± over", "95% interval", *(PARTS[name] for name in shown), "corpus tokens", "train tokens", "seeds")]
    lines.append(("chance", f"{listed[0]['chance']:.3f}", *[""] * (len(lines[0]) - 2)))
    for runs in by_arm(listed).values():
        first = runs[0]
        cells = [[row["parts"][name]["accuracy"] for row in runs if name in row["parts"]] for name in shown]
        means = [f"{fmean(cell):.3f}" if cell else "–" for cell in cells]
        sizes = [f"{first[name]:,}" for name in ("corpus_tokens", "train_tokens")]
        accuracy = (with_error(first["accuracy_mean"], first["accuracy_stderr"], first["n"]), first["accuracy_over"] or "–", interval_of(first))
        mark = " *" if any(row["run"] in doubtful for row in runs) else ""
        lines.append((first["arm"] + mark, *accuracy, *means, *sizes, " ".join(map(seed_of, runs))))
    return "\n".join(aligned(lines))


def told_from_chance(listed: list[dict]) -> bool:
    """Whether any arm of these rows of a task is surely better than guessing."""
    return any((row["accuracy_low"] or 0.0) > row["chance"] for row in listed)


def interval_of(row: dict) -> str:
    """The 95% interval of the accuracy of a row's arm, in words."""
    return "–" if row["accuracy_low"] is None else f"{row['accuracy_low']:.3f} to {row['accuracy_high']:.3f}"


def seed_of(row: dict) -> str:
    return "–" if row["seed"] is None else str(row["seed"])


def with_error(value: float, stderr: float | None, n: int = FEW) -> str:
    """The mean ± its standard error, which a single document has none of; of few questions how many are right."""
    if n < FEW:
        return f"{round(value * n, 1):g} of {n}"
    return f"{value:.3f}" if stderr is None else f"{value:.3f} ± {stderr:.3f}"
