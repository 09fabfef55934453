"""Where passages lie in the files that hold them, so that one of them is read without the others.

A file of passages has the form that files.write_json gives it. Line breaks within texts are escaped there, so no text can look like the
beginning or the end of a passage.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BEGINNING = re.compile(rb'\n  \{\n   "id": "([^"\n]*)",\n')
KIND = re.compile(rb'\n   "kind": "([^"\n]*)",\n')
END = b"\n  }"
DROPPED, PROPOSALS = b'\n "dropped": ', b'\n "proposals": '


@dataclass(frozen=True, kw_only=True)
class Lying:
    ids: list[str]
    spans: np.ndarray
    """int64 [passages, 2]: where each begins in its file, and how many bytes long it is"""
    kinds: dict[str, int]
    """how many passages of each kind"""
    num_dropped: int


def within(path: Path) -> Lying:
    """Of the passages of a file, without those that were only proposed."""
    content = path.read_bytes()
    end = content.find(DROPPED)
    found = [*BEGINNING.finditer(content, 0, end)]
    spans = [(match.start(), content.find(END, match.end()) + len(END) - match.start()) for match in found]
    dropped = content[end : content.find(PROPOSALS, end)]
    return Lying(ids=[match[1].decode() for match in found], spans=np.array(spans, np.int64).reshape(-1, 2),
                 kinds=dict(sorted(Counter(match[1].decode() for match in KIND.finditer(content, 0, end)).items())), num_dropped=dropped.count(b"\n  {"))


def read(path: Path, start: int, length: int) -> dict:
    with open(path, "rb") as handle:
        handle.seek(start)
        return json.loads(handle.read(length))


def keys(identities: Iterable[str]) -> np.ndarray:
    """A number for each passage's id, uint64: what is kept of hundreds of thousands of ids."""
    return np.array([int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest()) for identity in identities], np.uint64)
