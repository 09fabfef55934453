"""Where passages lie in the files that hold them, so that one of them is read without the others.

A file of passages has the form that files.write_json gives it. Line breaks within texts are escaped there, so no text can look like the
beginning or the end of a passage.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

BEGINNING = re.compile(rb'\n  \{\n   "id": "([^"\n]*)",\n')
KIND = re.compile(rb'\n   "kind": "([^"\n]*)",\n')
END = b"\n  }"
DROPPED, PROPOSALS = b'\n "dropped": ', b'\n "proposals": '


def within(path: Path) -> tuple[list[str], np.ndarray]:
    """The ids of the passages of a file, without those that were only proposed, and int64 [passages, 2]: where each begins in it, and how many
    bytes long it is."""
    content = path.read_bytes()
    found = [*BEGINNING.finditer(content, 0, content.rfind(DROPPED))]
    spans = [(match.start(), content.find(END, match.end()) + len(END) - match.start()) for match in found]
    return [match[1].decode() for match in found], np.array(spans, np.int64).reshape(-1, 2)


def counted(path: Path) -> dict:
    """{"kinds": how many passages of each kind, "num_dropped"} of a file, without reading its texts."""
    return _counted(path, path.stat().st_mtime_ns)


@lru_cache(1 << 16)
def _counted(path: Path, changed: int) -> dict:
    content = path.read_bytes()
    end = content.rfind(DROPPED)
    kinds = Counter(match[1].decode() for match in KIND.finditer(content, 0, end))
    return {"kinds": dict(sorted(kinds.items())), "num_dropped": content.count(b"\n  {", end, content.find(PROPOSALS, end))}


def read(path: Path, start: int, length: int) -> dict:
    with open(path, "rb") as handle:
        handle.seek(start)
        return json.loads(handle.read(length))


def keys(identities: Iterable[str]) -> np.ndarray:
    """A number for each passage's id, uint64: what is kept of hundreds of thousands of ids."""
    return np.array([int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest()) for identity in identities], np.uint64)
