"""EntiGraph: how pairs and triplets of a document's entities bear on each other (Yang et al. 2025, arXiv 2409.07431)."""

from itertools import combinations

from closedbook import seeds
from closedbook.strategies.wanted import Wanted

PROMPTS = ("single", "pair", "triplet")
NEEDS_ENTITIES = True


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """The summary, then singles, pairs and triplets, each kind in a seeded order of which the first so many are taken."""
    chosen = settings.entigraph
    result = [Wanted(kind="summary")] if chosen.summary else []
    for kind, size, number in (("single", 1, chosen.singles), ("pair", 2, chosen.pairs), ("triplet", 3, chosen.triplets)):
        if number:
            groups = sorted(combinations(entities.entities, size), key=lambda group: seeds.derive(seed, document.id, kind, *group))
            result += [Wanted(kind=kind, entities=group) for group in groups[: None if number == "all" else number]]
    return result
