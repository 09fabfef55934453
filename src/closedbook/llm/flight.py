"""When a request leaves: so many are in flight at once, one number for all jobs that share a ledger; and after trouble that stays, or an
interrupt, no more is sent, while what is in flight ends first and is kept.
"""

import asyncio
import fcntl
import signal
import threading
from contextlib import asynccontextmanager, contextmanager
from functools import cache, lru_cache
from heapq import heappop, heappush
from itertools import count
from pathlib import Path

from closedbook.util import terminal
from closedbook.util.errors import UserError

POLL = 0.005
"""seconds between looks for a free slot: a hundredth of the fastest answer that is worth waiting for"""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class LimitReached(UserError):
    """A request does not fit under a limit. It is the one trouble that does not stop the others: a smaller one may fit."""


def of_this_loop() -> "Stop":
    """The one for all that is asked in the running loop, of however many documents: a signal has one handler, and trouble that stays is
    everybody's."""
    return _of(asyncio.get_running_loop())


@lru_cache(maxsize=1)
def _of(loop: asyncio.AbstractEventLoop) -> "Stop":
    return Stop()


class Stop:
    """Counts the requests in flight. While there are some, SIGINT and SIGTERM only stop the asking; the signal does what it would have
    done when the last answer is kept. The same signal once more does it at once."""

    def __init__(self):
        self.turns = Turns()
        self._stopped = asyncio.Event()
        self._in_flight = 0
        self._before: dict[int, object] = {}
        self._came: int | None = None

    def is_set(self) -> bool:
        return self._stopped.is_set()

    def check(self) -> None:
        """Raises CancelledError where no more is to be asked."""
        if self.is_set():
            raise asyncio.CancelledError

    async def pause(self, seconds: float) -> None:
        """Wait; raises CancelledError as soon as no more is to be asked."""
        waiting = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([waiting], timeout=seconds)
        waiting.cancel()
        self.check()

    @contextmanager
    def in_flight(self):
        if not self._in_flight:
            self._listen()
        self._in_flight += 1
        try:
            yield
        except LimitReached:
            raise  # what is smaller may still fit
        except BaseException:
            self._stopped.set()  # whatever it is: send no more until the user has looked at it
            raise
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._listen_no_more()

    def _listen(self) -> None:
        if threading.current_thread() is threading.main_thread():  # only there can signals be handled
            for number in SIGNALS:
                self._before[number] = signal.getsignal(number)
                asyncio.get_running_loop().add_signal_handler(number, self._interrupted, number)

    def _interrupted(self, number: int) -> None:
        terminal.note(f"waiting for {self._in_flight} answers that are in flight; interrupt once more to lose them")
        self._came = number
        self._stopped.set()
        self._restore(number)

    def _listen_no_more(self) -> None:
        for number in list(self._before):
            self._restore(number)
        if self._came is not None:
            asyncio.get_running_loop().call_soon(signal.raise_signal, self._came)

    def _restore(self, number: int) -> None:
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, self._before.pop(number))


class Turns:
    """A lock for which those of the lowest rank go first, and of one rank who came first."""

    def __init__(self):
        self._waiting: list[tuple[int, int, asyncio.Future]] = []
        self._is_held, self._came = False, count()

    @asynccontextmanager
    async def one(self, rank: int):
        if self._is_held:
            turn = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (rank, next(self._came), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():  # it was given, and is not taken
                    self._pass_on()
                raise
        self._is_held = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            turn = heappop(self._waiting)[-1]
            if not turn.done():
                turn.set_result(None)
                return
        self._is_held = False


class Slots:
    """`number` slots; each is a byte of a file, locked while a request is in flight, and freed by the kernel after a crash.

    Requests about one document come here. They go before those about a document that was begun later: what they have in common is read once
    where a server remembers it for a while.
    """

    _begun = count()

    def __init__(self, folder: Path, number: int):
        self._file, self._number = slot_file(folder), number
        self._rank = next(self._begun)

    @asynccontextmanager
    async def one(self, stop: Stop):
        """Wait for a slot, hold it and give its number; raises CancelledError as soon as no more is to be asked."""
        async with stop.turns.one(self._rank):
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


def slot_file(folder: Path) -> _File:
    return _opened(folder.resolve())


@cache
def _opened(folder: Path) -> _File:
    return _File(folder / "slots")
