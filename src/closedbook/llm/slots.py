"""How many requests are in flight at once: one number for all jobs that share a ledger."""

import asyncio
import fcntl
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from closedbook.llm.stopping import Stop

POLL = 0.005
"""seconds between looks for a free slot: a hundredth of the fastest answer that is worth waiting for"""


class Slots:
    """`number` slots; each is a byte of a file, locked while a request is in flight, and freed by the kernel after a crash."""

    def __init__(self, folder: Path, number: int):
        self._file, self._number = file(folder), number
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def one(self, stop: Stop):
        """Wait for a slot, hold it and give its number; raises CancelledError as soon as no more is to be asked."""
        async with self._turn:
            stop.check()
            while (slot := self._file.take(self._number)) is None:
                await asyncio.sleep(POLL)
                stop.check()
        try:
            yield slot
        finally:
            self._file.give_back(slot)


class _File:
    """Locks of a process on bytes of a file. The kernel knows processes, not tasks, so which bytes are held is kept here; and closing
    the file anywhere in the process would free them all, so it is opened once."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = open(path, "ab")
        self._held: set[int] = set()

    def take(self, number: int) -> int | None:
        for slot in range(number):
            if slot not in self._held and self._lock(slot):
                self._held.add(slot)
                return slot
        return None

    def give_back(self, slot: int) -> None:
        self._unlock(slot)
        self._held.remove(slot)

    def is_held(self, slot: int) -> bool:
        """Whether a request of a process that lives has this slot."""
        if slot in self._held:
            return True
        if is_free := self._lock(slot):
            self._unlock(slot)
        return not is_free

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except (BlockingIOError, PermissionError):  # another process has it; which of the two is said differs by system
            return False
        return True

    def _unlock(self, slot: int) -> None:
        fcntl.lockf(self._handle, fcntl.LOCK_UN, 1, slot)


def file(folder: Path) -> _File:
    return _opened(folder.resolve())


@cache
def _opened(folder: Path) -> _File:
    return _File(folder / "slots")
