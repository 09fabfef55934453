"""What else was measured of each arm, in one row: with the document in the prompt, identifiers recalled, forgetting, and how its texts are."""

from statistics import fmean

from closedbook.evaluation import tasks
from closedbook.util import files

DIVERSITY, SUPPORTED, FORGETTING, MARGIN = "distinct-4", "supported", "perplexity ratio", "right over wrong, nats"


def of(found: list[dict], task: str, diversity: dict | None, judged: dict | None) -> dict[str, dict[str, float]]:
    """{arm: {measure: value}}, means over its seeds; what was not measured is not there.

    The measures are MARGIN, by how much a model's log-likelihood of the right option lies above the mean of the wrong ones under `task`, which moves
    before a small model's accuracy does; the accuracy under each other task; of tasks of recall the share of identifiers held, and given in the answer's
    format; FORGETTING, the perplexity of general text over the base's; DIVERSITY of the corpus's texts, at the greatest common length, from
    diversity.json; SUPPORTED, the share of passages in which a judge found no unsupported statement, from judgements.json.
    """
    values: dict[str, dict[str, list[float]]] = {}
    base = next((_perplexity(score) for score in found if score["strategy"] == "base"), None)
    for score in found:
        its = {**_margin(score, task), **_tasks(score, task), **_texts(score["strategy"], diversity, judged)}
        if base and (own := _perplexity(score)):
            its[FORGETTING] = own / base
        of_arm = values.setdefault(score["arm"], {})
        for name, value in its.items():
            of_arm.setdefault(name, []).append(value)
    return {arm: {name: fmean(seeds) for name, seeds in its.items()} for arm, its in values.items()}


def _margin(score: dict, task: str) -> dict[str, float]:
    """Mean over the questions; nothing where a model answers in words."""
    asked = [row for row in files.read_json_lines(score["samples"]) if row["task"] == task and row.get("log_likelihoods")]
    margins = [right - fmean(wrong) for right, wrong in map(_right_and_wrong, asked)]
    return {MARGIN: fmean(margins)} if margins else {}


def _right_and_wrong(row: dict) -> tuple[float, list[float]]:
    values = row["log_likelihoods"]
    return values[row["gold"]], [value for option, value in enumerate(values) if option != row["gold"]]


def _tasks(score: dict, task: str) -> dict[str, float]:
    found = {}
    for name, measured in score["tasks"].items():
        if tasks.recalls(name):
            named = measured["identifiers"]
            found |= {f"{name}: identifiers": named["accuracy"], f"{name}: in format": named["in_format"]} if named["n"] else {}
        elif name != task:
            found[name] = measured["accuracy"]
    return found


def _perplexity(score: dict) -> float | None:
    read = (score.get("forgetting") or {}).get("replay")
    return read and read["perplexity"]


def _texts(strategy: str, diversity: dict | None, judged: dict | None) -> dict[str, float]:
    found = {}
    for row in (diversity or {}).get("strategies", []):
        measured = [one for one in row["measured"] if one]
        if row["strategy"] == strategy and measured and measured[-1] is row["measured"][-1]:
            found[DIVERSITY] = measured[-1]["distinct_4"]
    rate = (judged or {}).get("rates", {}).get(strategy, {}).get("faithful")
    return found if rate is None else found | {SUPPORTED: rate}
