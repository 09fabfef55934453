"""Sends one request: its cost is reserved, it is tried again while the trouble is the server's, and each try is a line of the ledger."""

import asyncio
import os
import time
from collections.abc import Awaitable
from importlib import import_module
from itertools import count

from closedbook.llm import answers, errors, flight, library, prices, requests
from closedbook.llm.budget import Budget
from closedbook.llm.flight import Slots
from closedbook.llm.ledger import ANSWERED, FAILED, GIVEN_UP, QUARANTINED, RETRIED, STOPPED, UNDECIDED, Ledger
from closedbook.llm.requests import Question
from closedbook.params import OWN_MODELS, LanguageModel, Limits
from closedbook.records import Document

NO_ANSWER = {"gen_ai.response.id": None, "gen_ai.response.model": None, "gen_ai.response.finish_reasons": [],
             "gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None, "cost_usd": None}  # fmt: skip


class Sender:
    """Sends the requests about one document."""

    def __init__(self, *, llm: LanguageModel, limits: Limits, ledger: Ledger, document: Document, section: str):
        self._llm, self._limits, self._ledger, self._document, self._section = llm, limits, ledger, document, section
        self._slots = Slots(ledger.folder, limits.concurrency)
        self.budget = Budget(llm, limits, ledger)

    async def send(self, request: dict, question: Question) -> dict:
        """The ledger's line of the answer, or of why there is none (a setting that is refused, among others); it is on disk.

        Raises UserError where asking on makes no sense, and CancelledError where that was so for another request before this one left.
        """
        stop = flight.of_this_loop()
        async with self._slots.one(stop) as slot:
            with stop.in_flight():
                return await self._tried(request, question, stop, slot)

    async def _tried(self, request: dict, question: Question, stop: flight.Stop, slot: int) -> dict:
        deadline = time.monotonic() + self._limits.deadline
        for tries in count(1):
            came_to_wait = time.monotonic()
            reserved = await self.budget.reserve(question, stop, slot)
            deadline += time.monotonic() - came_to_wait  # the server is not to blame for waits for room under a limit
            started = time.time()
            came, trouble = await self._try(request["request"], question, deadline - time.monotonic())
            wait = self._wait(trouble, tries, deadline)
            line = {**request, "try": tries, "time": round(started, 3), "seconds": round(time.time() - started, 3), **came,
                    **self._outcome(came, question, trouble, wait), "counted": self.budget.counted(came, reserved)}  # fmt: skip
            self._ledger.append(line, self._document.text)
            self.budget.settle(reserved, line)
            await self._ledger.on_disk()  # before anybody uses it
            if line["outcome"] not in UNDECIDED or trouble.what_next == errors.OTHERWISE:
                return line
            if wait is None:
                raise errors.stopping(trouble, self._llm, tries, self._section)
            await stop.pause(wait)

    async def _try(self, settings: dict, question: Question, seconds: float) -> tuple[dict, errors.Trouble | None]:
        """(what came back in the ledger's terms, what was wrong with it)."""
        heard = []
        try:
            response = await asyncio.wait_for(self._asking(settings, question, heard), min(seconds, self._limits.timeout))
            came = self._read(response)
        except Exception as error:
            trouble = self._blamed(errors.sorted_out(error, requests.sent(settings), heard[-1] if heard else None), question)
            return {**NO_ANSWER, "prices": None, "error.type": trouble.kind, "error": trouble.words}, trouble
        cost = self.budget.cost(came, response)
        return {**came, "cost_usd": cost, "prices": self.budget.prices.version, "error.type": None, "error": None}, None

    def _blamed(self, trouble: errors.Trouble, question: Question) -> errors.Trouble:
        """A context that is too short for the question, or for the answer that it leaves room for: then no other question fits either.

        That is counted, however the server words it; its words decide where they don't tell the length of the context.
        """
        if trouble.kind != errors.TOO_LONG:
            return trouble
        if context := errors.context(trouble.words):
            asked = sum(prices.tokens(self._llm.model, text) for text in question.sent)
            bound = asked <= context / 2 <= self._llm.max_tokens
        else:
            bound = errors.BOUND.search(trouble.words)
        return errors.of_kind(errors.MAX_TOKENS, trouble.words) if bound else trouble

    def _asking(self, settings: dict, question: Question, heard: list[str]) -> Awaitable:
        """LiteLLM's call, or an answer of a model that is code of ours. `heard` is given the body of a response, if it is JSON, before LiteLLM reads it."""
        if self._llm.model in OWN_MODELS:
            return import_module(OWN_MODELS[self._llm.model]).complete(question.messages, settings["gen_ai.request.seed"])

        def listen(details: dict) -> None:
            if details.get("original_response"):
                heard.append(str(details["original_response"]))

        options = self._options(settings, question.schema)
        return library.litellm().acompletion(model=self._llm.model, messages=question.messages, logger_fn=listen, **options)

    def _read(self, response) -> dict:
        """A response in the ledger's terms."""
        return answers.read(response)

    def _options(self, settings: dict, schema) -> dict:
        """As the ledger's line says."""
        options = {
            settings.get("max_tokens_as", "max_tokens"): settings["gen_ai.request.max_tokens"],
            "api_base": settings["api_base"],
            "max_retries": 0,  # the only number that means one try
            "timeout": self._limits.timeout,  # of each read; always the same, for LiteLLM keeps a connection pool for each
        }
        for name in ("temperature", "seed"):
            if (value := settings[f"gen_ai.request.{name}"]) is not None:
                options[name] = value
        if settings["schema"]:
            options["response_format"] = schema
        if settings["api_base"] and self._llm.model.startswith("openai/") and not os.environ.get("OPENAI_API_KEY"):
            options["api_key"] = "none"  # servers of one's own ask for no key; the client library insists on one
        return options

    def _wait(self, trouble: errors.Trouble | None, tries: int, deadline: float) -> float | None:
        """Seconds until the next try; None where there is none."""
        if trouble is None or trouble.what_next != errors.RETRY or (tries > self._limits.retries and trouble.kind != errors.LOADS):
            return None
        wait = errors.wait(trouble, tries)
        return wait if time.monotonic() + wait < deadline else None

    def _outcome(self, came: dict, question: Question, trouble: errors.Trouble | None, wait: float | None) -> dict:
        if trouble is None:
            reason = answers.judged({**came, "outcome": ANSWERED}, question.check, question.not_to_repeat)[1]
            return {"outcome": QUARANTINED if reason else ANSWERED, "reason": reason}
        if trouble.what_next == errors.GIVE_UP:
            too_long = self.too_long(question, sure=trouble.words) if trouble.kind == errors.TOO_LONG else None
            return {"outcome": GIVEN_UP, "reason": too_long or f"the provider refuses: {trouble.kind}"}
        if trouble.what_next == errors.OTHERWISE:
            return {"outcome": RETRIED, "reason": None}
        return {"outcome": STOPPED if trouble.what_next == errors.STOP else FAILED if wait is None else RETRIED, "reason": None}

    def too_long(self, question: Question, sure: str | None = None) -> str | None:
        """Why a model can't read a question: LiteLLM knows the length of its context, or the provider said so (`sure`, its words)."""
        context = (library.known(self._llm.model) or {}).get("max_input_tokens")
        if sure is None and (context is None or sum(prices.tokens(self._llm.model, text) for text in question.sent) <= context):
            return None
        context, more = errors.context(sure or "") or context, ""
        if errors.BOUND.search(sure or ""):
            more = f", and {errors.bound(self._section)} asks for {self._llm.max_tokens:,} more"
        return (f"the document has {prices.tokens(self._llm.model, self._document.text):,} tokens{more}, too many for the context of "
                f"{self._llm.model}{f' ({context:,})' if context else ''}: name a larger model in {self._section}.model"
                f"{', or set llm.sections' if self._section == 'llm' else ''}")
