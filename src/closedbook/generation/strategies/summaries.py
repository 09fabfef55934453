"""A document condensed in three forms: extractive notes, conceptual summaries, atomic facts (after sdg_hub's knowledge tuning)."""

from closedbook.generation.strategies.wanted import Wanted, in_turn

PROMPTS = {"notes": (), "concepts": (), "facts": (), "restated": ()}
NEEDS_ENTITIES = False
EQUAL_KINDS = False


def needs_model(settings) -> list[str]:
    """Rules can pick sentences; they can't say what the sentences amount to, nor say it in other words."""
    return [kind for kind in settings.summaries.kinds if kind == "concepts"] + ["restated"] * bool(settings.summaries.paraphrases)


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """Each kind in turn, and after each list of the facts, `paraphrases` further ones of the same facts in other words."""
    chosen = settings.summaries
    again = chosen.samples * chosen.paraphrases if "facts" in chosen.kinds else 0
    return in_turn(chosen.kinds, chosen.samples) + in_turn(["restated"], again)
