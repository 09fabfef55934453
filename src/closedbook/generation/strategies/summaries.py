"""A document condensed in three forms: extractive notes, conceptual summaries, atomic facts (after sdg_hub's knowledge tuning)."""

from closedbook.generation.strategies.wanted import Wanted, in_turn

PROMPTS = {"notes": (), "concepts": (), "facts": ()}
NEEDS_ENTITIES = False
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    """Rules can pick sentences; they can't say what the sentences amount to."""
    return [kind for kind in settings.summaries.kinds if kind == "concepts"]


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return in_turn(settings.summaries.kinds, settings.summaries.samples)
