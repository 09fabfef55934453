"""What each job of a plan would ask of the language model, found without asking: by its strategy, its entity list and the ledger."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from closedbook import layout, llm
from closedbook.generation import sections
from closedbook.generation.strategies import STRATEGIES, Wanted, is_of_pairs
from closedbook.llm import ledger
from closedbook.llm.refusals import Refusals
from closedbook.llm.requests import Question, found
from closedbook.params import Llm, Params
from closedbook.records import Document, EntityList, Pair, Pairs
from closedbook.sources import Article
from closedbook.spending import calls
from closedbook.stages import entities, passages
from closedbook.stages.documents import document_of
from closedbook.workflow import recipes, upkeep
from closedbook.workflow.plan import Plan
from closedbook.workflow.receipts import FOLDER

AT_HAND = ("document", "summary")
"""kinds of passages that need no call"""


PAIRED = FOLDER / "pairs" / "pairs.json"
"""the receipt of all pairs"""


class Unanswered(Exception):
    """The ledger holds no answer: a real client would ask."""


class Kept:
    """What the ledger holds of a step's questions about a document."""

    def __init__(self, step: str, document: str):
        path = ledger.root() / step / f"{document}.jsonl"
        lines = list(calls.lines(path)) if path.exists() else []
        self.records = {line["key"]: ledger.checked(line, path, number) for number, line in enumerate(lines, 1) if ledger.decided(line)}
        self.reopened = max((line["reopened"] for line in lines if "reopened" in line), default=0)


class Rehearsal(llm.Client):
    """`ask` and `converse` as the real ones, but for that; the segment is read without its lock, and nothing is written or counted."""

    def __init__(self, *, kept: Kept, document: Document, llm: Llm, seed: int):
        self._llm, self._ledger, self._document, self._seed = llm, kept, document, seed
        self._refusals = Refusals(ledger.root(), llm)

    async def _line(self, question: Question, attempt: int) -> dict:
        if line := found(self._whole(question, attempt), self._refusals.known(), self._ledger.records.get):
            return line
        raise Unanswered


@dataclass(kw_only=True)
class Job:
    """What is asked of one document in one step: its entity list, or its passages under a strategy."""

    step: str
    document: Document
    is_made: bool
    """its result is there and fresh: nothing is asked, whatever the ledger holds"""
    is_bound: bool = False
    """what is asked depends on answers that are not there yet; this is the most it can be"""
    known: Counter = field(default_factory=Counter)
    """by prompt: questions of which the ledger, or the result, holds the answer"""
    open: Counter = field(default_factory=Counter)
    """by prompt: questions to ask"""
    written: Counter = field(default_factory=Counter)
    """by prompt: passages that the answers are; not those that decide what to ask next"""
    at_hand: Counter = field(default_factory=Counter)
    """by kind: passages that need no call"""
    given: float = 0.0
    """how long passages are that exist already, in lengths of the document"""

    def count(self, asked: Iterable[Wanted], answer: Callable[[Wanted], str | None]) -> None:
        """`answer` gives what is known to have been answered, None where all attempts failed; it raises Unanswered."""
        following = []
        for wanted in dict.fromkeys(asked):
            if wanted.kind in AT_HAND or wanted.text:
                self.at_hand[wanted.kind] += 1
                self.given += len(wanted.text or "") / len(self.document.text)
                continue
            self.written[wanted.kind] += wanted.then is None
            try:
                text = answer(wanted)
            except Unanswered:
                self.open[wanted.kind] += 1
                self.is_bound |= wanted.then is not None
                self.count(wanted.at_most, _unanswered)
            else:
                self.known[wanted.kind] += 1
                following += wanted.following(text) if wanted.then and text else []
        if following:
            self.count(following, answer)


def jobs(planned: Plan) -> list[Job]:
    """Every job of the plan that may ask."""
    stale = {receipt for stage in ("documents", "entities", "pairs", "passages") for receipt, why in upkeep.check(planned, stage).items() if why}
    if any(receipt.is_relative_to(FOLDER / stage) for receipt in stale for stage in ("documents", "entities")):
        stale.add(PAIRED)  # what pairs there are then is not known
    tasks = [(planned.written[layout.source(name)], planned.params, _steps_to_make(planned, name, stale)) for name in planned.documents]
    return [job for found in calls.over(_of_document, tasks) for job in found]


