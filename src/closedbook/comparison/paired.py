"""Two arms on the same questions: the difference, how sure it is, and which questions flipped."""

from statistics import fmean, stdev

import numpy as np

from closedbook import clustered
from closedbook.comparison import bootstrap
from closedbook.comparison.answers import Answers
from closedbook.errors import UserError


def compare(a: Answers, b: Answers, seed: int) -> dict:
    """What b's accuracy is above a's, question by question and, where both were trained more than once, seed by seed.

    {"a", "b", "task", "metric", "n", "n_documents", "accuracy_a", "accuracy_b", "difference" (b − a), "stderr" (clustered by document),
    "interval" (95%, from resampled documents; None for one document), "spread" (standard deviation over seeds; None for one), "seeds",
    "left_out" (seeds that only one of them has)}. A row of "seeds" is one pair of runs: their seeds, accuracies and difference,
    "p" (McNemar's exact test, two-sided), and the questions that b "won" and "lost", each with what both chose.
    Raises UserError where they have no question, or no seed, in common.
    """
    pairs = _pairs(a, b)
    of_a, of_b = a.right(*dict.fromkeys(one for one, _ in pairs)), b.right(*dict.fromkeys(other for _, other in pairs))
    questions = [question for question in of_a if question in of_b]
    if not questions:
        raise UserError(f"{a.arm} and {b.arm}: there is no question to compare them on: a split has some from five documents on")
    documents = [a.documents[question] for question in questions]
    right_a, right_b = (np.array([right[question] for question in questions]) for right in (of_a, of_b))
    seeds = [_pair(one, a.by_seed[one], other, b.by_seed[other]) for one, other in pairs]
    return {
        "a": a.arm,
        "b": b.arm,
        "task": a.task,
        "metric": a.metric,
        "n": len(documents),
        "n_documents": len(set(documents)),
        "accuracy_a": float(right_a.mean()),
        "accuracy_b": float(right_b.mean()),
        "difference": float((right_b - right_a).mean()),
        "stderr": clustered.stderr((right_b - right_a).tolist(), documents),
        "interval": _interval(right_b - right_a, documents, seed, a.task),
        "spread": stdev(pair["difference"] for pair in seeds) if len(seeds) > 1 else None,
        "seeds": seeds,
        "left_out": {one.arm: sorted(one.by_seed.keys() - {pair[side] for pair in pairs}) for side, one in enumerate((a, b))},
    }


def _pairs(a: Answers, b: Answers) -> list[tuple[int | None, int | None]]:
    """Which seed of a is held against which of b: each against the same one, or against the only one of what has no seed."""
    if None in a.by_seed or None in b.by_seed:
        return [(one, other) for one in a.by_seed for other in b.by_seed]
    pairs = [(seed, seed) for seed in a.by_seed if seed in b.by_seed]
    if not pairs:
        raise UserError(f"{a.arm} was trained from the seeds {sorted(a.by_seed)} and {b.arm} from {sorted(b.by_seed)}, and runs are compared "
                        "seed by seed: give both a common one in training.seeds")  # fmt: skip
    return pairs


def _interval(differences: np.ndarray, documents: list[str], seed: int, task: str) -> list[float] | None:
    sums, counts = bootstrap.totals(documents, differences[:, None])
    return bootstrap.interval(bootstrap.means(sums, counts, seed, task)[:, 0]) if len(counts) > 1 else None


def _pair(seed_a: int | None, rows_a: list[dict], seed_b: int | None, rows_b: list[dict]) -> dict:
    won, lost, known = [], [], {row["id"]: row for row in rows_a}
    both = [(known[row["id"]], row) for row in rows_b if row["id"] in known]
    for a, b in both:
        if bool(a["correct"]) != bool(b["correct"]):
            flip = {"id": a["id"], "document": a["document"], "chosen_a": a["chosen"], "chosen_b": b["chosen"], "gold": a["gold"]}
            (won if b["correct"] else lost).append(flip)
    accuracy_a, accuracy_b = (fmean(float(row["correct"]) for row in rows) for rows in zip(*both))
    return {
        "seed_a": seed_a, "seed_b": seed_b, "accuracy_a": accuracy_a, "accuracy_b": accuracy_b, "difference": accuracy_b - accuracy_a,
        "p": mcnemar(len(won), len(lost)), "won": won, "lost": lost,
    }  # fmt: skip


def mcnemar(won: int, lost: int) -> float:
    """How often fair coins would be as uneven as the questions that flipped: McNemar's exact p, two-sided; 1 where none flipped."""
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
