"""Which requests are in which batch: tables of the account's database, so that a run that was killed between submission and
result is taken up again.

A submission is the requests of one batch. Whoever forms it and sends it off holds a lock, which the kernel frees when he dies; then it has
a batch, and anyone may ask for its results.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from closedbook.llm.account import opened, transaction


class State(NamedTuple):
    file: str | None
    """the provider's name of the file with the requests; None before it was sent"""
    batch: str | None
    """the provider's name of the batch; None before it was begun, as far as is known"""


class Submissions:
    """`folder`: the ledger's."""

    def __init__(self, folder: Path):
        self._database, self._locks = opened(folder), folder / "batches"
        self._held: dict[str, object] = {}

    def close(self) -> None:
        for submission in list(self._held):
            self._free(submission)
        self._database.close()

    def begin(self) -> str:
        submission = secrets.token_hex(16)
        self.take_over(submission)
        with transaction(self._database) as database:
            database.execute("DELETE FROM batches WHERE batch IS NOT NULL AND submission NOT IN (SELECT submission FROM pending)")
            database.execute("INSERT INTO batches VALUES (?, NULL, NULL)", (submission,))
        return submission

    def sweep(self) -> None:
        """Drop what runs that were killed had not sent."""
        for (submission,) in self._database.execute("SELECT submission FROM batches WHERE file IS NULL AND batch IS NULL").fetchall():
            if self.take_over(submission):
                state = self._state(submission)  # it may have been sent meanwhile
                self.drop(submission) if state == State(None, None) else self._free(submission)

    def take_over(self, submission: str) -> bool:
        """Whether this process holds it now, because nobody who lives does."""
        if submission in self._held:
            return True
        self._locks.mkdir(parents=True, exist_ok=True)
        path = self._locks / submission
        while True:
            lock = open(path, "a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                return False
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                    self._held[submission] = lock
                    return True
            lock.close()  # whoever held it has removed it meanwhile, and the next one may make and hold another file

    def state(self, submission: str) -> State | None:
        """None where nothing of it is pending."""
        is_pending = self._database.execute("SELECT 1 FROM pending WHERE submission = ?", (submission,)).fetchone()
        return self._state(submission) if is_pending else None

    def _state(self, submission: str) -> State | None:
        found = self._database.execute("SELECT file, batch FROM batches WHERE submission = ?", (submission,)).fetchone()
        return found and State(*found)

    def has_file(self, submission: str, file: str) -> None:
        with transaction(self._database) as database:
            database.execute("UPDATE batches SET file = ? WHERE submission = ?", (file, submission))

    def has_batch(self, submission: str, batch: str) -> None:
        with transaction(self._database) as database:
            database.execute("UPDATE batches SET batch = ? WHERE submission = ?", (batch, submission))
        self._free(submission)

    def drop(self, submission: str) -> None:
        """Nothing of it was sent: its requests were none."""
        its = "SELECT request FROM pending WHERE submission = ?"
        sums = f"SELECT count(*), coalesce(sum(input_tokens + output_tokens), 0), total(usd) FROM requests WHERE id IN ({its})"
        with transaction(self._database) as database:
            sent = database.execute(sums, (submission,)).fetchone()
            database.execute("UPDATE total SET calls = calls - ?, tokens = tokens - ?, usd = usd - ?", sent)
            database.execute(f"DELETE FROM requests WHERE id IN ({its})", (submission,))
            for table in ("pending", "batches"):
                database.execute(f"DELETE FROM {table} WHERE submission = ?", (submission,))
        self._free(submission)

    def keys(self, submission: str) -> list[str]:
        """Of its requests that are pending."""
        return [key for (key,) in self._database.execute("SELECT key FROM pending WHERE submission = ?", (submission,))]

    def _free(self, submission: str) -> None:
        (self._locks / submission).unlink(missing_ok=True)
        if lock := self._held.pop(submission, None):
            lock.close()
