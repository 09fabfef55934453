"""By chance alone: intervals from drawing whole texts again, and the sign-flip test of two models that know the documents equally well."""

import numpy as np

from closedbook.analysis import certainty
from closedbook.util import seeds

RESAMPLES = 10_000
BATCH = 1_000
"""resamples held at once: draws a text each would fill the memory where there are many texts"""
LEAST = 6
"""documents on which two models must differ for a p of 0.05: of five, two of 2⁵ choices of signs are as one-sided as can be"""


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


def p(differences: list[int]) -> float | None:
    """The sign-flip test: how often the total of `differences` (one a document: questions won − lost) is at least as far from 0, when each
    keeps or changes its sign as a fair coin falls: exact and two-sided. None where fewer than LEAST are not 0.

    Whatever questions of one document have in common is in its difference, which changes its sign as a whole. All 2ⁿ choices of signs are
    counted by adding one document after the other to the distribution of the total (Pagano and Tritchler 1983).
    """
    sizes = [abs(difference) for difference in differences if difference]
    if len(sizes) < LEAST:
        return None
    chances = np.ones(1)  # of each total, from the least to the greatest that there is
    for size in sizes:
        less, more = np.pad(chances, (0, 2 * size)), np.pad(chances, (2 * size, 0))
        chances = (less + more) / 2
    totals = np.arange(len(chances)) - sum(sizes)
    return min(1.0, float(chances[np.abs(totals) >= abs(sum(differences))].sum()))
