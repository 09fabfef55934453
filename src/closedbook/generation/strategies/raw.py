"""The document itself: what continued pretraining without synthesis learns from."""

from closedbook.generation.strategies.wanted import Wanted

PROMPTS = {}
NEEDS_ENTITIES = False
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    return []


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return [Wanted(kind="document")]
