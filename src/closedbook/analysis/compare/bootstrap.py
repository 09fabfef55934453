"""Intervals from drawing whole texts again: what is in one text is alike, texts are taken as independent."""

import numpy as np

from closedbook.analysis import certainty
from closedbook.util import seeds

RESAMPLES = 10_000
BATCH = 1_000
"""resamples held at once: draws a text each would fill the memory where there are many texts"""


def means(sums: np.ndarray, counts: np.ndarray, seed: int, *what: str) -> np.ndarray:
    """[RESAMPLES, k]: the k means, `sums` over `counts`, each time over as many clusters as there are, drawn with replacement.

    `seed` and `what` the draws are for decide them; the k means of a row are of the same draw.
    """
    draws = np.random.default_rng(seeds.derive(seed, "bootstrap", *what))
    num_clusters = len(counts)
    parts = []
    for _ in range(RESAMPLES // BATCH):
        times = draws.multinomial(num_clusters, np.full(num_clusters, 1 / num_clusters), size=BATCH)
        parts.append((times @ sums) / (times @ counts)[:, None])
    return np.concatenate(parts)


def interval(values: np.ndarray) -> list[float]:
    """The percentiles between which 95% of the resampled values lie."""
    rest = 100 * (1 - certainty.LEVEL) / 2
    return [float(end) for end in np.percentile(values, [rest, 100 - rest])]
