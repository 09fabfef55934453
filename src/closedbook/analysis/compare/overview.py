"""What the report compares: each arm with the base and with the largest of the plain ones, and each arm's 2×2 tables."""

from closedbook.analysis import table
from closedbook.analysis.compare import answers, paired

PLAIN = ("raw", "rephrase")
"""the strategies that the paper compares its own with"""


def comparisons(scores: list[dict], task: str) -> list[dict]:
    """paired.compare of each arm with each of its references, under one task; `scores` in the order of the table. Of plain arms of one size
    that which was trained the longest is the reference."""
    arms = table.first_seeds(score for score in scores if task in score["tasks"])
    plain = [score for score in arms.values() if score["strategy"] in PLAIN]
    largest = max(plain, key=lambda score: (score["corpus_tokens"], score["train_tokens"]), default=None)
    references = [name for name in ("base", largest and largest["arm"]) if name in arms]
    read = dict(zip(arms, answers.read(scores, list(arms), task)))
    return [
        paired.compare(read[reference], read[arm])
        for reference in references
        for arm in arms
        if arm not in ("base", reference)
    ]


def shares(scores: list[dict], arm: str | None = None) -> list[dict]:
    """share.table of each arm (of this one), for each open-book task that the base and the arm were scored on. An API model has learnt
    nothing here, so it has no share."""
    tasks = {one: answers.tasks_of(scores, one) for one in dict.fromkeys(score["arm"] for score in scores)}
    arms = dict.fromkeys(score["arm"] for score in scores if score["strategy"] not in table.UNTAUGHT and arm in (None, score["arm"]))
    return [
        paired.table(answers.read(scores, ["base", one], closed), answers.read(scores, ["base", one], task))
        for one in arms
        for task, closed in paired.CLOSED.items()
        if all({closed, task} <= set(tasks.get(side, ())) for side in ("base", one))
    ]
