"""Finding words again wherever they lie: shingles, so many words in a row as one number.

Of a text that must go, nothing but every eighth shingle of eight words is kept, so they do not overlap: from overlapping ones a text could be
guessed word by word. A file is searched at each of its words, so any eight words that are one of the kept shingles are found, whatever
stands around them.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from html import unescape
from pathlib import Path

import numpy as np

from closedbook.util import units

WORDS = 8
"""of a shingle, unless another size is asked for"""
ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|[nrtbf])")
"""JSON's spelling of a character, in JSON within JSON too"""
SQLITE = b"SQLite format 3\0"
BYTES_AT_ONCE = 2**24


def of(text: str, size: int = WORDS) -> np.ndarray:
    """A number for each run of `size` words, uint64 [words - size + 1]."""
    return runs(codes(text), size)


def codes(text: str) -> np.ndarray:
    """A number for each word, whatever its case and punctuation, uint64 [words]."""
    found = units.bare(text)
    return np.fromiter((zlib.crc32(word.encode("utf-8", "replace")) for word in found), np.uint64, len(found))


def runs(codes: np.ndarray, size: int) -> np.ndarray:
    """The same as `of` from the numbers of the words."""
    if len(codes) < size:
        return np.zeros(0, np.uint64)
    return np.lib.stride_tricks.sliding_window_view(codes, size) @ _factors(size)


@cache
def _factors(size: int) -> np.ndarray:
    return np.array([pow(0x9E3779B97F4A7C15, power, 2**64) for power in range(size)], np.uint64)


def kept(texts: Iterable[str]) -> np.ndarray:
    """What is kept of texts: every eighth shingle of each, sorted, none twice."""
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *(of(text)[::WORDS] for text in texts)]))


def found_in(file: Path, wanted: np.ndarray) -> np.ndarray:
    """Those of the wanted shingles that a file holds, if it is one of text (or a database): plain, or as JSON or HTML spells it."""
    found = np.zeros(0, np.uint64)
    for data in _parts(file):
        found = np.union1d(found, in_bytes(data, wanted))
    return found


def in_bytes(data: bytes, wanted: np.ndarray) -> np.ndarray:
    return np.intersect1d(wanted, of(spelled_out(data.decode("utf-8", "ignore"))))


def spelled_out(text: str) -> str:
    """Text without the escapes of JSON and HTML."""
    return unescape(ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else " ", text))


def is_text(data: bytes) -> bool:
    """By its first bytes; a database counts, for it holds texts as they are."""
    return data.startswith(SQLITE) or b"\0" not in data[:8192]


def _parts(file: Path) -> Iterator[bytes]:
    """A file of text in pieces of whole lines, for it may be larger than memory."""
    with open(file, "rb") as handle:
        if not is_text(handle.read(8192)):
            return
        handle.seek(0)
        while lines := handle.readlines(BYTES_AT_ONCE):
            yield b"".join(lines)
