"""The budget of requests: the most that one can cost is reserved, what it did cost replaces that, and both are in the account database."""

import time
from functools import cached_property
from typing import NamedTuple

from closedbook.llm import errors, prices
from closedbook.llm.account import Account, Amount, InBatch, NotYet, Reached
from closedbook.llm.answers import CACHED
from closedbook.llm.bulk import Bulk
from closedbook.llm.flight import Stop
from closedbook.llm.ledger import Ledger
from closedbook.llm.requests import Question
from closedbook.params import OWN_MODELS, LanguageModel, Limits
from closedbook.util import files, terminal
from closedbook.util.errors import UserError

LOOK = 0.05
"""seconds between looks whether answers to others have made room"""


class Reserved(NamedTuple):
    request: int
    """its number in the account"""
    most: Amount


class Budget:
    """Of the requests about one document at one step. A model that is code of ours costs nothing and is not counted."""

    def __init__(self, llm: LanguageModel, limits: Limits, ledger: Ledger, bulk: Bulk | None = None):
        self._llm, self._limits, self._bulk = llm, limits, bulk
        self._free = llm.model in OWN_MODELS
        self._account = None if self._free else Account(ledger.folder, step=ledger.step, document=ledger.document, model=llm.model)
        if self._account:
            ledger.closing.callback(self._account.close)
        self._said = False

    @cached_property
    def prices(self) -> prices.Prices:
        """Looked up when something is to be asked: LiteLLM takes seconds to load, and an answer from the ledger does not need it."""
        if self._free:
            return prices.FREE
        paid = self._bulk and not self._bulk.sends  # then it is not for the limits to refuse, whatever the price
        limits = self._limits.model_copy(update={"max_usd": None}) if paid else self._limits
        return prices.of(self._llm, limits, in_batch=self._bulk is not None)

    def serve(self) -> None:
        """Count an answer that came from the ledger."""
        if self._account:
            self._account.serve()

    async def reserve(self, question: Question, stop: Stop, slot: int) -> Reserved | None:
        """Wait until the most that a request can cost fits the limits: answers to other requests, of any job, make room, because they
        cost less than was reserved. Then wait for its turn, where so many may leave in a minute. The request holds the slot.

        Raises LimitReached where it can never fit, UserError where dollars are limited and no price is known, and CancelledError where
        no more requests are to leave.
        """
        if self._free:
            return None
        most, since = self.most(question), time.monotonic()
        stop.check()
        while not isinstance(request := self._account.reserve(slot, most, self._limits), int):
            if isinstance(request, NotYet):
                await stop.pause(request.seconds)
                continue
            if request.for_good:
                raise request.error()
            self._say_once(request, since)
            await stop.pause(LOOK)
        return Reserved(request, most)

    def _say_once(self, reached: Reached, since: float) -> None:
        """That a request waits for room."""
        if not self._said and time.monotonic() - since > errors.WORTH_A_LINE:
            self._said = True
            terminal.note(f"limits.{reached.limit}: {reached.spent:,.6g} of {reached.allowed:,} are spent or reserved: waiting for the answers that "
                  "are in flight, which may make room")

    def settle(self, reserved: Reserved | None, line: dict) -> None:
        if reserved:
            counted = Amount(**line["counted"])
            self._account.settle(reserved.request, line["outcome"], counted)
            if not self._bulk:
                self._account.give_back(reserved.most.tokens - counted.tokens, self._limits)

    def hold(self, seconds: float) -> None:
        """A server asks to wait: where requests are counted by the minute, nobody's leaves before that."""
        if self._account and seconds and (self._limits.requests_per_minute or self._limits.tokens_per_minute):
            self._account.hold(seconds)

    def enter(self, question: Question) -> int:
        """The number of a request that was answered elsewhere: it is spent, whatever the limits say."""
        return self._account.enter(self.most(question))

    def pending(self, key: str) -> int | None:
        """The number of a request that is in a batch."""
        return self._account.pending(key)

    def check_not_pending(self, key: str) -> None:
        """Raises UserError for a request that is in a batch: it would be paid twice."""
        if self._account and self.pending(key) is not None:
            raise UserError(f"limits.batch: the request {key[:12]} is in a batch since an earlier run: set limits.batch: true until it is "
                            "answered")

    def reserve_in_batch(self, question: Question, key: str, submission: str) -> InBatch | Reached:
        return self._account.reserve_in_batch(key, submission, self.most(question), self._limits)

    def most(self, question: Question) -> Amount:
        """At the price of input that is in no cache, or is put into one where that costs more: what it has is not known."""
        schema = files.canonical(question.schema.model_json_schema()) if question.schema else ""
        counted = sum(prices.tokens(self._llm.model, text) for text in (*question.sent, schema))
        tokens = int(counted * prices.MARGIN) + prices.FRAME
        return Amount(tokens, self._llm.max_tokens, self.prices.most(tokens, self._llm.max_tokens, question.searches))

    def cost(self, came: dict, response) -> float | None:
        """Dollars for an answer; None where the server did not count its tokens or no price is known."""
        if came["gen_ai.usage.input_tokens"] is None:
            return None
        by_prices = self.prices.per_million or self._bulk
        paid = None if by_prices else response._hidden_params.get("response_cost")  # LiteLLM knows discounts too
        if paid is not None:
            return paid
        return self.prices.usd(came["gen_ai.usage.input_tokens"], came["gen_ai.usage.output_tokens"], cached=came.get(CACHED) or 0)

    @staticmethod
    def counted(came: dict, reserved: Reserved | None) -> dict | None:
        """What counts: without an answer, or where its tokens were not counted, as much as was reserved."""
        if reserved is None:
            return None
        if came["error.type"] in errors.REFUSED:
            return Amount(0, 0, reserved.most.usd and 0.0)._asdict()
        if came["gen_ai.usage.input_tokens"] is None:
            return reserved.most._asdict()
        return Amount(came["gen_ai.usage.input_tokens"], came["gen_ai.usage.output_tokens"], came["cost_usd"], came.get(CACHED) or 0)._asdict()
