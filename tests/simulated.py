"""Answers of models whose true accuracy is known, with luck of the training seed, of the document and of both."""

from statistics import NormalDist

import numpy as np

SD_DOCUMENT, SD_BOTH = 0.5, 0.3
"""of what makes a document easier, for every seed and for one, in the standard deviations of a single answer"""


def answers(draws: np.random.Generator, *, seeds: int, documents: int, questions: int, nested: bool, sd_seed: float, means=(0.5,)):
    """(values, documents, seeds, truth): an answer each, with its document and seed, and the mean that answers have over all seeds and
    documents there could be.

    A question is answered rightly where `means` + the luck of its seed (`sd_seed`), document and cell + that of this answer is above 0. Of
    two means the values are differences, of the second arm to the first on the same questions. `nested`: each seed has documents of its own.
    """
    document = draws.normal(0, SD_DOCUMENT, (seeds if nested else 1, documents, 1))
    question = draws.normal(0, 0.5**0.5, (seeds if nested else 1, documents, questions))

    def right(mean: float) -> np.ndarray:
        luck = draws.normal(0, sd_seed, (seeds, 1, 1)) + draws.normal(0, SD_BOTH, (seeds, documents, 1))
        return (mean + document + question + luck + draws.normal(0, 0.5**0.5, (seeds, documents, questions)) > 0).astype(float)

    spread = (1 + sd_seed**2 + SD_DOCUMENT**2 + SD_BOTH**2) ** 0.5
    truths = [NormalDist().cdf(mean / spread) for mean in means]
    values = [right(mean) for mean in means]
    of_seed, of_document, _ = np.indices(values[0].shape).reshape(3, -1)
    names = of_seed * documents * nested + of_document
    if len(means) == 2:
        values, truths = [values[1] - values[0]], [truths[1] - truths[0]]
    return values[0].ravel().tolist(), names.tolist(), of_seed.tolist(), truths[0]
