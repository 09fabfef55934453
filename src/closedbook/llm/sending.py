"""Sends one request: its cost is reserved, it is tried again while the trouble is the server's, and each try is a line of the ledger.

Where a `Bulk` is open, nothing is sent: a reply that is at hand becomes such a line, and other requests are noted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from itertools import count

from closedbook.llm import answers, bulk, errors, flight, library, prices, requests
from closedbook.llm.budget import Budget, Reserved
from closedbook.llm.flight import Slots
from closedbook.llm.ledger import ANSWERED, FAILED, GIVEN_UP, QUARANTINED, RETRIED, STOPPED, UNDECIDED, Ledger
from closedbook.llm.requests import Question
from closedbook.params import OWN_MODELS, LanguageModel, Limits
from closedbook.records import Document

NO_ANSWER = {"gen_ai.response.id": None, "gen_ai.response.model": None, "gen_ai.response.finish_reasons": [],
             "gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None, "cost_usd": None}  # fmt: skip


class Sender:
    """Sends the requests about one document."""

    GOES_IN_BULK = True
    """where a Bulk is open"""

    def __init__(self, *, llm: LanguageModel, limits: Limits, ledger: Ledger, document: Document, section: str):
        self.llm, self.limits, self.section = llm, limits, section
        self._ledger, self._document = ledger, document
        self._slots = Slots(ledger.folder, limits.concurrency)
        self.bulk = bulk.here() if self.GOES_IN_BULK and llm.model not in OWN_MODELS else None
        self.budget = Budget(llm, limits, ledger, self.bulk)

    async def send(self, request: dict, question: Question) -> dict:
        """The ledger's line of the answer, or of why there is none (a setting that is refused, among others); it is on disk.

        Raises UserError where asking on makes no sense, or a batch has the request; CancelledError where that was so for another request
        before this one left; and Postponed where its answer comes in bulk.
        """
        if self.bulk:
            return await self._in_bulk(request, question)
        self.budget.check_not_pending(request["key"])
        stop = flight.of_this_loop()
        async with self._slots.one(stop) as slot:
            with stop.in_flight():
                return await self._tried(request, question, stop, slot)

    async def _tried(self, request: dict, question: Question, stop: flight.Stop, slot: int) -> dict:
        deadline = time.monotonic() + self.limits.deadline
        for tries in count(1):
            came_to_wait = time.monotonic()
            reserved = await self.budget.reserve(question, stop, slot)
            deadline += time.monotonic() - came_to_wait  # the server is not to blame for waits for room under a limit
            started = time.time()
            came, trouble = await self._try(request["request"], question, partial(self._asking, request["request"], question),
                                            deadline - time.monotonic())
            wait = self._wait(trouble, tries, deadline)
            line = {**request, "try": tries, "time": round(started, 3), "seconds": round(time.time() - started, 3), **came,
                    **self._outcome(came, question, trouble, wait), "counted": self.budget.counted(came, reserved)}  # fmt: skip
            await self._kept(line, reserved)
            self.budget.hold(trouble.retry_after if trouble else 0.0)
            if line["outcome"] not in UNDECIDED or trouble.what_next == errors.OTHERWISE:
                return line
            if wait is None:
                raise errors.stopping(trouble, self.llm, tries, self.section)
            await stop.pause(wait)

    async def _in_bulk(self, request: dict, question: Question) -> dict:
        """The line of a reply that is at hand; what decides nothing is a line only if it was sent from here."""
        reply = self.bulk.reply(request["key"])
        if reply is None:
            self.bulk.note(self, request, question)
            raise bulk.Postponed
        tries = self.bulk.tries(request["key"])
        came, trouble = await self._try(request["request"], question, lambda heard: reply.response(), self.limits.timeout, reply.not_done())
        is_tried_again = trouble is not None and trouble.what_next == errors.RETRY and tries <= self.limits.retries
        line = {**request, "try": tries, "time": round(time.time(), 3), "seconds": None, "came_from": reply.came_from, **came,
                **self._outcome(came, question, trouble, 0.0 if is_tried_again else None)}  # fmt: skip
        if line["outcome"] not in UNDECIDED or self.bulk.sends:
            reserved = Reserved(self.bulk.enter(self, request, question), self.budget.most(question))
            await self._kept({**line, "counted": self.budget.counted(came, reserved)}, reserved)
        if line["outcome"] not in UNDECIDED:
            return line
        self.bulk.failed(request["key"], trouble)
        if trouble.what_next == errors.OTHERWISE:
            return line
        if self.bulk.sends and not is_tried_again:
            raise errors.stopping(trouble, self.llm, tries, self.section)
        self.bulk.note(self, request, question)
        raise bulk.Postponed

    async def _kept(self, line: dict, reserved: Reserved | None) -> None:
        self._ledger.append(line, self._document.text)
        self.budget.settle(reserved, line)
        await self._ledger.on_disk()  # before anybody uses it

    async def _try(self, settings: dict, question: Question, asking: Callable[[list], Awaitable], seconds: float,
                   trouble: errors.Trouble | None = None) -> tuple[dict, errors.Trouble | None]:
        """(what came back in the ledger's terms, what was wrong with it). `trouble`: what is known to be wrong before that."""
        heard, came = [], None
        try:
            if trouble is None:
                response = await asyncio.wait_for(asking(heard), min(seconds, self.limits.timeout))
                came = self._read(response)
        except Exception as error:
            trouble = self._blamed(errors.sorted_out(error, requests.sent(settings), heard[-1] if heard else None), question)
        if trouble:
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
            asked = sum(prices.tokens(self.llm.model, text) for text in question.sent)
            bound = asked <= context / 2 <= self.llm.max_tokens
        else:
            bound = errors.BOUND.search(trouble.words)
        return errors.of_kind(errors.MAX_TOKENS, trouble.words) if bound else trouble

    def _asking(self, settings: dict, question: Question, heard: list[str]) -> Awaitable:
        """LiteLLM's call, or an answer of a model that is code of ours. `heard` is given the body of a response, if it is JSON, before LiteLLM reads it."""
        if self.llm.model in OWN_MODELS:
            return import_module(OWN_MODELS[self.llm.model]).complete(question.messages, settings["gen_ai.request.seed"])

        def listen(details: dict) -> None:
            if details.get("original_response"):
                heard.append(str(details["original_response"]))

        options = {**self._options(settings, question.schema), **library.connection(self.llm, self.limits)}
        return library.litellm().acompletion(model=self.llm.model, messages=question.messages, logger_fn=listen, **options)

    def body(self, request: dict, question: Question) -> dict:
        """What of a request an OpenAI-compatible server is sent."""
        from litellm.llms.base_llm.base_utils import type_to_response_format_param

        options = self._options(request["request"], type_to_response_format_param(question.schema))
        return {"model": self.llm.model.partition("/")[2], "messages": question.messages, **options}

    def _read(self, response) -> dict:
        """A response in the ledger's terms."""
        return answers.read(response)

    def _options(self, settings: dict, schema) -> dict:
        """As the ledger's line says."""
        options = {settings.get("max_tokens_as", "max_tokens"): settings["gen_ai.request.max_tokens"]}
        for name in ("temperature", "seed"):
            if (value := settings[f"gen_ai.request.{name}"]) is not None:
                options[name] = value
        if settings["schema"]:
            options["response_format"] = schema
        return options

    def _wait(self, trouble: errors.Trouble | None, tries: int, deadline: float) -> float | None:
        """Seconds until the next try; None where there is none."""
        if trouble is None or trouble.what_next != errors.RETRY or (tries > self.limits.retries and trouble.kind != errors.LOADS):
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
        context = (library.known(self.llm.model) or {}).get("max_input_tokens")
        if sure is None and (context is None or sum(prices.tokens(self.llm.model, text) for text in question.sent) <= context):
            return None
        context, more = errors.context(sure or "") or context, ""
        if errors.BOUND.search(sure or ""):
            more = f", and {errors.bound(self.section)} asks for {self.llm.max_tokens:,} more"
        return (f"the document has {prices.tokens(self.llm.model, self._document.text):,} tokens{more}, too many for the context of "
                f"{self.llm.model}{f' ({context:,})' if context else ''}: name a larger model in {self.section}.model"
                f"{', or set llm.sections' if self.section == 'llm' else ''}")
