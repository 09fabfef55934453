"""Asking through a provider's batch API: what jobs ask is noted, sent as files, and waited for; then the jobs are run again.

What is sent is reserved in the account, and pending there until its answer is on the ledger. So a run that is killed, at any moment, is
taken up by the next one: it waits for the batches that are there, and finds one whose begin was not recorded by its file.
"""

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from closedbook.llm import errors, ledger, library, shards
from closedbook.llm.account import Reached
from closedbook.llm.bulk import Bulk, Postponed, Reply, url
from closedbook.llm.errors import NOT_DONE
from closedbook.llm.pending import Submissions
from closedbook.params import LanguageModel, Limits
from closedbook.util import terminal
from closedbook.util.errors import UserError

PROVIDERS = ("openai", "azure", "vertex_ai")
LOOK = 20.0
"""seconds between looks at batches, which take minutes to a day"""
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
MUTE = {"litellm_metadata": {"batch_ignore_default_logging": True}}
"""else LiteLLM reads a batch's results to sum up what they cost"""


def until_answered(work: Callable[[], None], limits: Limits) -> None:
    """Run `work` again and again, what it asks going out as batches in between, until it is done.

    Raises UserError where a model has no batch API, the key has no right to it or is refused, a limit is reached with nothing under way,
    the server stays away, and where `work` does. What is in batches then is not lost: the next run waits for it.
    """
    batches = Batches(limits)
    try:
        while True:
            with batches.opened():
                try:
                    return work()
                except Postponed:
                    pass
            batches.round()
    finally:
        batches.close()


@dataclass
class _Model:
    llm: LanguageModel
    section: str

    @property
    def provider(self) -> str:
        return self.llm.model.partition("/")[0]


@dataclass
class _Forming:
    """A submission that is not sent yet."""

    model: _Model
    submission: str
    file: BinaryIO
    requests: int = 0
    size: int = 0


class Refused(UserError):
    """A provider has turned a call down before it did anything."""


class Gone(Refused):
    """A provider has no such file or batch, or no batches at all."""


