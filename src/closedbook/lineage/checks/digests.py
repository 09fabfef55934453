"""SHA-256 and MD5 of many files, on all cores, from their content alone: no time and no hash of earlier days is believed."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHUNK = 1 << 20
"""bytes; hashlib lets other threads run while it works on so many"""


class Digests:
    """Reads each content once, however many paths lead to it by links and whichever hashes are wanted.

    `num_files` and `num_bytes` count what was read.
    """

    def __init__(self):
        self._known: defaultdict[tuple[int, int], dict[str, str]] = defaultdict(dict)
        self.num_files = self.num_bytes = 0

    def read(self, wanted: Iterable[tuple[Path, str]]) -> None:
        """Hash ahead, many at once: (path, "sha256" or "md5"), of which files that do not exist are left out."""
        contents: dict[tuple[int, int], tuple[int, Path, set[str]]] = {}
        for path, algorithm in wanted:
            if path.is_file():
                status = path.stat()
                content = contents.setdefault((status.st_dev, status.st_ino), (status.st_size, path, set()))
                content[2].add(algorithm)
        largest_first = sorted(contents.items(), key=lambda item: -item[1][0])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda item: _hashed(item[1][1], sorted(item[1][2])), largest_first)
            for (place, (size, _, _)), hashes in zip(largest_first, found, strict=True):
                self._known[place] |= hashes
                self.num_files, self.num_bytes = self.num_files + 1, self.num_bytes + size

    def sha256(self, path: Path) -> str | None:
        """None where there is no such file."""
        return self._of(path, "sha256")

    def md5(self, path: Path) -> str | None:
        return self._of(path, "md5")

    def _of(self, path: Path, algorithm: str) -> str | None:
        if not path.is_file():
            return None
        status = path.stat()
        known = self._known[status.st_dev, status.st_ino]
        if algorithm not in known:
            self.read([(path, algorithm)])
        return known[algorithm]


def _hashed(path: Path, algorithms: list[str]) -> dict[str, str]:
    hashers = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with open(path, "rb", buffering=0) as handle:
        buffer = memoryview(bytearray(min(CHUNK, os.fstat(handle.fileno()).st_size + 1)))
        while size := handle.readinto(buffer):
            for hasher in hashers.values():
                hasher.update(buffer[:size])
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}
