"""When to send no more requests: after trouble that stays, and after an interrupt; what is in flight then ends first and is kept."""

import asyncio
import signal
import threading
from contextlib import contextmanager
from functools import lru_cache

from closedbook.util import terminal
from closedbook.util.errors import UserError

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
