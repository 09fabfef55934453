"""What corpora hold, kept as numbers: which passages, where in the corpus, and how much of each document."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from closedbook import layout
from closedbook.lineage.tracing import lying
from closedbook.lineage.tracing.passage import offsets_of

MOST = 64
"""corpora whose numbers are kept: of 265,000 passages they are 7 MB"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    keys: np.ndarray
    """of its passages' ids (see lying.keys), in order of size"""
    ranges: np.ndarray
    """int64 [passages, 2]: of each of these keys, the passage's first token in the corpus and the one after its last"""
    documents: dict[str, tuple[int, int]]
    """passages and tokens of each document"""

    def place(self, identity: str) -> tuple[int, int] | None:
        [key] = lying.keys([identity])
        at = int(np.searchsorted(self.keys, key))
        return tuple(self.ranges[at].tolist()) if at < len(self.keys) and self.keys[at] == key else None


def by(corpus: str) -> Held:
    """By a corpus as it is now."""
    folder = layout.CORPORA / corpus
    return _by(folder, (folder / "passages.jsonl").stat().st_mtime_ns)


@lru_cache(MOST)
def _by(folder: Path, changed: int) -> Held:
    with open(folder / "passages.jsonl", "rb") as rows:
        ids = [line.split(b'"', 4)[3].decode() for line in rows]  # of {"id": "…", …
    offsets, keys = offsets_of(folder), lying.keys(ids)
    ranges, order = np.stack([offsets[:-1], offsets[1:]], axis=1), np.argsort(keys)
    names, numbers = np.unique([identity.partition("/")[0] for identity in ids], return_inverse=True) if ids else ([], np.zeros(0, int))
    passages, tokens = np.bincount(numbers), np.bincount(numbers, weights=ranges[:, 1] - ranges[:, 0])
    documents = {str(name): (int(passages[at]), int(tokens[at])) for at, name in enumerate(names)}
    return Held(keys=keys[order], ranges=ranges[order], documents=documents)
