"""The ways to write about a document, one module each.

A strategy's module holds `wanted(document, entities, settings, seed)`, the passages it asks for, most wanted first, such that a
larger setting asks for a superset; PROMPTS, the prompts it uses; and whether it NEEDS_ENTITIES. To add one: such a module, its prompts in prompts/, its
settings in params.py and its name in STRATEGIES.
"""


from closedbook.strategies import entigraph, raw, rephrase
from closedbook.strategies.wanted import Wanted

STRATEGIES = {"raw": raw, "rephrase": rephrase, "entigraph": entigraph}

__all__ = ["STRATEGIES", "Wanted"]
