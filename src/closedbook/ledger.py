"""The ledger: an append-only record, on this machine, of every call to a language model and its response.

One segment (JSON lines) a document and step. A job holds its segment's lock as long as it works, so that two jobs that want the
same document written ask each thing once between them. The text of a document, long and in every request, is stored once by hash.
"""

import errno
import fcntl
import json
import os
from pathlib import Path

from closedbook import files
from closedbook.errors import UserError


def root() -> Path:
    """Where the ledger lives: beside the repository's own files, and shared by DVC's temporary experiments (DVC_ROOT)."""
    return Path(os.environ.get("DVC_ROOT", ".")) / "ledger"


class Ledger:
    """One segment, locked; use it as a context manager.

    Raises UserError where a line that is not the last one can't be read: somebody changed the file.
    """

    def __init__(self, step: str, document: str, folder: Path | None = None):
        self.folder = folder or root()
        self.path = self.folder / step / f"{document}.jsonl"
        self._records: dict[str, dict] = {}
        self.reopened = 0
        """how often this segment's failed requests were allowed a new round of attempts"""

    def __enter__(self) -> "Ledger":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a+b", buffering=0)  # unbuffered: a failed write is not tried again at the end
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._cut_torn_tail()
        self._read()
        return self

    def __exit__(self, *_) -> None:
        self._file.close()  # gives the lock back

    def find(self, key: str) -> dict | None:
        return self._records.get(key)

    def append(self, record: dict, text: str | None = None) -> None:
        """Write a record with its `key` for good before anyone uses it; `text` in its messages is stored apart."""
        if text:
            record = {**record, "messages": [{**m, "content": self._store(m["content"], text)} for m in record["messages"]]}
        self._write(record)
        self._records[record["key"]] = record

    def reopen(self) -> None:
        """Allow another round of attempts to what failed here."""
        self._write({"reopened": self.reopened + 1})
        self.reopened += 1

    def _write(self, record: dict) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            line = json.dumps(record, ensure_ascii=False).encode("utf-8") + b"\n"
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise UserError(f"{self.path}: cannot be written ({error.strerror}), so nothing more is asked: make room, then run again") from error

    def _store(self, content: str, text: str) -> str:
        digest = files.sha256_text(text)
        place = self.folder / "texts" / f"{digest}.txt"
        if text in content and not place.exists():
            files.write_text(place, text)
        return content.replace(text, f"[text {digest}]")

    def _cut_torn_tail(self) -> None:
        """A crash in the middle of a write leaves a last line without its end: that record never counted."""
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        whole = self._file.read().rfind(b"\n") + 1
        if whole < size:
            self._file.truncate(whole)

    def _read(self) -> None:
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise UserError(f"{self.path}:{number}: not a ledger record ({error}): restore the file from a backup, "
                                "or delete this line and pay for its call again") from None
            if "reopened" in record:
                self.reopened = record["reopened"]
            else:
                self._records[record["key"]] = record
