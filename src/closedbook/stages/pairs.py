"""The pairs stage: which documents share entities (or name some that an embedder finds alike), for the strategy across.

Each document's file holds the documents that it is paired with, so that a passage about two of them is made anew just where one of the two has
changed or is gone.

    PYTHONPATH=src python -m closedbook job pairs/pairs
"""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook.evaluation import finders
from closedbook.generation.strategies import across
from closedbook.params import Across, Limits
from closedbook.records import Document, EntityList


def job(**given) -> dict:
    return build(**given)


def build(*, documents: list[Path], entities: list[Path], folder: Path, params: SimpleNamespace, limits: Limits) -> dict:
    """Write the Pairs of every document, those in which it stands first, into `folder`, one file each.

    `documents` and `entities` are files of the same documents; `params` holds passages.across and bound, which documents are taught in runs of
    which seed alone: those of two seeds make no pair, for no run learns both. Raises UserError where the model that embeds can't be reached, is
    none, or has changed.
    """
    texts, lists = (defaultdict(dict), defaultdict(dict))
    for document, listed in zip(map(Document.read, documents), map(EntityList.read, entities), strict=True):
        seed = params.bound[document.id]
        texts[seed][document.id], lists[seed][document.id] = document, listed
    settings, number = params.passages.across, 0
    same = _taken_for(texts, lists, settings, limits) if settings.embedder.model else {}
    for seed, its in texts.items():
        found = across.pairs(lists[seed], settings.shared, settings.pairs, same)
        number += len(found)
        for one in across.of_each(found, its):
            one.write(folder / f"{one.document}.json")
    return {"pairs": number}


def _taken_for(texts: dict, lists: dict, settings: Across, limits: Limits) -> dict[str, str]:
    """For each entity's key, that of the one that it is taken for. A document's entities are embedded with it, since they follow from its text."""
    documents = [document for its in texts.values() for document in its.values()]
    owned = [(document, one) for its in lists.values() for document, listed in its.items() for one in dict.fromkeys(map(across.key, listed.entities))]
    if not owned:
        return {}
    rows = finders.vectors(owned, documents, settings.embedder, limits, "pairs", "passages.across.embedder")
    row_of = {one: row for (_, one), row in zip(owned, rows, strict=True)}
    keys = sorted(row_of)
    return alike(keys, np.stack([row_of[one] for one in keys]), settings.alike)


def alike(keys: list[str], vectors: np.ndarray, least: float) -> dict[str, str]:
    """For each of the `keys`, in their order, the first one before it that is taken for itself and whose vector (a row of length 1 each) has a
    cosine of `least` or more with its own, the nearest of several; itself where there is none."""
    found, own, rows = {}, [], np.empty_like(vectors)
    for one, vector in zip(keys, vectors, strict=True):
        cosines = rows[:len(own)] @ vector
        near = int(cosines.argmax()) if own else 0
        if own and cosines[near] >= least:
            found[one] = own[near]
        else:
            rows[len(own)], found[one] = vector, one
            own.append(one)
    return found
