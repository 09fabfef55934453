"""What two documents say of the entities that both name, side by side. Which pairs there are, the stage pairs finds."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

from closedbook.generation.strategies.wanted import Wanted
from closedbook.records import Document, EntityList, Pair, Pairs

PROMPTS = {"across": ("beside", "other", "shared")}
NEEDS_ENTITIES = False
EQUAL_KINDS = False
WIDELY = 0.2
"""of the documents: what more of them name (beyond a handful) says nothing about any two"""
FEW = 5
ARTICLE = re.compile(r"^(the|an?)\s+")


def needs_model(settings) -> list[str]:
    return list(PROMPTS)


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """One passage for each of the pairs in which the document stands first (`entities` are its Pairs), the nearest first; then the next on each."""
    return [Wanted(kind="across", entities=tuple(pair.shared), beside=pair.beside, sample=sample)
            for sample in range(settings.across.samples) for pair in entities.pairs]


class Found(NamedTuple):
    first: str
    """ids of documents, in alphabetical order"""
    second: str
    shared: list[str]
    """entities as the first document's list names them, in its order"""
    worth: float


def pairs(lists: dict[str, EntityList], least: int, most: int, same: Mapping[str, str] = MappingProxyType({})) -> list[Found]:
    """The pairs of documents that share at least `least` entities and are, for one of the two, among its `most` worthiest; the worthiest first.

    A shared entity is worth the more, the fewer documents name it: the logarithm of all documents over those that do. A larger `most` gives a
    superset. `same`: for some entities' keys, the key of the one that they are taken for.
    """
    names = {document: {same.get(key(name), key(name)): name for name in listed.entities} for document, listed in lists.items()}
    holders = defaultdict(list)
    for document in sorted(names):
        for one in names[document]:
            holders[one].append(document)
    limit = max(FEW, WIDELY * len(lists))
    told = {one: its for one, its in holders.items() if 1 < len(its) <= limit}
    number, worth = Counter(), Counter()
    for _, its in sorted(told.items()):
        for pair in combinations(its, 2):
            number[pair] += 1
            worth[pair] += math.log(len(lists) / len(its)) + 1
    ranked = sorted((pair for pair in worth if number[pair] >= least), key=lambda pair: (-round(worth[pair], 9), pair))
    taken = Counter()
    chosen = []
    for pair in ranked:
        if min(taken[one] for one in pair) < most:
            first, second = (names[one] for one in pair)
            chosen.append(Found(*pair, [_called(name, second[one]) for one, name in first.items() if one in told and one in second], worth[pair]))
        taken.update(pair)
    return chosen


def key(name: str) -> str:
    """What names of one entity have in common: all but case, article and white space."""
    return ARTICLE.sub("", " ".join(name.casefold().split()))


def _called(name: str, other: str) -> str:
    return name if key(name) == key(other) else f"{name} / {other}"


def of_each(found: list[Found], documents: dict[str, Document]) -> list[Pairs]:
    """Of every document, the pairs in which it stands first."""
    mine = defaultdict(list)
    for pair in found:
        mine[pair.first].append(Pair(beside=documents[pair.second], shared=pair.shared))
    return [Pairs(document=name, pairs=mine[name]) for name in documents]
