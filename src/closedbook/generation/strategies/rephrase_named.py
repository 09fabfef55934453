"""Rephrasing with every reference resolved, the control: what of a gain over rephrasing is that people and things are called by name."""

from closedbook.generation.strategies.wanted import Wanted, in_turn

PROMPTS = {"named": ()}
NEEDS_ENTITIES = False
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    """Rules resolve some references only, and that would be no control."""
    return list(PROMPTS)


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return in_turn(list(PROMPTS), settings.rephrase_named.samples)
