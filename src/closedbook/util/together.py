"""Work that many tasks wait for, done for all of them at once in a thread."""

import asyncio
from collections.abc import Callable


class Together:
    """Calls `work` with the items of all tasks that came while it was at work before; it gives a result for each, in their order.

    What `work` raises, all tasks of that round raise.
    """

    def __init__(self, work: Callable[[list], list]):
        self._work = work
        self._waiting: list[tuple[object, asyncio.Future]] = []
        self._serving: asyncio.Task | None = None

    async def __call__(self, item=None):
        result = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await result

    async def _serve(self) -> None:
        while self._waiting:
            round_, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self._work, [item for item, _ in round_])
            except Exception as error:  # handed to each who waits
                for _, result in round_:
                    if not result.done():
                        result.set_exception(error)
                continue
            for (_, result), found in zip(round_, results, strict=True):
                if not result.done():  # who waited may have been cancelled
                    result.set_result(found)
