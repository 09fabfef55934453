"""How central entities are in a document, over the graph of which are named together, in a paragraph and in a sentence."""

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations

from closedbook.util import units

ARTICLE = re.compile(r"^(the|an?)\s+", re.IGNORECASE)
# its cuts are counted, and the counts decide which passages are asked for: it stays as it is (units.SENTENCE_END cuts elsewhere)
SENTENCE_END = re.compile(rf"(?<=[.!?])[\"'”’)]*\s+|(?<=[{units.FULL_STOPS}])[{units.CLOSING}]*\s*")
DIGITS = 9
"""of a rank that count: the last bits of a sum differ between processors, and an order must not"""


def worth(text: str, entities: list[str], order: str) -> Callable[[tuple[str, ...]], float]:
    """A function that says how central a group of entities is in a text (paragraphs separated by a blank line).

    It is the product of the entities' ranks, times one more than how often they are named together. Entities that the text never
    names have the least rank. Under the order "ranked" a rank is the PageRank; under "harmonic" it is one more than the harmonic
    centrality, the sum of 1/distance to every other entity, where two that are named together n times are 1/n apart. PageRank favours
    those that are named most, harmonic centrality also those that stand between groups that are never named together.
    """
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(entities)
    together = meetings(text, entities)
    graph.add_edges_from((*pair, {"weight": count, "distance": 1 / count}) for pair, count in sorted(together.items()))
    measured = networkx.pagerank(graph) if order == "ranked" else networkx.harmonic_centrality(graph, distance="distance")
    ranks = {name: round(rank + (order == "harmonic"), DIGITS) for name, rank in measured.items()}

    def of(group: tuple[str, ...]) -> float:
        return math.prod(ranks[name] for name in group) * (1 + sum(together[pair] for pair in combinations(group, 2)))

    return of


def meetings(text: str, entities: list[str]) -> Counter:
    """How many paragraphs and how many sentences name both of two entities, by pair in the order of the list."""
    patterns = {name: _pattern(name, entities) for name in entities}
    together = Counter()
    for paragraph in text.split("\n\n"):
        for part in (paragraph, *SENTENCE_END.split(paragraph)):
            words = units.apart(part)
            named = [name for name, pattern in patterns.items() if pattern.search(words)]
            together.update(combinations(named, 2))
    return together


def _pattern(name: str, entities: list[str]) -> re.Pattern:
    """An entity's name without its article, or its last word where that is a name by itself and no other entity's."""
    bare = units.apart(ARTICLE.sub("", name))
    last = bare.split()[-1]
    alone = last[:1].isupper() and sum(other.split()[-1] == last for other in entities) == 1
    forms = [rf"(?i:{re.escape(bare)})", *([re.escape(last)] if alone else [])]
    return re.compile(rf"\b(?:{'|'.join(forms)})\b")
