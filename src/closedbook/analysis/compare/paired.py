"""Two arms on the same questions: the difference, how sure it is, and which questions flipped."""

from collections import Counter
from statistics import fmean, stdev

from closedbook.analysis import certainty
from closedbook.analysis.compare import signflip
from closedbook.analysis.compare.answers import Answers, common
from closedbook.util.errors import UserError


def compare(a: Answers, b: Answers) -> dict:
    """What b's accuracy is above a's, question by question and, where both were trained more than once, seed by seed.

    {"a", "b", "task", "metric", "n", "n_documents", "accuracy_a", "accuracy_b", "difference" (b − a), "stderr", "interval" (95%) and "over"
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
        **certainty.of(differences, documents, [pair for pair, _, _ in answered]),
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
        "p": signflip.p(list(by_document.values())), "n_differing": sum(map(bool, by_document.values())), "won": won, "lost": lost,
    }  # fmt: skip
