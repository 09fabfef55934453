"""Two arms on the same questions, with how sure their difference is; and the 2×2 table of base and arm, closed-book and open-book."""

from collections import Counter
from statistics import fmean, stdev

from closedbook.analysis import certainty
from closedbook.analysis.compare import resampling
from closedbook.analysis.compare.answers import Answers, common
from closedbook.util.errors import UserError

CLOSED = {
    "quality_open": "quality_closed_text",
    "quality_rag": "quality_closed_text",
    "quality_open_cot": "quality_cot",
    "quality_rag_cot": "quality_cot",
    "quality_open_recall": "quality_recall",
    "quality_rag_recall": "quality_recall",
}
"""open-book task -> the closed-book task that differs from it only in the text in the prompt"""


def compare(a: Answers, b: Answers, level: float = certainty.LEVEL) -> dict:
    """What b's accuracy is above a's, question by question and, where both were trained more than once, seed by seed.

    {"a", "b", "task", "metric", "n", "n_documents", "accuracy_a", "accuracy_b", "difference" (b − a), "stderr", "interval" (of `level`) and "over"
    of certainty.of, "spread" (standard deviation over seeds; None for one), "seeds", "left_out" (seeds that only one of them has)}.
    A row of "seeds" is one pair of runs: their seeds, accuracies and difference, the "p" of the sign-flip test between these two models
    (None where they differ on too few documents), how many those are ("n_differing"), and the questions that b "won" and "lost", each with
    what both chose. Raises UserError where they have no question, or no seed, in common.
    """
    pairs = _pairs(a, b)
    shared = {pair: both for pair in pairs if (both := common(a.from_seed(pair[0]), b.from_seed(pair[1])))}
    if not shared:
        raise UserError(f"{a.arm} and {b.arm}: there is no question to compare them on: a split has some from five documents on")
    answered = [(pair, *rows) for pair, both in shared.items() for rows in both]
    right_a, right_b = ([float(row[side]["correct"]) for row in answered] for side in (1, 2))
    differences = [_gained(one, other) for _, one, other in answered]
    documents = [one["document"] for _, one, _ in answered]
    seeds = [_pair(*pair, both) for pair, both in shared.items()]
    return {
        "a": a.arm,
        "b": b.arm,
        "task": a.task,
        "metric": a.metric,
        "n": len({one["id"] for _, one, _ in answered}),
        "n_documents": len(set(documents)),
        "accuracy_a": fmean(right_a),
        "accuracy_b": fmean(right_b),
        "difference": fmean(differences),
        **certainty.of(differences, documents, [pair for pair, _, _ in answered], level),
        "spread": stdev(pair["difference"] for pair in seeds) if len(seeds) > 1 else None,
        "seeds": seeds,
        "left_out": {one.arm: sorted(one.by_seed.keys() - {pair[side] for pair in pairs}) for side, one in enumerate((a, b))},
    }


def _pairs(a: Answers, b: Answers) -> list[tuple[int | None, int | None]]:
    """Which seed of a is compared with which of b: each against the same one, or against the only one of what has no seed."""
    if None in a.by_seed or None in b.by_seed:
        return [(one, other) for one in a.by_seed for other in b.by_seed]
    pairs = [(seed, seed) for seed in a.by_seed if seed in b.by_seed]
    if not pairs:
        raise UserError(f"{a.arm} was trained from the seeds {sorted(a.by_seed)} and {b.arm} from {sorted(b.by_seed)}, and runs are compared "
                        "seed by seed: give both a common one in training.seeds")  # fmt: skip
    return pairs


def _gained(a: dict, b: dict) -> int:
    """1 for a question that b won, −1 for one that it lost."""
    return bool(b["correct"]) - bool(a["correct"])


def _pair(seed_a: int | None, seed_b: int | None, both: list[tuple[dict, dict]]) -> dict:
    won, lost, by_document = [], [], Counter()
    for a, b in both:
        gained = _gained(a, b)
        by_document[a["document"]] += gained
        if gained:
            flip = {"id": a["id"], "document": a["document"], "chosen_a": a["chosen"], "chosen_b": b["chosen"], "gold": a["gold"]}
            (won if gained > 0 else lost).append(flip)
    accuracy_a, accuracy_b = (fmean(float(row["correct"]) for row in rows) for rows in zip(*both))
    return {
        "seed_a": seed_a, "seed_b": seed_b, "accuracy_a": accuracy_a, "accuracy_b": accuracy_b, "difference": accuracy_b - accuracy_a,
        "p": resampling.p(list(by_document.values())), "n_differing": sum(map(bool, by_document.values())), "won": won, "lost": lost,
    }  # fmt: skip


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
