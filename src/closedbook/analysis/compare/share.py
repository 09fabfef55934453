"""The 2×2 table: base and arm, closed-book and open-book, and how much of the open-book gain was won closed-book."""

from statistics import fmean

from closedbook.analysis import certainty
from closedbook.analysis.compare.answers import Answers, common

CLOSED = {
    "quality_open": "quality_closed_text",
    "quality_rag": "quality_closed_text",
    "quality_open_cot": "quality_cot",
    "quality_rag_cot": "quality_cot",
}
"""open-book task -> the closed-book task that differs from it only in the text in the prompt"""


def table(closed: list[Answers], with_text: list[Answers]) -> dict:
    """`closed` and `with_text` hold the answers of the base and of an arm, under an open-book task and its CLOSED one.

    {"arm", "task", "closed_task", "n", "n_documents", "accuracy": {"base": {"closed", "with_text"}, "arm": …}, "gain_closed" (arm closed −
    base closed), "gain_with_text" (base with the text − base closed), "gain_with_text_interval", "share" (the first gain over the second),
    "interval", "over", "why"}.
    Intervals are of 95% and over what certainty.of says. Where that of gain_with_text does not lie above 0, or there is one
    document, no share is defined: "share" and "interval" are None, and "why" says so. Means over training seeds.
    """
    base, arm = closed
    both = [seed for seed in arm.by_seed if seed in with_text[1].by_seed]
    answered = [(seed, *row) for seed in both for row in common(*(side.from_seed(seed) for side in (base, with_text[0], arm, with_text[1])))]
    seeds, documents = [row[0] for row in answered], [row[1]["document"] for row in answered]
    right = [[float(row["correct"]) for row in side] for side in list(zip(*answered))[1:]]
    base_closed, base_with, arm_closed, arm_with = map(fmean, right)
    won = [one - before for before, _, one, _ in zip(*right)]
    text = [shown - before for before, shown, _, _ in zip(*right)]
    return {
        "arm": arm.arm,
        "task": with_text[0].task,
        "closed_task": base.task,
        "n": len({row[1]["id"] for row in answered}),
        "n_documents": len(set(documents)),
        "accuracy": {"base": {"closed": base_closed, "with_text": base_with}, "arm": {"closed": arm_closed, "with_text": arm_with}},
        "gain_closed": fmean(won),
        "gain_with_text": fmean(text),
        **_share(won, text, documents, seeds),
    }


def _share(won: list[float], text: list[float], documents: list[str], seeds: list[int | None]) -> dict:
    sure = certainty.of(text, documents, seeds)
    found = {"gain_with_text_interval": sure["interval"], "share": None, "interval": None, "over": sure["over"]}
    if sure["interval"] is None:
        return found | {"why": "there is one document, and an interval for the gain from the text needs several"}
    low, high = sure["interval"]
    if low <= 0:
        why = f"the base may gain nothing from the text (95% interval {low:+.3f} to {high:+.3f}), and a share of nothing is not defined"
        return found | {"why": why}
    return found | {"share": fmean(won) / fmean(text), "interval": _fieller(won, text, documents, seeds), "why": None}


def _fieller(won: list[float], text: list[float], documents: list[str], seeds: list[int | None]) -> list[float]:
    """Fieller's interval of fmean(won) / fmean(text), the latter of which is surely above 0: all shares for which the mean of
    won − share · text may be 0."""
    from scipy.optimize import brentq

    def beyond(share: float) -> float:
        """Above 0 for a share outside of the interval."""
        low, high = certainty.of([one - share * gain for one, gain in zip(won, text)], documents, seeds)["interval"]
        return max(low, -high)

    share = fmean(won) / fmean(text)
    if beyond(share) >= 0:  # all documents say the same
        return [share, share]
    ends = []
    for step in (-1.0, 1.0):
        while beyond(share + step) <= 0:
            step *= 2
        ends.append(float(brentq(beyond, share, share + step)))
    return ends
