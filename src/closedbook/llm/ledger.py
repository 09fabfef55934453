"""The ledger: an append-only record, on this machine, of every call to a language model and its response.

Every try at a request is a line, those that failed too. One segment (JSON lines) per document and step. A job holds its segment's
lock as long as it works, so that two jobs that want the same document written ask each thing once between them. The text of a document,
long and in every request, is stored once by hash.

Each line holds a chain: a hash over the chain of the line before and over the record, its texts replaced by their hashes. So a changed
byte and a missing line show, and a record whose texts were struck out (`redact`) still chains.
"""

import errno
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.util.together import Together

WRITTEN = json.JSONEncoder(ensure_ascii=False)
TEXTS = ("messages", "text", "refusal", "error")
"""the fields of a record that hold what somebody wrote"""
API_MODELS = "reader-"
"""what the steps of API models begin with, in earlier versions too: so their answers are found"""
VERDICTS = "verdicts-"
"""what the steps begin with in which the summaries of one model are judged"""
ANSWERED, QUARANTINED, GIVEN_UP, RETRIED, FAILED, STOPPED = "answered", "quarantined", "given up", "retried", "failed", "stopped"
"""outcomes of a try: a good answer; one of no use; no answer however often this is asked; none, and tried again; none, and not tried
again; none, and nothing more was asked"""
UNDECIDED = frozenset({RETRIED, FAILED, STOPPED})
"""outcomes of requests that may yet be answered"""
START = "0" * 64
"""what the first line of a segment follows"""
STORED = re.compile(rb"\[text ([0-9a-f]{64})\]")
"""what stands in a message for a document's text"""


def root() -> Path:
    """Where the ledger lives: beside the repository's own files, and shared by DVC's temporary experiments (DVC_ROOT)."""
    return Path(os.environ.get("DVC_ROOT", ".")) / "ledger"


class Ledger:
    """One segment, locked; use it as a context manager.

    Raises UserError where a line that is not the last one can't be read or an answer is not what its hash says: somebody changed the file.
    """

    def __init__(self, step: str, document: str, folder: Path | None = None):
        self.folder = folder or root()
        self.step, self.document = step, document
        self.path = self.folder / step / f"{document}.jsonl"
        self._records: dict[str, dict] = {}
        self._chain = START
        self.reopened = 0
        """how often this segment's failed requests were allowed a new round of attempts"""
        self.closing = ExitStack()
        """what ends with the work on this segment"""
        self._on_disk = Together(self._sync)

    def __enter__(self) -> "Ledger":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as on_error:
            self._file = on_error.enter_context(_locked(self.path))
            self._cut_torn_tail()
            self._read()
            on_error.pop_all()
        return self

    def __exit__(self, *_) -> None:
        with self._file, self.closing:  # the file last: that gives the lock back
            self._sync()

    def find(self, key: str) -> dict | None:
        return self._records.get(key)

    def answers_to(self, prompt: str) -> list[dict]:
        return [record for record in self._records.values() if record["prompt"] == prompt]

    def append(self, record: dict, text: str | None = None) -> None:
        """Write a record with its `key`; `text` in its messages is stored apart. `on_disk` comes before any use of it."""
        if text:
            record = {**record, "messages": [{**m, "content": self._store(m["content"], text)} for m in record["messages"]]}
        self._write(record)
        if decided(record):
            self._records[record["key"]] = record

    async def on_disk(self) -> None:
        """Wait until all that is written by now is on disk: one flush for all records that came together."""
        await self._on_disk()

    def reopen(self) -> None:
        """Allow another round of attempts to what failed here."""
        self._write({"reopened": self.reopened + 1})
        self.reopened += 1

    def strike(self, told: Callable[[bytes], bool]) -> bool:
        """Write the segment anew without the texts of the lines that `told` picks; returns whether it had any."""
        before = self.path.read_bytes()
        after = b"".join(_line(struck(json.loads(line))) if told(line) else line + b"\n" for line in before.splitlines())
        if after != before:
            with files.whole_file(self.path, "wb") as handle:
                handle.write(after)
        return after != before

    def _write(self, record: dict) -> None:
        end = self._file.seek(0, os.SEEK_END)
        chain = chained(self._chain, record)
        try:
            line = _line({**record, "chain": chain})
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.truncate(end)
            raise self._full(error) from error
        self._chain = chain

    def _sync(self, waiting: list = ()) -> list:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._full(error) from error
        return waiting

    def _full(self, error: OSError) -> UserError:
        return UserError(f"{self.path}: cannot be written ({error.strerror}), so nothing more is asked: make room, then run again")

    def _store(self, content: str, text: str) -> str:
        if text not in content:
            return content
        digest = _digest(text)
        place = self.folder / "texts" / f"{digest}.txt"
        if not place.exists():
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
            self._chain = record.get("chain", START)
            if "reopened" in record:
                self.reopened = record["reopened"]
            elif decided(record):
                self._records[record["key"]] = checked(record, self.path, number)


