"""Finding a text again wherever it lies, with nothing kept of it but hashes: shingles, eight words in a row as one number.

Of a text only every eighth shingle is kept, so they do not overlap: from overlapping ones a text could be guessed word by word. A file is
searched at each of its words, so any eight words that are one of the kept shingles are found, whatever stands around them.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path

import numpy as np

WORDS = 8
"""of a shingle"""
FACTORS = np.array([pow(0x9E3779B97F4A7C15, power, 2**64) for power in range(WORDS)], np.uint64)
WORD = re.compile(r"[^\W_]+")
ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|[nrtbf])")
"""JSON's spelling of a character, in JSON within JSON too"""
SQLITE = b"SQLite format 3\0"
BYTES_AT_ONCE = 2**24


def of(text: str) -> np.ndarray:
    """A number for each shingle, uint64 [words - 7]: the same for the same words in any case, spacing and punctuation."""
    words = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    if len(words) < WORDS:
        return np.zeros(0, np.uint64)
    codes = np.fromiter((zlib.crc32(word.encode("utf-8", "replace")) for word in words), np.uint64, len(words))
    return np.lib.stride_tricks.sliding_window_view(codes, WORDS) @ FACTORS


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
