"""Questions whose answers are the names, numbers, dates and codes of a document: what other strategies teach least."""

from closedbook.generation.strategies.wanted import Wanted, in_turn

PROMPTS = {"identifiers": ()}
NEEDS_ENTITIES = False
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    return list(PROMPTS)


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return in_turn(list(PROMPTS), settings.identifiers.samples)
