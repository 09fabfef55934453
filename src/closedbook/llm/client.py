"""The client: asks a model about one document, each thing once, its answer in the ledger before it is used."""

import asyncio
import os
import re
import time
from collections.abc import Callable

from closedbook import prompts
from closedbook.errors import UserError
from closedbook.ledger import Ledger
from closedbook.llm import library
from closedbook.llm.answers import Invalid, given_up, read, usable
from closedbook.llm.errors import scrubbed
from closedbook.llm.errors import wait as wait_for
from closedbook.llm.requests import NO_CALLS, asked, call_of
from closedbook.params import Limits, Llm
from closedbook.records import Document


class NotAnswered(Exception):
    """The model gave no usable answer in the attempts allowed; holds the reasons, one an attempt."""

    def __init__(self, reasons: list[str]):
        super().__init__("; ".join(reasons))


class Client:
    """Asks a model about one document.

    A missing or refused key, an unknown model, an exhausted quota and a server that stays away raise UserError; requests that are
    in flight then are waited for and kept.
    """

    def __init__(self, *, llm: Llm, limits: Limits, ledger: Ledger, document: Document, seed: int):
        self._llm, self._limits, self._ledger, self._document, self._seed = llm, limits, ledger, document, seed
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._stopped = False

    async def ask(self, prompt: str, *, attempts: int, check: Callable[[str], object], sample: int = 0, schema=None, **fields):
        """(check's result, Call) for the first good answer to a prompt about the document.

        `check` takes the answer's text and raises Invalid where it does not hold what was asked for; `schema` is a pydantic class
        for providers that know structured output. Each attempt is a request of its own, so a bad answer is never asked for twice.
        """
        messages = prompts.messages(prompt, self._document, **fields)
        return await self.converse(prompt, messages, attempts=attempts, check=check, sample=sample, schema=schema)

    async def converse(self, name: str, messages: list[dict], *, attempts: int, check: Callable[[str], object], sample: int = 0, schema=None):
        """The same for messages of one's own, under the name that the ledger is to know their prompt by."""
        reasons = []
        for attempt in range(attempts * (1 + self._ledger.reopened)):
            record = await self._record(name, messages, sample, attempt, schema)
            try:
                return check(usable(record)), call_of(record)
            except Invalid as problem:
                reasons.append(str(problem))
        raise NotAnswered(reasons)

    async def _record(self, prompt, messages, sample, attempt, schema) -> dict:
        record = await self._known_or_asked(prompt, messages, sample, attempt, schema)
        if record["finish_reason"] == "schema_refused":
            record = await self._known_or_asked(prompt, messages, sample, attempt, None)
        return record

    async def _known_or_asked(self, prompt, messages, sample, attempt, schema) -> dict:
        request = asked(self._llm, self._seed, prompt, messages, sample=sample, attempt=attempt, schema=schema)
        return await self._once(request, lambda: self._send(messages, request["settings"], schema))

    async def _once(self, request: dict, send: Callable) -> dict:
        """The ledger's record of a request; if it has none, of what `send` brings for it."""
        known = self._ledger.find(request["key"])
        if known:
            return known
        if os.environ.get(NO_CALLS) and not self._llm.model.startswith("miniature/"):
            raise UserError(f"document {self._document.id}: the ledger has no answer to the prompt {request['prompt']} (sample {request['sample']}, "
                            f"attempt {request['attempt']}, key {request['key'][:12]}), and {NO_CALLS} forbids to ask {self._llm.model}")
        async with self._slots:
            if self._stopped:
                raise asyncio.CancelledError
            try:
                record = {**request, **await send()}
                self._ledger.append(record, self._document.text)
            except BaseException:
                self._stopped = True  # whatever it is: ask no more until somebody has looked at it
                raise
        return record

    async def _send(self, messages, settings, schema) -> dict:
        """The response to one request for an answer in words."""
        litellm = library.litellm()
        options = self._options(litellm, settings, schema)
        return await self._tried(lambda: litellm.acompletion(model=self._llm.model, messages=messages, **options), read, schema)

    async def _tried(self, call: Callable, read: Callable, schema=None) -> dict:
        """What `read` makes of the response to `call`, which is tried again while the trouble is the server's."""
        library.check_key(self._llm)
        litellm = library.litellm()
        started = time.time()
        for tried in range(self._limits.retries + 1):
            try:
                response = await asyncio.wait_for(call(), timeout=self._limits.timeout)
                return {**read(response), "cost_usd": self._cost(response), "time": round(started, 3), "seconds": round(time.time() - started, 3)}
            except Exception as error:  # sorted into retry, give up on this request, and stop
                wait = self._sort(litellm, error, tried, schema)
                if isinstance(wait, dict):
                    return {**wait, "time": round(started, 3), "seconds": round(time.time() - started, 3)}
            await asyncio.sleep(wait)

    def _options(self, litellm, settings, schema) -> dict:
        options = {"temperature": settings["temperature"], "max_tokens": settings["max_tokens"], "max_retries": 0,
                   "api_base": settings["api_base"], "timeout": self._limits.timeout}
        known = litellm.get_supported_openai_params(model=self._llm.model) or []
        if "seed" in known:
            options["seed"] = settings["seed"]
        if schema and "response_format" in known:
            options["response_format"] = schema
        if settings["api_base"] and self._llm.model.startswith("openai/") and not os.environ.get("OPENAI_API_KEY"):
            options["api_key"] = "none"  # servers of one's own ask for no key; the client library insists on one
        return options

    def _cost(self, response) -> float | None:
        """Dollars: by the prices in the parameters, else by LiteLLM's; None where neither knows."""
        prices = (self._limits.input_usd_per_million, self._limits.output_usd_per_million)
        if self._llm.model.startswith("miniature/"):
            return 0.0
        if None in prices or not response.usage:
            return response._hidden_params.get("response_cost")
        return (prices[0] * response.usage.prompt_tokens + prices[1] * response.usage.completion_tokens) / 1e6

    def _sort(self, litellm, error, tried, schema) -> float | dict:
        """Seconds to wait before the next try, or the record of a request that is given up; raises UserError to stop the run."""
        if isinstance(error, litellm.ContextWindowExceededError):
            raise UserError(f"document {self._document.id}: longer than the context of llm.model {self._llm.model}: "
                            f"name a model with a larger context ({scrubbed(error)})") from None
        if isinstance(error, litellm.ContentPolicyViolationError):
            return given_up("content_filter")
        if isinstance(error, (litellm.AuthenticationError, litellm.PermissionDeniedError)):
            raise UserError(f"llm.model {self._llm.model}: the key was refused: check {self._key_name(litellm)} ({scrubbed(error)})") from None
        if isinstance(error, litellm.NotFoundError):
            raise UserError(f"llm.model {self._llm.model}: no such model there: check llm.model and llm.api_base ({scrubbed(error)})") from None
        if re.search(r"insufficient_quota|exceeded your current quota|credit balance|billing", str(error)):
            raise UserError(f"llm.model {self._llm.model}: the quota of {self._key_name(litellm)} is used up ({scrubbed(error)})") from None
        if isinstance(error, litellm.BadRequestError) and schema and re.search(r"response_format|schema", str(error)):
            return given_up("schema_refused")
        if isinstance(error, (litellm.BadRequestError, litellm.UnprocessableEntityError)):
            raise UserError(f"llm.model {self._llm.model}: the provider refuses the request: check the llm settings ({scrubbed(error)})") from None
        if not isinstance(error, (litellm.APIError, litellm.APIConnectionError, litellm.Timeout, litellm.RateLimitError,
                                  litellm.InternalServerError, litellm.ServiceUnavailableError, TimeoutError, IndexError)):
            raise error
        paid_for_nothing = isinstance(error, (litellm.Timeout, TimeoutError)) and tried  # a provider may bill what came too late
        if tried == self._limits.retries or paid_for_nothing:
            place = self._llm.api_base or "its provider"
            raise UserError(f"llm.model {self._llm.model}: no answer from {place} after {tried + 1} tries: check llm.api_base and the "
                            f"network, or raise limits.retries; what was answered is kept ({scrubbed(error)})") from None
        return wait_for(error, tried)

    def _key_name(self, litellm) -> str:
        missing = litellm.validate_environment(self._llm.model)["missing_keys"]
        return missing[0] if missing else f"{self._llm.model.split('/')[0].upper()}_API_KEY"
