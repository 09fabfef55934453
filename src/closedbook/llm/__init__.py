"""Questions to a language model through LiteLLM: each asked once, its answer in the ledger before it is used."""

import asyncio
from collections.abc import Awaitable, Callable

from closedbook.llm.answers import Invalid as Invalid
from closedbook.llm.answers import from_json as from_json
from closedbook.llm.bulk import Postponed as Postponed
from closedbook.llm.client import NO_CALLS as NO_CALLS
from closedbook.llm.client import Client as Client
from closedbook.llm.client import NotAnswered as NotAnswered
from closedbook.llm.gathering import gather as gather
from closedbook.llm.gathering import side_by_side as side_by_side
from closedbook.llm.ledger import Ledger
from closedbook.llm.library import check_key as check_key
from closedbook.llm.requests import Call as Call
from closedbook.llm.requests import asked as asked

AT_ONCE = 64
"""segments open at a time: each holds a few files open, of which a process may have about a thousand"""


def in_segments(step: str, documents: list[str], work: Callable[[Ledger, str], Awaitable]) -> list:
    """What `work` gives for each document, many of them at once and in order.

    It is called with the document's own segment of the ledger, and its id.
    """

    async def one(document: str):
        with Ledger(step, document) as ledger:
            return await work(ledger, document)

    return asyncio.run(side_by_side([one(document) for document in documents], AT_ONCE, step))
