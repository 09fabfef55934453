"""How much less likely general text has become to a run than it was to the base, and its other tasks beside the base's."""

import math

import numpy as np

from closedbook.analysis.compare import resampling
from closedbook.util.errors import UserError


def rows(scores: list[dict], seed: int) -> list[dict]:
    """One row per model whose forgetting was measured, in the order given, which begins with the base.

    {"run", "arm", "strategy", "seed", "perplexity", "bits_per_byte" (None where no text was held out), "ratio" (its perplexity over the
    base's), "interval" (95%, from resampled texts; None for one text, and of the base), "tasks" {task: {metric: value}}}.
    Raises UserError where a model was measured on other texts than the base.
    """
    found = [score for score in scores if score.get("forgetting")]  # an API model is not asked
    return [_row(score, found[0], seed) for score in found]


def _row(score: dict, base: dict, seed: int) -> dict:
    named = {name: score[name] for name in ("run", "arm", "strategy", "seed")}
    read, before = score["forgetting"]["replay"], base["forgetting"]["replay"]
    measured = dict.fromkeys(("perplexity", "bits_per_byte", "ratio", "interval"))
    if read:
        if read["sha256"] != before["sha256"]:
            raise UserError(f"{base['run']} and {score['run']}: forgetting was measured on different texts: score both again "
                            "(snakemake --cores all)")  # fmt: skip
        measured |= {name: read[name] for name in ("perplexity", "bits_per_byte")}
        measured |= {"ratio": read["perplexity"] / before["perplexity"], "interval": _interval(read["texts"], before["texts"], seed)}
    return {**named, **measured, "tasks": score["forgetting"]["tasks"]}


def _interval(texts: list[dict], before: list[dict], seed: int) -> list[float] | None:
    """Of the ratio of perplexities."""
    if len(texts) < 2 or texts == before:
        return None
    nats = np.array([[one["log_likelihood"] - other["log_likelihood"]] for one, other in zip(before, texts, strict=True)])
    counts = np.array([one["tokens"] for one in texts])
    return [math.exp(end) for end in resampling.interval(resampling.means(nats, counts, seed, "replay")[:, 0])]
