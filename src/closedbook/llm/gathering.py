"""Many questions at once, and many documents."""

import asyncio
from collections.abc import Coroutine

from closedbook.llm import bulk
from closedbook.llm.client import NotAnswered
from closedbook.util import terminal
from closedbook.util.errors import UserError

SECONDS_BETWEEN_LINES = 30
AT_ONCE = 16
"""how many are begun before the first of them go out: to begin one takes about a millisecond"""


async def gather(tasks: list[Coroutine], label: str | None = None) -> list:
    """All results in order; with a label, a line of progress to stderr every half minute.

    Where one stops the run, the others that are in flight end first, so that no paid answer is lost.
    """
    started = []
    for task in tasks:
        started.append(asyncio.ensure_future(task))
        if len(started) % AT_ONCE == 0:
            await asyncio.sleep(0)
    open_ones = started
    while open_ones:
        _, open_ones = await asyncio.wait(open_ones, timeout=SECONDS_BETWEEN_LINES)
        if label and open_ones:
            terminal.note(f"{label}: {len(started) - len(open_ones):,} of {len(started):,}")
    results = await asyncio.gather(*started, return_exceptions=True)
    for kind in (UserError, Exception, asyncio.CancelledError):
        for result in results:
            if isinstance(result, kind) and not isinstance(result, NotAnswered):
                raise result
    return results


async def side_by_side(works: list[Coroutine], number: int, label: str) -> list:
    """The same for the work on many documents, of which `number` are under way at a time; in bulk one, for then nothing is waited for, and
    what is asked about a document stands together."""
    places = asyncio.Semaphore(1 if bulk.here() else number)

    async def one(work: Coroutine):
        async with places:
            return await work

    return await gather([one(work) for work in works], f"{label}, documents")
