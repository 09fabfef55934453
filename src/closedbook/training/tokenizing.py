"""Texts into tokens on disk: as many at a time as keep all cores busy, never a whole corpus in memory."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from closedbook.util import files

CHARACTERS_A_BATCH = 1_000_000
"""enough to keep all cores busy, little enough to hold as encodings (about 100 bytes a token)"""


class Spelling:
    """How a base spells a text: its tokenizer, and the tokens around each text."""

    def __init__(self, tokenizer: Path, pinned: Path):
        """`tokenizer`: the base's tokenizer.json; `pinned`: its base.json, which says what stands before and after a text."""
        facts = files.read_json(pinned)
        self._tokenizer = _tokenizer(tokenizer, tokenizer.stat().st_mtime_ns)
        self._before = np.array(facts["before_text"], np.uint32)
        self._after = np.array([facts["end_of_text_id"]], np.uint32)

    def tokens(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """The token ids of each text, uint32, on as many cores as the tokenizers library sees; their number changes no token.

        While one batch is taken apart, the library is at work on the next: it needs no interpreter.
        """
        with ThreadPoolExecutor(1) as beside:
            waiting: Future | None = None
            for batch in _batches(texts):
                ahead = beside.submit(self._tokenizer.encode_batch_fast, batch, add_special_tokens=False)
                yield from self._framed(waiting)
                waiting = ahead
            yield from self._framed(waiting)

    def _framed(self, encoded: Future | None) -> Iterator[np.ndarray]:
        for encoding in encoded.result() if encoded else ():
            yield np.concatenate([self._before, np.array(encoding.ids, np.uint32), self._after])


@lru_cache(maxsize=1)
def _tokenizer(path: Path, changed: int) -> Tokenizer:
    """Read once for all documents of a process; without transformers, whose import takes longer than most documents do."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # "<eos>" in a document is five letters, not its end
    return tokenizer


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch, characters = [], 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= CHARACTERS_A_BATCH:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
