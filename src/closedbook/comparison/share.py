"""The 2×2 table: base and arm, with the book closed and with the text at hand, and how much of the text's gain was won without it."""

import numpy as np

from closedbook.comparison import bootstrap
from closedbook.comparison.answers import Answers

CLOSED = {
    "quality_open": "quality_closed_text",
    "quality_rag": "quality_closed_text",
    "quality_open_cot": "quality_cot",
    "quality_rag_cot": "quality_cot",
}
"""a task with the text at hand -> the one that asks the same way with the book closed, so that only the text in the prompt is different"""


def table(closed: list[Answers], with_text: list[Answers], seed: int) -> dict:
    """`closed` and `with_text` hold the answers of the base and of an arm, under a task with the text at hand and under its CLOSED one.

    {"arm", "task", "closed_task", "n", "n_documents", "accuracy": {"base": {"closed", "with_text"}, "arm": …}, "gain_closed" (arm closed −
    base closed), "gain_with_text" (base with the text − base closed), "gain_with_text_interval", "share" (the first gain over the second),
    "interval", "why"}.
    Intervals are of 95%, from resampled documents. Where that of gain_with_text does not lie above 0, or there is one document, no share
    is defined: "share" and "interval" are None, and "why" says so. Means over training seeds.
    """
    base, arm = closed
    sides = [one.right() for one in (base, with_text[0], arm, with_text[1])]
    questions = [question for question in sides[0] if all(question in side for side in sides)]
    right = np.array([[side[question] for side in sides] for question in questions])
    documents = [base.documents[question] for question in questions]
    base_closed, base_with, arm_closed, arm_with = (float(mean) for mean in right.mean(axis=0))
    return {
        "arm": arm.arm,
        "task": with_text[0].task,
        "closed_task": base.task,
        "n": len(documents),
        "n_documents": len(set(documents)),
        "accuracy": {"base": {"closed": base_closed, "with_text": base_with}, "arm": {"closed": arm_closed, "with_text": arm_with}},
        "gain_closed": arm_closed - base_closed,
        "gain_with_text": base_with - base_closed,
        **_share(right, documents, seed),
    }


def _share(right: np.ndarray, documents: list[str], seed: int) -> dict:
    gains = np.stack([right[:, 2] - right[:, 0], right[:, 1] - right[:, 0]], axis=1)
    sums, counts = bootstrap.totals(documents, gains)
    undefined = {"gain_with_text_interval": None, "share": None, "interval": None}
    if len(counts) < 2:
        return undefined | {"why": "there is one document, and how sure the gain from the text is shows only over several"}
    resampled = bootstrap.means(sums, counts, seed, "share")
    low, high = bootstrap.interval(resampled[:, 1])
    if np.mean(resampled[:, 1] <= 0) >= (1 - bootstrap.LEVEL) / 2:
        why = f"the base may gain nothing from the text (95% interval {low:+.3f} to {high:+.3f}), and a share of nothing is not defined"
        return undefined | {"gain_with_text_interval": [low, high], "why": why}
    won, text = gains.mean(axis=0)
    shares = resampled[:, 0] / np.maximum(resampled[:, 1], np.finfo(float).tiny)  # the few draws without a gain lie beyond the interval
    return {"gain_with_text_interval": [low, high], "share": float(won / text), "interval": bootstrap.interval(shares), "why": None}
