"""Near duplicates, by MinHash over runs of words (Broder 1997) and locality-sensitive hashing: what repeats a passage teaches nothing new.

datasketch, for its numbers depend on nothing but the seed and numpy's oldest, frozen generator.
"""

import numpy as np

from closedbook.util import shingles

SIZE = 5
"""words of a run"""
NUM_PERM = 128
"""the standard error of an estimated similarity is at most 0.045"""
SEED = 1
WEIGHTS = (0.1, 0.9)
"""false candidates cost time only, for each one's similarity is estimated; missed ones are missed"""


def rule(threshold: float | None):
    """`threshold`: the Jaccard similarity of two passages' sets of runs from which the later one is a duplicate; None finds none."""
    if threshold is None:
        return None
    from datasketch import MinHash, MinHashLSH

    empty = MinHash(num_perm=NUM_PERM, seed=SEED, hashfunc=int)  # runs of words are numbers already
    index = MinHashLSH(threshold=threshold, num_perm=NUM_PERM, weights=WEIGHTS)
    digests, names = [], []

    def look(identity: str, text: str) -> dict | None:
        runs = shingles.of(text, SIZE)
        if not len(runs):
            return None
        sketch = empty.copy()
        sketch.update_batch((runs >> np.uint64(32)).tolist())  # a MinHash is made of 32 bits
        for number in sorted(index.query(sketch)):
            similarity = float(np.mean(digests[number] == sketch.hashvalues))
            if similarity >= threshold:
                return {"duplicates": names[number], "similarity": round(similarity, 3)}
        index.insert(len(names), sketch)
        digests.append(sketch.hashvalues.astype(np.uint32))
        names.append(identity)
        return None

    return look
