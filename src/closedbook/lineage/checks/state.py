"""What an audit looks at: the working tree, or a commit as DVC's cache holds it; and the hashes of its files, from their content alone."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from closedbook.lineage.history import History, read
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts, versioned

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


@dataclass(frozen=True, kw_only=True)
class Break:
    """Something that is not what it should be."""

    file: str
    """path, of a ledger's segment path:line"""
    expected: str
    found: str
    untrusted: list[str]
    """the jobs whose results can't be trusted any more for it"""


@dataclass(frozen=True, kw_only=True)
class State:
    revision: str | None
    """None is the working tree"""
    history: History
    """of the receipts that are whole"""
    unread: dict[str, str]
    """{receipt's path: what is wrong with it}"""
    held: versioned.Held | None
    """None where there is no dvc.lock"""

    @classmethod
    def here(cls) -> "State":
        """Raises UserError where there are no receipts at all, and where dvc.lock is none."""
        paths = sorted(receipts.FOLDER.rglob("*.json"))
        if not paths:
            raise UserError(f"{receipts.FOLDER}: no receipts here, so there is nothing to audit: dvc pull brings results, snakemake "
                            "--cores all makes them; results from before receipts were kept can't be audited")
        history, unread = read({str(path): path for path in paths})
        lock = Path(versioned.LOCK)
        held = versioned.Held(lock.read_text(encoding="utf-8")) if lock.exists() and Path(".dvc").is_dir() else None
        return cls(revision=None, history=history, unread=unread, held=held)

    @classmethod
    def at(cls, revision: str) -> "State":
        """Raises UserError where git does not know the commit, or DVC's cache holds none of its receipts."""
        held = versioned.Held(versioned.at(revision, versioned.LOCK), f"{revision}:{versioned.LOCK}")
        places = {path: held.place(path) for path in held.md5 if path.startswith(f"{receipts.FOLDER}/") and held.place(path).is_file()}
        if not places:
            raise UserError(f"{revision}: DVC's cache holds none of its receipts: dvc fetch --all-commits brings them; results from before "
                            "receipts were kept can't be audited")
        history, unread = read(places)
        return cls(revision=revision, history=history, unread=unread, held=held)

    def place(self, path: str) -> Path:
        """Where the content of a file of this state should lie."""
        return Path(path) if self.revision is None else self.held.place(path)

    def results(self, pattern: str) -> list[str]:
        """Those whose paths match."""
        return [path for path in self.history.maker if Path(path).match(pattern)]

    def read(self, path: str, digests: Digests):
        """A result's JSON, if it is what its receipt says; None where it is missing or was edited, which is a break of its own."""
        place = self.place(path)
        return files.read_json(place) if digests.sha256(place) == self.history.maker[path].outputs[path] else None

    def after(self, *paths: str) -> list[str]:
        """The jobs that hold something of these files."""
        return sorted(job.name for job in self.history.after(paths))

    def with_after(self, paths: Iterable[str]) -> list[str]:
        """The jobs that made these files, and those that hold something of them."""
        makers = [self.history.maker[path] for path in paths if path in self.history.maker]
        return sorted({job.name for job in makers} | set(self.after(*(path for job in makers for path in job.outputs))))
