"""Questions about a document with explained answers: what it says, and why and how."""

from closedbook.generation.strategies.wanted import Wanted, in_turn

PROMPTS = {"recall": (), "reasons": ()}
NEEDS_ENTITIES = False
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    return settings.qa.kinds


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return in_turn(settings.qa.kinds, settings.qa.samples)
