"""How sure a mean over questions is: they share documents, and answers share the training run that gave them."""

import math
from statistics import fmean

from closedbook.evaluation import clustered

LEVEL = 0.95
"""of every interval in the report"""
QUESTIONS, SEEDS = "questions only", "seeds and questions"
"""what an error or interval is over"""


def of(values: list[float], documents: list[str], seeds: list[int | None], level: float = LEVEL) -> dict:
    """How sure the mean of `values` is: one an answer, with the document that its question is about and the training seed of its model.

    {"stderr", "interval" (of `level`), "over"}. A half-width is Student's t times a standard error, clustered by document or by seed, with one
    degree of freedom less than there are clusters. Of one seed the documents' is all that there is. Of several, both were drawn from many.
    Where seeds share documents, the two half-widths are added as squares; where each has documents of its own, what lies
    between seeds holds the documents' part too, and the wider one counts. "stderr" is made of the two errors likewise. All None for one
    document.
    """
    mean, by_document, num_documents = fmean(values), clustered.stderr(values, documents), len(set(documents))
    num_seeds = len(set(seeds))
    if by_document is None or num_seeds == 1:
        return over_questions(mean, by_document, num_documents, level)
    by_seed = clustered.stderr(values, seeds)
    together = math.hypot if len(set(zip(seeds, documents))) > num_documents else max
    width = together(t(num_documents - 1, level) * by_document, t(num_seeds - 1, level) * by_seed)
    return {"stderr": together(by_document, by_seed), "interval": [mean - width, mean + width], "over": SEEDS}


def over_questions(mean: float, by_document: float | None, num_documents: int, level: float = LEVEL) -> dict:
    """As of, of a mean over one seed's questions whose standard error is known; None for one document."""
    if by_document is None:
        return {"stderr": None, "interval": None, "over": None}
    width = t(num_documents - 1, level) * by_document
    return {"stderr": by_document, "interval": [mean - width, mean + width], "over": QUESTIONS}


def t(freedom: int, level: float = LEVEL) -> float:
    """How many standard errors reach as far as `level`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))
