"""The ways to write about a document, one module each (docs/strategies.md).

A strategy's module holds
- `wanted(document, entities, settings, seed)`, the passages it asks for, most wanted first, such that a larger setting asks for a superset;
- PROMPTS, the prompts it uses, each with the placeholders it has beside $document and $title;
- NEEDS_ENTITIES, whether it reads the document's entity list;
- EQUAL_KINDS, whether a corpus takes equally many tokens of each of its prompts, or passages as they come;
- `needs_model(settings)`, those of the prompts wanted that have no extractive form.
"""


from closedbook.generation.strategies import (
    across,
    active_reading,
    entigraph,
    focal,
    identifiers,
    imported,
    qa,
    raw,
    rephrase,
    rephrase_named,
    spa,
    summaries,
)
from closedbook.generation.strategies.wanted import Wanted

STRATEGIES = {
    "raw": raw,
    "rephrase": rephrase,
    "rephrase_named": rephrase_named,
    "entigraph": entigraph,
    "summaries": summaries,
    "spa": spa,
    "qa": qa,
    "identifiers": identifiers,
    "active_reading": active_reading,
    "focal": focal,
    "across": across,
    "imported": imported,
}


def is_document(strategy: str) -> bool:
    """Whether its passages are the documents as they stand: there is nothing to judge in them, and none is held out."""
    return strategy == "raw"


def is_of_pairs(strategy: str) -> bool:
    """Whether each passage is about two documents: it reads the document's pairs where others read its entity list, and sees both whole."""
    return strategy == "across"


__all__ = ["STRATEGIES", "Wanted", "is_document", "is_of_pairs"]
