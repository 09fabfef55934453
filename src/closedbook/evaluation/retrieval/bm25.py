"""The embedded index: BM25 over words, by bm25s (Lù 2024, arXiv 2407.03618), which needs no model and no network."""

from collections.abc import Iterator

import numpy as np

from closedbook.util import units


def scores(texts: list[str], queries: list[str]) -> Iterator[np.ndarray]:
    """For each query, BM25 (Lucene's form, k1 1.5, b 0.75) of each text; 0 where they share no word. English stop words do not count."""
    import bm25s

    index, indexed = bm25s.BM25(), bm25s.tokenize([units.pairs(text) for text in texts], show_progress=False)
    if not any(indexed.ids):  # no text has a word, which bm25s can't index
        yield from (np.zeros(len(texts), dtype=np.float32) for _ in queries)
        return
    index.index(indexed, show_progress=False)
    for words in bm25s.tokenize([units.pairs(query) for query in queries], return_ids=False, show_progress=False):
        known = [word for word in words if word in index.vocab_dict]
        yield index.get_scores(known) if known else np.zeros(len(texts), dtype=np.float32)
