"""Questions share documents: the standard errors of means over them, and the splits, which keep a document whole."""

import math
from collections import defaultdict
from statistics import fmean

SPLITS = ("validation", "test")


def stderr(values: list[float], clusters: list[str]) -> float | None:
    """The standard error of the mean of `values` (one a question) where those of one cluster (a document) are alike.

    It is √(G/(G−1) · Σ_g (Σ_{i in g} (x_i − x̄))²) / n over G clusters (Liang and Zeger 1986; Miller 2024, arXiv 2411.00640). None for a
    single cluster, which says nothing of how much clusters differ.
    """
    mean, sums = fmean(values), defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - mean
    if len(sums) < 2:
        return None
    return math.sqrt(len(sums) / (len(sums) - 1) * math.fsum(total * total for total in sums.values())) / len(values)
