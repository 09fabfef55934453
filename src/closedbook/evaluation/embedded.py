"""Documents in chunks, and their embedded index: BM25 over words, by bm25s (Lù 2024, arXiv 2407.03618), without a model or a network."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from closedbook.records import Document
from closedbook.util import units

BOUNDS = (re.compile(r"(?=\n\n)"), units.SENTENCE_END, re.compile(r"(?=\s)"))
"""where a chunk may end, best first: after a paragraph, a sentence, a word"""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    document: str
    """the document's id"""
    number: int
    """which of its document's chunks, from 0"""
    text: str
    """what is indexed and shown: the document's title, author and year, then the piece of it"""


def chunks(document: Document, characters: int) -> list[Chunk]:
    """All of a document in order, without overlap; its line of title, author and year does not count among the `characters`."""
    return [Chunk(document=document.id, number=number, text=f"{document.byline}.\n\n{piece}")
            for number, piece in enumerate(pieces(document.text, characters))]


def pieces(text: str, characters: int) -> Iterator[str]:
    """Pieces of at most `characters`. Each ends after the last paragraph that fits; where the next paragraph alone is longer, after
    the last sentence that fits; then after the last word; and in a word that is longer still, where the room ends."""
    text = text.strip()
    while len(text) > characters:
        end = _end(text, characters)
        yield text[:end].rstrip()
        text = text[end:].lstrip()
    if text:
        yield text


def _end(text: str, characters: int) -> int:
    for bound in BOUNDS:
        ends = [match.end() for match in bound.finditer(text, 1, characters + 2) if match.end() <= characters]
        if ends:
            return ends[-1]
    return characters


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
