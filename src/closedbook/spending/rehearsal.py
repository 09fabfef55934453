"""A client that sends nothing: it finds what the ledger holds, and records what it would ask."""

from closedbook import llm
from closedbook.llm import ledger
from closedbook.llm.refusals import Refusals
from closedbook.llm.requests import Question, found
from closedbook.params import Llm
from closedbook.records import Document
from closedbook.spending import calls


class Unanswered(Exception):
    """The ledger holds no answer: a real client would ask."""


class Rehearsal(llm.Client):
    """`ask` and `converse` as the real ones, but for that; the segment is read without its lock, and nothing is written or counted."""

    def __init__(self, *, kept: "Kept", document: Document, llm: Llm, seed: int):
        self._llm, self._ledger, self._document, self._seed = llm, kept, document, seed
        self._refusals = Refusals(ledger.root(), llm)

    async def _line(self, question: Question, attempt: int) -> dict:
        if line := found(self._whole(question, attempt), self._refusals.known(), self._ledger.records.get):
            return line
        raise Unanswered


class Kept:
    """What the ledger holds of a step's questions about a document."""

    def __init__(self, step: str, document: str):
        path = ledger.root() / step / f"{document}.jsonl"
        lines = list(calls.lines(path)) if path.exists() else []
        self.records = {line["key"]: ledger.checked(line, path, number) for number, line in enumerate(lines, 1) if ledger.decided(line)}
        self.reopened = max((line["reopened"] for line in lines if "reopened" in line), default=0)
