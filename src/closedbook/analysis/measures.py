"""What else was measured of each arm, in one row: with the document in the prompt, identifiers recalled, forgetting, and how its texts are."""

from statistics import fmean

from closedbook.evaluation import tasks

DIVERSITY, SUPPORTED, FORGETTING = "distinct-4", "supported", "perplexity ratio"


def of(found: list[dict], task: str, diversity: dict | None, judged: dict | None) -> dict[str, dict[str, float]]:
    """{arm: {measure: value}}, means over its seeds; what was not measured is not there.

    The measures are the accuracy under each other task than `task`; of tasks of recall the share of identifiers held, and given in the answer's
    format; FORGETTING, the perplexity of general text over the base's; DIVERSITY of the corpus's texts, at the greatest common length, from
    diversity.json; SUPPORTED, the share of passages in which a judge found no unsupported statement, from judgements.json.
    """
    values: dict[str, dict[str, list[float]]] = {}
    base = next((_perplexity(score) for score in found if score["strategy"] == "base"), None)
    for score in found:
        its = {**_tasks(score, task), **_texts(score["strategy"], diversity, judged)}
        if base and (own := _perplexity(score)):
            its[FORGETTING] = own / base
        of_arm = values.setdefault(score["arm"], {})
        for name, value in its.items():
            of_arm.setdefault(name, []).append(value)
    return {arm: {name: fmean(seeds) for name, seeds in its.items()} for arm, its in values.items()}


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
