"""Seven fixed ways to study any document, of which a corpus takes equally many tokens (Tang et al. 2026, SPA, arXiv 2603.22213)."""

from closedbook.generation.strategies.wanted import Wanted, in_turn

PROMPTS = dict.fromkeys(("key_concepts", "mind_map", "implications", "critical_questions", "case_study", "discussion", "lesson"), ())
NEEDS_ENTITIES = False
EQUAL_KINDS = True


def needs_model(settings) -> list[str]:
    return list(PROMPTS)


def wanted(document, entities, settings, seed) -> list[Wanted]:
    return in_turn(list(PROMPTS), settings.spa.samples)
