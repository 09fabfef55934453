"""The work on many documents at once, each with its own segment of the ledger."""

import asyncio
from collections.abc import Awaitable, Callable

from closedbook.llm.gathering import side_by_side
from closedbook.llm.ledger import Ledger

AT_ONCE = 64
"""segments open at a time: each holds a few files open, of which a process may have about a thousand"""


def in_segments(step: str, documents: list[str], work: Callable[[Ledger, str], Awaitable]) -> list:
    """What `work` gives for each document, in order; it is called with the document's segment of the ledger and its id."""

    async def one(document: str):
        with Ledger(step, document) as ledger:
            return await work(ledger, document)

    return asyncio.run(side_by_side([one(document) for document in documents], AT_ONCE, step))
