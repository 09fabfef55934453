"""The document itself: what continued pretraining without synthesis learns from."""

from closedbook.strategies.wanted import Wanted

PROMPTS = ()
NEEDS_ENTITIES = False


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return [Wanted(kind="document")]
