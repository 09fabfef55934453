"""What models said of documents from memory: claims a summary, as a judge counted them, for each arm and each way to be asked."""

import math
from collections import Counter
from statistics import fmean

from closedbook.analysis import certainty

COUNTS = ("claims", "supported", "contradicted", "invented", "salient")
"""of a summary: different claims; those that the document supports, denies, says nothing of; and of those supported the salient ones"""


def rows(found: list[dict]) -> list[dict]:
    """One row per kind of request and arm, its seeds together; `found` are verdicts as their stage wrote them, in the order of arms.

    {"kind", "arm", "strategy", "seeds", "n" summaries judged, "unusable": {why there is none: how many}, "sentences", "without_claim" (sentences
    that no claim names), "counts": {name: {"mean" a summary, "stderr", "interval", "over"}}, "share": the same of supported among all claims}.
    Means and errors are over the summaries that have a verdict; their figures are None where there are none.
    """
    groups: dict[tuple[str, str], list[tuple[dict, dict]]] = {}
    for verdicts in found:
        for row in verdicts["summaries"]:
            groups.setdefault((row["kind"], verdicts["arm"]), []).append((verdicts, row))
    return [_row(kind, groups[kind, arm]) for kind, arm in sorted(groups, key=lambda key: key[0])]


def counts(row: dict) -> dict[str, int]:
    """COUNTS of one judged summary."""
    said = Counter(claim["article"] for claim in row["claims"])
    salient = sum(claim["salient"] and claim["article"] == "supports" for claim in row["claims"])
    return dict(zip(COUNTS, (len(row["claims"]), said["supports"], said["contradicts"], said["silent"], salient)))


def _row(kind: str, several: list[tuple[dict, dict]]) -> dict:
    judged = [(verdicts, row) for verdicts, row in several if row["reason"] is None]
    claims = [(float(claim["article"] == "supports"), verdicts, row) for verdicts, row in judged for claim in row["claims"]]
    first = several[0][0]
    return {
        "kind": kind, "arm": first["arm"], "strategy": first["strategy"], "seeds": list(dict.fromkeys(verdicts["seed"] for verdicts, _ in several)),
        "n": len(judged), "unusable": dict(Counter(row["reason"] for _, row in several if row["reason"] is not None)),
        "sentences": sum(len(row["sentences"]) for _, row in judged), "without_claim": sum(_without_claim(row) for _, row in judged),
        "counts": {name: _mean([(float(counts(row)[name]), verdicts, row) for verdicts, row in judged]) for name in COUNTS},
        "share": _mean(claims, most=1.0),
    }  # fmt: skip


def _without_claim(row: dict) -> int:
    return len(row["sentences"]) - len({number for claim in row["claims"] for number in claim["sentences"]})


def _mean(values: list[tuple[float, dict, dict]], most: float = math.inf) -> dict:
    """Of (value, whose verdicts, the summary's row); the interval holds nothing below 0 nor above `most`."""
    if not values:
        return {"mean": None, "stderr": None, "interval": None, "over": None}
    numbers = [value for value, _, _ in values]
    sure = certainty.of(numbers, [row["document"] for _, _, row in values], [verdicts["seed"] for _, verdicts, _ in values])
    low, high = sure["interval"] or (None, None)
    return {"mean": fmean(numbers), **sure, "interval": sure["interval"] and [max(0.0, low), min(most, high)]}
