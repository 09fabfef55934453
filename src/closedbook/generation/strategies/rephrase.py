"""The whole document rewritten in several styles (Maini et al. 2024, Rephrasing the Web, arXiv 2401.16380)."""

from closedbook.generation.strategies.wanted import Wanted, in_turn

PROMPTS = {"easy": (), "medium": (), "hard": (), "qa": ()}
NEEDS_ENTITIES = False
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    """Sentences can be shortened and joined by rules; a question can't be asked so."""
    return [style for style in settings.rephrase.styles if style == "qa"]


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return in_turn(settings.rephrase.styles, settings.rephrase.samples)
