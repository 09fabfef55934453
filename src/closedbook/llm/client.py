"""The client: asks a model about one document, each thing once, its answer in the ledger before it is used."""

import asyncio
import os
from collections.abc import Callable, Iterator

from closedbook.llm import answers, library, prompts, requests
from closedbook.llm.errors import SETTING_REFUSED, TOO_LONG
from closedbook.llm.ledger import ANSWERED, QUARANTINED, Ledger
from closedbook.llm.refusals import Refusals
from closedbook.llm.requests import Call, Question, asked, call_of
from closedbook.llm.sending import Sender
from closedbook.params import OWN_MODELS, LanguageModel, Limits
from closedbook.records import Document
from closedbook.util import terminal
from closedbook.util.errors import UserError

NO_CALLS = "CLOSEDBOOK_NO_CALLS"
"""the environment variable that, when set, stops a step which would ask a provider; the miniature's scripted generator is code of ours"""


class NotAnswered(Exception):
    """The model gave no usable answer in the attempts allowed; holds the reasons, one an attempt."""

    def __init__(self, reasons: list[str]):
        super().__init__("; ".join(reasons))


class Client:
    """Asks a model about one document.

    A missing or refused key, an unknown model, an exhausted quota, a server that stays away, a limit that is reached and dollars
    limited without a price raise UserError; requests that are in flight then are waited for and kept.
    """

    SENDER = Sender

    def __init__(self, *, llm: LanguageModel, limits: Limits, ledger: Ledger, document: Document, seed: int, section: str = "llm"):
        """`section` of params.yaml names the model: errors say so."""
        self._llm, self._ledger, self._document, self._seed, self._section = llm, ledger, document, seed, section
        self._sender = self.SENDER(llm=llm, limits=limits, ledger=ledger, document=document, section=section)
        self._refusals = Refusals(ledger.folder, llm)
        self._asking: dict[str, asyncio.Task] = {}

    async def ask(self, prompt: str, *, attempts: int, check: Callable[[str], object], sample: int = 0, schema=None, **fields):
        """(check's result, Call) for the first good answer to a prompt about the document.

        `check` takes the answer's text and raises Invalid where it does not hold what was asked for; `schema` is a pydantic class
        for providers that know structured output. Each attempt is a request of its own, so a bad answer is never asked for twice.
        """
        messages = prompts.messages(prompt, self._document, **fields)
        return await self.converse(prompt, messages, attempts=attempts, check=check, sample=sample, schema=schema)

    async def converse(self, name: str, messages: list[dict], *, attempts: int, check: Callable[[str], object], sample: int = 0,
                       schema=None) -> tuple[object, Call]:
        """The same for messages of one's own, under the name by which the ledger is to know their prompt."""
        sent = tuple(part for message in messages for part in self._parts(message["content"]))
        not_to_repeat = tuple(part for part in sent if name not in prompts.QUOTING or part != self._document.text)
        question = Question(name=name, messages=messages, sent=sent, sample=sample, schema=schema, check=check, not_to_repeat=not_to_repeat)
        reasons = []
        for attempt_numbers in _rounds(attempts, self._ledger.reopened):
            for attempt in attempt_numbers:
                line = await self._line(question, attempt)
                result, reason = answers.judged(line, check, not_to_repeat)
                if reason is None:
                    return result, call_of(line)
                reasons.append(reason)
                if line["error.type"] == TOO_LONG:
                    break
        raise NotAnswered(reasons)

    def _parts(self, content: str) -> list[str]:
        if not self._document.text or self._document.text not in content:
            return [content]
        return [self._document.text, content.replace(self._document.text, " ")]

    async def _line(self, question: Question, attempt: int) -> dict:
        whole = self._whole(question, attempt)
        line = requests.found(whole, self._refusals.known(), self._kept)
        return self._served(line) if line else await self._answered(whole, question)

    def _whole(self, question: Question, attempt: int) -> dict:
        """The request with all its settings, whether its server takes them or not."""
        return asked(self._llm, self._seed, question.name, question.messages, sample=question.sample, attempt=attempt,
                     schema=question.schema)

    def _kept(self, key: str) -> dict | None:
        """The ledger's line of a request, once it is on disk."""
        return None if key in self._asking else self._ledger.find(key)

    def _served(self, line: dict) -> dict:
        if line["outcome"] == ANSWERED:
            self._sender.budget.serve()
        return line

    async def _answered(self, whole: dict, question: Question) -> dict:
        """The line of the answer to a request: a setting that the server refuses is left out, then the next one. That it was to blame shows
        when there is an answer without it, and then it is remembered."""
        refused = self._refusals.known() | library.lacks(self._llm.model)
        while (line := await self._once(requests.without(whole, refused), question))["error.type"] in SETTING_REFUSED:
            refused |= {SETTING_REFUSED[line["error.type"]]}
            if self._sender.bulk:
                self._learn(refused)  # the answer comes in another run, which begins with what is known
        if line["outcome"] in (ANSWERED, QUARANTINED):
            self._learn(refused)
        return line

    def _learn(self, refused: frozenset[str]) -> None:
        if refused - self._refusals.known():
            for said in self._refusals.learn(refused):
                terminal.note(said)

    async def _once(self, request: dict, question: Question) -> dict:
        """The ledger's line; a request that is on its way already is waited for, not sent twice."""
        key = request["key"]
        if key not in self._asking:
            if known := self._ledger.find(key):
                return self._served(known)
            self._may_ask(question, request)
            self._asking[key] = asyncio.create_task(self._sender.send(request, question))
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key))
        return await asyncio.shield(self._asking[key])

    def _may_ask(self, question: Question, request: dict) -> None:
        """Raises UserError where no request may be sent or no key is there, and NotAnswered for a question that the model can't read."""
        if self._sender.bulk is None or self._sender.bulk.sends:
            self._may_send(question, request)
        if reason := self._sender.too_long(question):
            raise NotAnswered([reason])

    def _may_send(self, question: Question, request: dict) -> None:
        if os.environ.get(NO_CALLS) and self._llm.model not in OWN_MODELS:
            settings = request["request"]
            raise UserError(f"document {self._document.id}: the ledger has no answer to the prompt {question.name} (sample "
                            f"{settings['sample']}, attempt {settings['attempt']}, key {request['key'][:12]}), and {NO_CALLS} forbids to "
                            f"ask {self._llm.model}")
        library.check_key(self._llm, self._section)


def _rounds(attempts: int, reopened: int) -> Iterator[range]:
    """The numbers of the attempts that are allowed at one question: a round at first, and one for each time that it was reopened."""
    yield from (range(first, first + attempts) for first in range(0, attempts * (1 + reopened), attempts))