def _steps_to_make(planned: Plan, document: str, stale: set[Path]) -> set[str]:
    """The steps whose results for a document are not there, not fresh, or made from something that is not."""
    strategies, source = recipes.strategies(planned.params), layout.source(document)
    folders = {name: FOLDER / name for name in ("documents", "entities")} | {name: FOLDER / "passages" / name for name in strategies}
    its = {step for step, folder in folders.items() if folder / f"{document}.json" in stale}
    if "documents" in its or source.read_text(encoding="utf-8") != planned.written[source]:
        return {*folders, "pairs"}
    if PAIRED in stale and (paired := {*filter(is_of_pairs, strategies)}):
        its |= {"pairs", *paired}
    return its | {name for name in strategies if "entities" in its and STRATEGIES[name].NEEDS_ENTITIES}


def _of_document(task: tuple[str, Params, set[str]]) -> list[Job]:
    article, params, to_make = task
    document = document_of(Article.from_dict(json.loads(article)))
    listing, names = _entity_list(params, document, is_made="entities" not in to_make)
    pairs = Pairs.read(layout.pairs(document.id)) if any(map(is_of_pairs, recipes.strategies(params))) and "pairs" not in to_make else None
    return [listing, *(_passages(params, document, strategy, pairs if is_of_pairs(strategy) else names, is_made=strategy not in to_make)
                       for strategy in recipes.strategies(params))]  # fmt: skip


def _entity_list(params: Params, document: Document, is_made: bool) -> tuple[Job, EntityList | None]:
    """The job, and the entity list as it is or as the ledger's answers make it; None where the model has to be asked."""
    job = Job(step="entities", document=document, is_made=is_made)
    shown = sections.split(document, params.llm.sections)
    if is_made:
        job.known["entities"] += len(shown)
        return job, EntityList.read(layout.entities(document.id))
    clients = _clients(params, Kept("entities", document.id), shown)
    try:
        names = asyncio.run(entities.asked_of(list(clients.values()), list(shown.values()), params))
    except Unanswered:
        job.open["entities"] += len(shown)
        return job, None
    job.known["entities"] += len(shown)
    return job, names


def _passages(params: Params, document: Document, strategy: str, names: EntityList | Pairs | None, is_made: bool) -> Job:
    """`names`: the document's entity list, or under across its pairs; None where these are not there yet."""
    is_bound = names is None and (STRATEGIES[strategy].NEEDS_ENTITIES or is_of_pairs(strategy))
    job = Job(step=strategy, document=document, is_made=is_made, is_bound=is_bound)
    shown = passages.shown_of(document, strategy, params)
    if is_of_pairs(strategy):
        lists = {None: names or _most_pairs(document, params)}
    else:
        lists = {section: sections.listed(each, names) if names else _most_names(document, params) for section, each in shown.items()}
    kept = None if is_bound else Kept(strategy, document.id)
    clients = _clients(params, kept, shown)
    with asyncio.Runner() as runner:

        def answer(wanted: Wanted) -> str | None:
            if is_made and wanted.then is None:
                return ""
            if kept is None or not kept.records:
                raise Unanswered  # before any key is made: those of many documents would take minutes
            return runner.run(_answered(clients[wanted.section], wanted, params.passages.attempts))

        job.count(passages.asked_for(strategy, shown, lists, params), answer)
    if is_made:
        job.known, job.open, job.is_bound = job.known + job.open, Counter(), False
    return job


async def _answered(client: Rehearsal, wanted: Wanted, attempts: int) -> str | None:
    try:
        return (await passages.question(client, wanted, attempts))[0]
    except llm.NotAnswered:
        return None


def _unanswered(_: Wanted) -> str:
    raise Unanswered


def _clients(params: Params, kept: Kept, shown: dict[str | None, Document]) -> dict[str | None, Rehearsal]:
    return {section: Rehearsal(llm=params.llm, kept=kept, document=each, seed=params.seed) for section, each in shown.items()}


def _most_pairs(document: Document, params: Params) -> Pairs:
    """As many as there can be for each document, of all together."""
    return Pairs(document=document.id, pairs=[Pair(beside=document, shared=[f"entity {number}"]) for number in range(params.passages.across.pairs)])


def _most_names(document: Document, params: Params) -> EntityList:
    """A list as long as any can be, where there is none yet."""
    names = [f"entity {number}" for number in range(params.entities.max)]
    return EntityList(document=document.id, summary="", entities=names, made_by="llm", why=None, maker="", call=None)
