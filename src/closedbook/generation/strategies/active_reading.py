"""Active reading: a model proposes ways to study this document, then each is applied by itself (Lin et al. 2025, arXiv 2508.09494)."""

import re
from functools import partial

from closedbook.generation.strategies.wanted import Wanted

PROMPTS = {"ways": (), "apply": ("way",)}
NEEDS_ENTITIES = False
EQUAL_KINDS = False
LONGEST_WAY = 600
"""characters; a longer line is no proposal but the work itself, begun unasked"""
MOST_WAYS = 10
"""that the prompt asks for"""


def needs_model(settings) -> list[str]:
    return list(PROMPTS)


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """The proposals: of each, the first `ways` are applied, `samples` times. What they ask for is known when they are answered."""
    chosen = settings.active_reading
    then = partial(_asked_for, most=chosen.ways, samples=chosen.samples)
    at_most = tuple(_applied([f"way {number}" for number in range(chosen.ways)], chosen.samples))
    return [Wanted(kind="ways", sample=number, then=then, at_most=at_most) for number in range(chosen.proposals)]


def _asked_for(answer: str, *, most: int, samples: int) -> list[Wanted]:
    return _applied(proposed(answer)[:most], samples)


def _applied(ways: list[str], samples: int) -> list[Wanted]:
    return [Wanted(kind="apply", way=way, sample=sample) for sample in range(samples) for way in ways]


def proposed(answer: str) -> list[str]:
    """The ways in a numbered list, one per line; none where it holds fewer than two, or one that is too long to be a proposal."""
    ways = re.findall(r"^\s*\d+\s*[.):]\s*(\S.*?)\s*$", answer, re.MULTILINE)
    ways = list(dict.fromkeys(" ".join(way.split()) for way in ways))
    return ways if len(ways) > 1 and all(len(way) <= LONGEST_WAY for way in ways) else []
