"""Requests that are not sent one by one: each is noted, to be answered with many others, or has its reply at hand.

Whoever opens a `Bulk` decides what becomes of the requests that jobs then make: written to files, answered from files, or put into a
provider's batches. The jobs are those of every run, so their requests, keys and checks are too.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import NamedTuple

from closedbook.llm import library
from closedbook.llm.errors import NOT_DONE, Trouble, of_kind, scrubbed_text

_HERE: ContextVar["Bulk | None"] = ContextVar("bulk", default=None)


class Postponed(Exception):
    """A request is noted, and its answer comes later; what asked for it is run again then."""


class Reply(NamedTuple):
    """What an engine made of a request."""

    status: int | None
    """HTTP's; None where the engine did not come to it"""
    body: dict
    """a chat completion, or an error"""
    came_from: dict
    """for the ledger: in which file or batch it came, and in which line"""

    def not_done(self) -> Trouble | None:
        """Why there is neither an answer nor a refusal."""
        return of_kind(NOT_DONE, scrubbed_text(str(self.body.get("error")))) if self.status is None else None

    async def response(self):
        """As LiteLLM reads it: a response, or the error that it makes of one."""
        if self.status == 200:
            from litellm.utils import convert_to_model_response_object

            with suppress(Exception):  # what is wrong with it is said below
                whole = library.litellm().ModelResponse()
                return convert_to_model_response_object(response_object=self.body, model_response_object=whole)
        return await self._through_the_library()

    async def _through_the_library(self):
        """A hundred times slower than to read it alone, and errors are told apart as those of a server are."""
        import httpx
        from openai import AsyncOpenAI

        transport = httpx.MockTransport(lambda _: httpx.Response(self.status, json=self.body))
        async with httpx.AsyncClient(transport=transport) as replays:
            client = AsyncOpenAI(api_key="none", base_url="http://bulk", http_client=replays, max_retries=0)
            asked = {"model": "openai/bulk", "messages": [{"role": "user", "content": ""}]}
            return await library.litellm().acompletion(**asked, client=client, max_retries=0)


class Bulk:
    sends = False
    """whether what is noted goes out from here and is paid from here"""

    def reply(self, key: str) -> Reply | None:
        """What is at hand for a request. It may be asked for again, where the same is asked in several places."""
        return None

    def note(self, sender, request: dict, question) -> None:
        """Keep a request without an answer; `sender` knows how it is sent and what it can cost."""

    def failed(self, key: str, trouble: Trouble) -> None:
        """A reply was no answer."""

    def enter(self, sender, request: dict, question) -> int:
        """The number under which the account has a request that has a reply."""
        return sender.budget.enter(question)

    def tries(self, key: str) -> int:
        """How often it was asked, this reply's time included."""
        return 1

    @contextmanager
    def opened(self) -> Iterator["Bulk"]:
        token = _HERE.set(self)
        try:
            yield self
        finally:
            _HERE.reset(token)


def url(model: str) -> str:
    """What a provider calls the way on which a model is asked in words."""
    return "/chat/completions" if model.startswith("azure/") else "/v1/chat/completions"


def here() -> Bulk | None:
    """The one that is open; None where requests are sent one by one."""
    return _HERE.get()
