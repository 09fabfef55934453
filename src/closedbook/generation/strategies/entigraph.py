"""EntiGraph: how pairs and triplets of a document's entities bear on each other (Yang et al. 2025, arXiv 2409.07431)."""

from itertools import combinations

from closedbook.generation.strategies import centrality
from closedbook.generation.strategies.wanted import PLACES, Wanted
from closedbook.util import seeds

PROMPTS = {"single": PLACES[:1], "pair": PLACES[:2], "triplet": PLACES}
NEEDS_ENTITIES = True
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    return []


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """The summary, then singles, pairs and triplets, each kind in its order, of which the first so many are taken.

    The order is seeded, or by centrality (ranked, harmonic): the most central in the document first, and only what is equally central in
    seeded order.
    """
    chosen = settings.entigraph
    worth = (lambda group: 0) if chosen.order == "seeded" else centrality.worth(document.text, entities.entities, chosen.order)
    result = [Wanted(kind="summary")] if chosen.summary else []
    for kind, size, number in (("single", 1, chosen.singles), ("pair", 2, chosen.pairs), ("triplet", 3, chosen.triplets)):
        if number:
            groups = sorted(combinations(entities.entities, size),
                            key=lambda group: (-worth(group), seeds.derive(seed, document.id, kind, *group)))
            result += [Wanted(kind=kind, entities=group) for group in groups[: None if number == "all" else number]]
    return result
