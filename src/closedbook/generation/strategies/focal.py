"""Focal rewriting: the document rewritten with one question about it in view, in one way of studying it (after Han et al. 2026, arXiv 2603.23562)."""

import re
from functools import partial

from closedbook.generation.strategies.active_reading import LONGEST_WAY, MOST_WAYS, proposed
from closedbook.generation.strategies.wanted import Wanted

ASKING = ("recall", "reasons")
"""the prompts of the strategy qa, of whose answers only the questions are used"""
PROMPTS = {"ways": (), "recall": (), "reasons": (), "focal": ("way", "question")}
NEEDS_ENTITIES = False
EQUAL_KINDS = False
QUESTION = re.compile(r"^\W*question\W*\d*\W*[:.)]\W*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)


def needs_model(settings) -> list[str]:
    return list(PROMPTS)


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """Proposals of ways; then, beside each, questions of both kinds; then a rewriting for each of the first `questions` of a kind."""
    chosen = settings.focal
    example = [f"way {number}" for number in range(MOST_WAYS)]
    return [Wanted(kind="ways", sample=number, then=partial(_asking, sample=number, chosen=chosen),
                   at_most=tuple(_questions(example, number, chosen))) for number in range(chosen.proposals)]  # fmt: skip


def _asking(answer: str, *, sample: int, chosen) -> list[Wanted]:
    ways = proposed(answer)
    return _questions(ways, sample, chosen) if ways else []


def _questions(ways: list[str], sample: int, chosen) -> list[Wanted]:
    at_most = tuple(_rewritings([f"question {number}" for number in range(chosen.questions)], ways, chosen))
    return [Wanted(kind=kind, sample=sample, then=partial(_focused, ways=ways, chosen=chosen), at_most=at_most) for kind in ASKING]


def _focused(answer: str, *, ways: list[str], chosen) -> list[Wanted]:
    return _rewritings(asked(answer)[: chosen.questions], ways, chosen)


def _rewritings(questions: list[str], ways: list[str], chosen) -> list[Wanted]:
    """The ways take turns, so that few questions already see many of them."""
    return [Wanted(kind="focal", question=question, way=ways[place % len(ways)], sample=sample)
            for sample in range(chosen.samples) for place, question in enumerate(questions)]


def asked(answer: str) -> list[str]:
    """The questions among pairs of "Question: ..." and "Answer: ..."; none twice, and none that is too long for one."""
    found = dict.fromkeys(" ".join(question.split()) for question in QUESTION.findall(answer))
    return [question for question in found if len(question) <= LONGEST_WAY]
