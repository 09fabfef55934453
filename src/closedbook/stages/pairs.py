"""The pairs stage: which documents share entities, for the strategy across. Each document's file holds the documents that it is paired with, so
that a passage about two of them is made anew just where one of the two has changed or is gone.

    PYTHONPATH=src python -m closedbook job pairs/pairs
"""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

from closedbook.generation.strategies import across
from closedbook.params import Limits
from closedbook.records import Document, EntityList


def job(*, limits: Limits, **given) -> dict:
    return build(**given)


def build(*, documents: list[Path], entities: list[Path], folder: Path, params: SimpleNamespace) -> dict:
    """Write the Pairs of every document, those in which it stands first, into `folder`, one file each.

    `documents` and `entities` are files of the same documents; `params` holds passages.across and bound, which documents are taught in runs of
    which seed alone: those of two seeds make no pair, for no run learns both.
    """
    texts, lists = (defaultdict(dict), defaultdict(dict))
    for document, listed in zip(map(Document.read, documents), map(EntityList.read, entities), strict=True):
        seed = params.bound[document.id]
        texts[seed][document.id], lists[seed][document.id] = document, listed
    settings, number = params.passages.across, 0
    for seed, its in texts.items():
        found = across.pairs(lists[seed], settings.shared, settings.pairs)
        number += len(found)
        for one in across.of_each(found, its):
            one.write(folder / f"{one.document}.json")
    return {"pairs": number}