class Batches(Bulk):
    sends = True

    def __init__(self, limits: Limits):
        self._limits = limits
        self._submissions = Submissions(ledger.root())
        self._submissions.sweep()
        self._forming: dict[str, _Forming] = {}
        """by section of params.yaml"""
        self._formed: list[_Forming] = []
        self._awaited: dict[str, _Model] = {}
        """by submission"""
        self._replies, self._missing = shards.Replies(), {}
        self._tries: Counter[str] = Counter()
        self._reached: Reached | None = None
        """why something could not be asked in this round"""
        self._made_room = False
        """whether answers have taken the place of what was reserved, maybe after something else was found to have no room"""
        self._said: dict[str, str] = {}

    def close(self) -> None:
        for forming in (*self._formed, *self._forming.values()):
            if (state := self._submissions.state(forming.submission)) is None or state.file is None:
                self._submissions.drop(forming.submission)
        self._submissions.close()

    def reply(self, key: str) -> Reply | None:
        return self._replies.get(key) or self._missing.get(key)

    def enter(self, sender, request: dict, question) -> int:
        """It is used once: what is asked again under this key is another request."""
        self._replies.places.pop(request["key"], None)
        self._missing.pop(request["key"], None)
        self._made_room = True
        return sender.budget.pending(request["key"]) or sender.budget.enter(question)

    def tries(self, key: str) -> int:
        return max(self._tries[key], 1)

    def note(self, sender, request: dict, question) -> None:
        """Raises UserError for a provider without batches."""
        key, line = request["key"], shards.line(request["key"], sender.llm.model, sender.body(request, question))
        forming = self._room(_Model(sender.llm, sender.section), len(line))
        found = sender.budget.reserve_in_batch(question, key, forming.submission)
        if isinstance(found, Reached):
            self._reached = found
        elif found.is_new:
            self._tries[key] += 1
            forming.file.write(line)
            forming.requests, forming.size = forming.requests + 1, forming.size + len(line)
        elif found.submission != forming.submission:
            self._awaited[found.submission] = forming.model

    def _room(self, model: _Model, size: int) -> _Forming:
        if model.provider not in PROVIDERS:
            raise UserError(f"limits.batch: {model.section}.model {model.llm.model}: no batches with this provider, only with "
                            f"{', '.join(PROVIDERS)}: set limits.batch: false, or ask elsewhere by closedbook asks export")
        forming = self._forming.get(model.section)
        if forming and (forming.requests == shards.MOST_REQUESTS or forming.size + size > shards.MOST_BYTES):
            self._formed.append(self._forming.pop(model.section))
            forming = None
        if forming is None:
            file = tempfile.TemporaryFile(dir=ledger.root())
            forming = self._forming[model.section] = _Forming(model, self._submissions.begin(), file)
        return forming

    def round(self) -> None:
        """Send what was noted, and wait until a batch has ended."""
        self._formed, self._forming = [*self._formed, *self._forming.values()], {}
        reached, made_room, self._reached, self._made_room = self._reached, self._made_room, None, False
        while self._formed:
            self._send(self._formed[0])
            del self._formed[0]
        if self._awaited:
            self._one_ended()
        elif reached and reached.for_good and not made_room:
            raise reached.error()
        elif reached and not made_room:
            time.sleep(LOOK)  # what is in flight in other jobs may make room

    def _send(self, forming: _Forming) -> None:
        if not forming.requests:
            return self._submissions.drop(forming.submission)
        model = forming.model

        def upload():
            forming.file.seek(0)
            content = (f"{forming.submission}.jsonl", forming.file.read())
            return library.litellm().create_file(file=content, purpose="batch", **self._where(model))

        file = self._tried(upload, model)
        self._submissions.has_file(forming.submission, file.id)
        self._awaited[forming.submission] = model
        self._begun(forming.submission, model, file.id, is_known=False)
        forming.file.close()

    def _begun(self, submission: str, model: _Model, file: str, is_known: bool) -> None:
        """Begin the batch of a file, unless there is one. `is_known`: somebody may have begun it already."""
        begun = 0

        def begin():
            nonlocal begun
            if (is_known or begun) and (found := self._batch_of(model, file)):
                return found  # of a try whose answer was lost
            begun += 1
            asked = {"completion_window": "24h", "endpoint": url(model.llm.model), "input_file_id": file}
            return library.litellm().create_batch(**asked, **self._where(model))

        try:
            self._submissions.has_batch(submission, self._tried(begin, model).id)
        except Refused:
            if begun == 1:  # and nobody has begun it before
                self._submissions.drop(submission)
            raise

    def _batch_of(self, model: _Model, file: str):
        after = None
        while True:
            page = library.litellm().list_batches(after=after, limit=100, **self._where(model))
            if found := next((batch for batch in page.data if batch.input_file_id == file), None):
                return found
            if not page.data or not getattr(page, "has_more", False):
                return None
            after = page.data[-1].id

    def _one_ended(self) -> None:
        while True:
            ended = [submission for submission, model in list(self._awaited.items()) if self._has_ended(submission, model)]
            for submission in ended:
                del self._awaited[submission]
            if ended:
                return
            time.sleep(LOOK)

    def _has_ended(self, submission: str, model: _Model) -> bool:
        """Whether nothing of a submission is to be waited for; its replies are at hand then."""
        if (state := self._submissions.state(submission)) is None:
            return True
        if state.batch is None:
            return self._taken_over(submission, model)
        try:
            batch = self._tried(lambda: library.litellm().retrieve_batch(batch_id=state.batch, **MUTE, **self._where(model)), model)
            self._say(batch)
            if batch.status in ENDED:
                self._take_in(submission, model, batch)
            return batch.status in ENDED
        except Gone as error:
            self._without_answer(submission, Reply(504, {"error": {"message": str(error)}}, {"batch": state.batch}))
            return True

    def _say(self, batch) -> None:
        """How far it is, when that has changed."""
        counts = batch.request_counts
        far = f", {counts.completed + counts.failed:,} of {counts.total:,} requests" if counts else ""
        if self._said.get(batch.id) != (said := f"batch {batch.id}: {batch.status}{far}"):
            self._said[batch.id] = said
            terminal.note(said)

    def _taken_over(self, submission: str, model: _Model) -> bool:
        """Go on with what a killed run had begun; whether it had sent nothing."""
        if not self._submissions.take_over(submission):
            return False  # its run lives
        if (state := self._submissions.state(submission)) and state.batch is None:
            if state.file is None:
                self._submissions.drop(submission)
                return True
            self._begun(submission, model, state.file, is_known=True)
        return False

    def _take_in(self, submission: str, model: _Model, batch) -> None:
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            content = self._tried(lambda: library.litellm().file_content(file_id=file, **self._where(model)), model)
            place = tempfile.TemporaryFile(dir=ledger.root())
            place.write(content.content)
            place.seek(0)
            for number, kind, problem in self._replies.add(file, place, {"batch": batch.id, "file": file}):
                terminal.note(f"batch {batch.id}, {file}:{number}: {kind}: {problem}")
        told = "; ".join(f"{one.code}: {one.message}" for one in (batch.errors.data or [] if batch.errors else []))
        error = f"batch {batch.id}: {batch.status}{f' ({told})' if told else ''}"
        tries = self._without_answer(submission, Reply(None, {"error": error}, {"batch": batch.id}))
        if batch.status == "failed":
            time.sleep(errors.wait(errors.of_kind(NOT_DONE, told), tries))

    def _without_answer(self, submission: str, why: Reply) -> int:
        """Say of each request of a submission that has no reply why that is; how often one of them was asked."""
        without = [key for key in self._submissions.keys(submission) if key not in self._replies.places]
        self._missing |= dict.fromkeys(without, why)
        return max(map(self.tries, without), default=1)

    def _tried(self, ask: Callable, model: _Model):
        """What a call to the provider's API of batches gives, tried again as a request is. Raises UserError where that makes no sense."""
        deadline = time.monotonic() + self._limits.deadline
        for tries in itertools.count(1):
            try:
                return ask()
            except Exception as error:
                trouble = errors.sorted_out(error, frozenset(), None)
            wait = errors.wait(trouble, tries)
            if trouble.what_next != errors.RETRY or tries > self._limits.retries or time.monotonic() + wait > deadline:
                raise _stopping(trouble, model, tries)
            time.sleep(wait)

    def _where(self, model: _Model) -> dict:
        return {"custom_llm_provider": model.provider, **library.connection(model.llm, self._limits)}


def _stopping(trouble: errors.Trouble, model: _Model, tries: int) -> UserError:
    place = model.llm.api_base or "its provider"
    kind = Gone if trouble.kind == "unknown_model" else Refused if trouble.kind in errors.REFUSED else UserError
    key = library.key_name(model.llm)
    why = {"key_refused": f"{key} is refused, or has no right to the files and batches of {place}: give it that right there",
           "unknown_model": f"{place} has no files and batches of OpenAI's kind, or this one no more"}.get(trouble.kind)  # fmt: skip
    if why:
        return kind(f"limits.batch: {model.section}.model {model.llm.model}: {why}, or set limits.batch: false ({trouble.words})")
    return kind(str(errors.stopping(trouble, model.llm, tries, model.section)))
