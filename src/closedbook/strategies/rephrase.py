"""The whole document told again in several styles (Maini et al. 2024, Rephrasing the Web, arXiv 2401.16380)."""

from closedbook.strategies.wanted import Wanted

PROMPTS = ("easy", "medium", "hard")
NEEDS_ENTITIES = False


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """All styles once, then all again, up to `samples` times."""
    return [Wanted(kind=style, sample=sample) for sample in range(settings.rephrase.samples) for style in settings.rephrase.styles]
