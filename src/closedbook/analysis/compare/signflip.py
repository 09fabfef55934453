"""The sign-flip test: would two models that know the documents equally well differ as much as these?"""

import numpy as np

LEAST = 6
"""documents on which two models must differ for a p of 0.05: of five, two of 2⁵ choices of signs are as one-sided as can be"""


def p(differences: list[int]) -> float | None:
    """How often the total of `differences` (one a document: questions won − lost) is at least as far from 0, when each keeps or changes its
    sign as a fair coin falls: exact and two-sided. None where fewer than LEAST are not 0.

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
