"""Near duplicates, by MinHash over runs of words (Broder 1997) and locality-sensitive hashing: what repeats a passage teaches nothing new.

Sketches are datasketch's, for its numbers depend on nothing but the seed and numpy's oldest, frozen generator; so is the choice of bands. Its
index is not used: it holds every band of every passage, several kilobytes each. Here the bands that no two passages share, nearly all of them,
are left out before the first passage is looked at.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from closedbook.util import shingles

SIZE = 5
"""words of a run"""
NUM_PERM = 128
"""the standard error of an estimated similarity is at most 0.045"""
SEED = 1
WEIGHTS = (0.1, 0.9)
"""false candidates cost time only, for each one's similarity is estimated; missed ones are missed"""
NONE = np.iinfo(np.uint32).max
"""all numbers of the sketch of a text without a run"""


def sketch(text: str) -> np.ndarray:
    """The MinHash of a text, uint32 [NUM_PERM]."""
    runs = shingles.of(text, SIZE)
    if not len(runs):
        return np.full(NUM_PERM, NONE, np.uint32)
    found = _empty().copy()
    found.update_batch((runs >> np.uint64(32)).tolist())  # a MinHash is made of 32 bits
    return found.hashvalues.astype(np.uint32)


@cache
def _empty():
    """Copied for each text: its permutations take longer to draw than most texts to sketch."""
    from datasketch import MinHash

    return MinHash(num_perm=NUM_PERM, seed=SEED, hashfunc=int)  # runs of words are numbers already


def rule(threshold: float | None, sketches: np.ndarray, ids: Sequence[str]):
    """`threshold`: the Jaccard similarity of two passages' sets of runs from which the later one is a duplicate; None finds none.
    `sketches`: uint32 [passages, NUM_PERM]."""
    if threshold is None:
        return None
    shared = _shared(sketches, *_bands(threshold))
    index: dict[tuple[int, int], list[int]] = {}
    """passages that stayed, in their order, by band and what they share in it"""
    place: dict[int, int] = {}

    def look(number: int) -> dict | None:
        keys = [(band, int(group)) for band, group in enumerate(shared[number]) if group >= 0]
        for other in sorted({other for key in keys for other in index.get(key, ())}, key=place.__getitem__):
            similarity = float(np.mean(sketches[other] == sketches[number]))
            if similarity >= threshold:
                return {"duplicates": ids[other], "similarity": round(similarity, 3)}
        place[number] = len(place)
        for key in keys:
            index.setdefault(key, []).append(number)
        return None

    return look


def _bands(threshold: float) -> tuple[int, int]:
    """How many bands a sketch is cut into, and how many numbers each has."""
    from datasketch import MinHashLSH

    chosen = MinHashLSH(threshold=threshold, num_perm=NUM_PERM, weights=WEIGHTS)
    return chosen.b, chosen.r


def _shared(sketches: np.ndarray, bands: int, numbers: int) -> np.ndarray:
    """Of each passage and band a number that it shares with all passages of the same band, −1 where there is no other, int32
    [passages, bands]. A text without a run shares nothing."""
    found = np.full((len(sketches), bands), -1, np.int32)
    has_runs = np.flatnonzero((sketches != NONE).any(axis=1))
    for band in range(bands):
        values = np.ascontiguousarray(sketches[has_runs, band * numbers : (band + 1) * numbers])
        _, group, counts = np.unique(values.view(np.dtype((np.void, values.dtype.itemsize * numbers))).ravel(), return_inverse=True, return_counts=True)
        found[has_runs, band] = np.where(counts[group] > 1, group, -1)
    return found