def _locked(path: Path) -> BinaryIO:
    """The file, opened to append and locked; once more if it was written anew while the lock was waited for."""
    while True:
        file = open(path, "a+b", buffering=0)  # unbuffered: a failed write is not tried again at the end
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
            return file
        file.close()


def _line(record: dict) -> bytes:
    return WRITTEN.encode(record).encode("utf-8") + b"\n"


def chained(before: str, record: dict) -> str:
    """The chain of a record, with its texts or without, that follows the chain `before`."""
    return files.sha256_text(WRITTEN.encode([before, [field for field in _without_texts(record) if field[0] != "chain"]]))


def struck(record: dict) -> dict:
    """A record without its texts: what the chain goes over, and what redaction leaves.

    "text" becomes "text_sha256", which is the response_sha256 of a passage's call; "messages" and "refusal" likewise.
    """
    return dict(_without_texts(record))


def _without_texts(record: dict) -> list[tuple]:
    """Fields in their order; as a list, so that a text put in beside the hash of a struck one counts too."""
    return [(f"{name}_sha256", _sha256(value)) if name in TEXTS else (name, value) for name, value in record.items()]


@lru_cache(maxsize=16)
def _digest(text: str) -> str:
    """Of a document hashed once, however often it is asked about."""
    return files.sha256_text(text)


def _sha256(value) -> str:
    return files.sha256_text(value if isinstance(value, str) else WRITTEN.encode(value))


def decided(record: dict) -> bool:
    """Whether a line says what came of a request: not of a try that failed, and not where its texts were struck out, for then it is
    asked again if its document comes back."""
    return "messages" in record and record.get("outcome") not in UNDECIDED


def checked(record: dict, path: Path, number: int) -> dict:
    """A record whose answer is the one that was written down. Raises UserError for another one: a disk or a hand has changed it."""
    if "response_sha256" in record and _sha256(record["text"]) != record["response_sha256"]:
        raise UserError(f"{path}:{number}: the text of this answer is not the one that came: its SHA-256 is not the line's response_sha256: "
                        "restore the file from a backup, or delete this line and pay for its call again")
    return record


def answered(record: dict) -> str:
    """SHA-256 of the answer, as a passage's call names it, whether its text was struck out or not."""
    return record.get("text_sha256") or _sha256(record.get("text"))


def came_from(step: str, document: str, key: str) -> dict | None:
    """In which file or batch the answer of a call came; None where it came by itself, and where the ledger is not here."""
    path = root() / step / f"{document}.jsonl"
    found = [line for line in path.read_bytes().splitlines() if f'"key": "{key}"'.encode() in line] if path.exists() else []
    return json.loads(found[-1]).get("came_from") if found else None


def chain(line: bytes) -> str | None:
    """The chain that a line ends with; None where it holds none or can't be read."""
    try:
        return json.loads(line)["chain"]
    except (ValueError, KeyError, TypeError):
        return None


def verified(path: Path) -> Iterator[tuple[int, dict, str | None]]:
    """(line number, record, what is wrong with it or None) of each line of a segment; the record of a line that can't be read is empty."""
    before = {START}  # the chain before, as it stands there and as it should
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            yield number, {}, f"not a record of a call ({error})"
            before = set()
            continue
        if not isinstance(record, dict) or "chain" not in record:
            yield number, {}, "holds no chain: written before lines were chained, or put in by hand"
            before = {START}
            continue
        follows = {chained(chain, record) for chain in before}
        if line != _line(record):
            problem = "not in the form in which lines are written: it was edited, or a crash cut it off"
        elif before and record["chain"] not in follows:
            problem = "does not follow from the line before: one of the two was changed, or a line between them is gone"
        else:
            problem = None
        yield number, record, problem
        before = {record["chain"]} | follows


def redact(document: str, folder: Path | None = None, tells: Callable[[bytes], bool] = lambda line: False) -> list[Path]:
    """Strike the texts of all calls about a document: messages, answers, and its own text unless another document's calls name it too.
    So are those lines of other documents' calls that `tells` picks, as a question that was asked beside chunks of the document.

    Hashes stay, so that what is left still chains. Such a call counts as never made. Returns the files changed and removed.
    """
    folder = folder or root()
    segments = sorted(folder.glob("*/*.jsonl"))
    its = [path for path in segments if path.stem == document]
    others = [path for path in segments if path not in its and any(map(tells, path.read_bytes().splitlines()))]
    with ExitStack() as locks:
        held = [locks.enter_context(Ledger(path.parent.name, path.stem, folder)) for path in its + others]
        kept = set().union(*(stored_texts(path) for path in segments if path not in its))
        texts = {folder / "texts" / f"{sha256}.txt" for path in its for sha256 in stored_texts(path) - kept}
        removed = sorted(path for path in texts if path.exists())
        for path in removed:  # first: after a crash the segments still tell which texts must go
            path.unlink()
        return removed + [one.path for one in held if one.strike(tells if one.path in others else lambda line: True)]


def stored_texts(path: Path) -> set[str]:
    """The SHA-256 of each stored text that a segment's lines name."""
    return {sha256.decode() for sha256 in STORED.findall(path.read_bytes())}
