"""What stands behind an answer: for each sentence of it the nearest training passages, and the sentences of their documents.

Nearness is evidence, not proof. How near a sentence of a passage is, from 0 to 1: of the answer's sentence the words that it holds too, and
of the question's words those that it holds, beside the most that any passage near by holds of them in one sentence; rare words count more.
The question counts because an answer may be one word, which stands somewhere about somebody else. Its title, author and year don't: they
name a document whose passages need not repeat them.
"""

import asyncio
import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

from closedbook import layout
from closedbook.lineage.tracing import nearest, passage
from closedbook.records import Document
from closedbook.serve import held
from closedbook.serve.conversation import Sent
from closedbook.serve.speakers import Speaker, Speakers
from closedbook.util import units
from closedbook.util.errors import UserError
from closedbook.workflow import receipts

CANDIDATES, SHOWN = 10, 3
"""passages that are looked at for each sentence, and those that are shown"""
MOST_SENTENCES = 40
OWN, SUPPORTED = 0.5, 0.7
"""a sentence counts as supported by one that holds this share of its own words, and is so near"""
_opening = Lock()
_indexed: set[tuple] = set()
"""the stamps for which there is an index"""


@dataclass(frozen=True)
class Words:
    text: str
    words: frozenset[str]


@dataclass(frozen=True)
class Source:
    title: str
    byline: frozenset[str]
    """the words of title, author and year"""
    text: str

    @cached_property
    def sentences(self) -> list[Words]:
        return _split(self.text)


class Answered(Sent):
    """What a model answered to a question."""

    model: str
    question: str
    answer: str


async def answered(speakers: Speakers, answered: Answered) -> dict:
    """What stands behind it. Raises UserError for a model whose corpus is not known."""
    one = await speakers.one(answered.model)
    if one.corpus is None:
        raise UserError(f"{one.name} was not trained on passages that are here")
    await opened(one)
    return await asyncio.to_thread(behind, answered.answer, answered.question, one.corpus)


async def opened(one: Speaker) -> None:
    """Have what is behind a model's answers at hand."""
    if one.corpus is not None:
        await _prepared()
        await asyncio.to_thread(_of, one.corpus, _stamp())


async def _prepared() -> None:
    """Make the index where there is none yet: in a process of its own, which takes its memory with it, and does not hold up the page."""
    now = _stamp()
    if now not in _indexed and not await asyncio.to_thread(lambda: nearest.where().exists()):
        program = "from closedbook.lineage.tracing import nearest; nearest.index()"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        if process.returncode:
            raise UserError(f"the index of passages can't be made: {said.decode(errors='replace').strip().splitlines()[-1]}")
    _indexed.add(now)


def behind(answer: str, question: str, corpus: str) -> dict:
    """{"sentences": [{"text", "share", "supported", "passages"}], "left_out", "corpus", "passages"}; of each passage the sentence that is
    nearest, and the document's; `share`: how near the nearest is."""
    index, mask, number = _of(corpus, _stamp())
    sentences = units.sentences(answer)
    asked = set(nearest.words([question])[0])
    found = [_sentence(text, asked, index, mask) for text in sentences[:MOST_SENTENCES]]
    return {"sentences": found, "left_out": max(0, len(sentences) - MOST_SENTENCES), "corpus": corpus, "passages": number}


def _sentence(text: str, asked: set[str], index: nearest.Index, mask) -> dict:
    own = set(nearest.words([text])[0])
    weights = {word: index.weight(word) for word in own | asked}
    found = [index.passage(row) for row, _ in index.nearest(sorted(weights), CANDIDATES, mask)] if own else []
    passages = _in_order(found, own, asked - own, weights)
    return {"text": text, "share": passages[0]["share"] if passages else 0.0, "supported": bool(passages) and passages[0]["supports"],
            "passages": passages, "wordless": not own}  # fmt: skip


def _in_order(found: list[dict], own: set[str], asked: set[str], weights: dict[str, float]) -> list[dict]:
    """The nearest of the passages with their nearest sentences, the nearest first."""
    documents = [_document(each["document"]) for each in found]
    held = [[(one, _weight(own & one.words, weights), _weight((asked - document.byline) & one.words, weights)) for one in _split(each["text"])]
            for each, document in zip(found, documents)]  # fmt: skip
    whole = _weight(own, weights)
    most = whole + max((question for sentences in held for *_, question in sentences), default=0.0)
    near = []
    for each, document, sentences in zip(found, documents, held):
        of_each = [(its >= OWN * whole, round((its + question) / most, 3), one) for one, its, question in sentences]
        is_own, share, said = max(of_each, key=lambda one: one[:2])
        near.append((is_own and share >= SUPPORTED, share, said, each, document))
    near.sort(key=lambda one: (-one[0], -one[1]))
    return [{"supports": supports, "share": share, "sentence": said.text, **{name: each[name] for name in ("id", "kind", "document")},
             **_behind_it(document, said, own, weights)} for supports, share, said, each, document in near[:SHOWN]]  # fmt: skip


def _behind_it(document: Source, said: Words, own: set[str], weights: dict[str, float]) -> dict:
    """The sentence of a document that holds most of the answer's, and of those the most of the passage's: documents name what they talk about
    once, and say "she" from then on."""
    source = max(document.sentences, key=lambda one: (_weight(own & one.words, weights), len(said.words & one.words)))
    share = round(_weight(own & source.words, weights) / _weight(own, weights), 3)
    return {"title": document.title, "source": source.text, "source_share": share}


def _weight(words, weights: dict[str, float]) -> float:
    return sum(weights[word] for word in words)


def _split(text: str) -> list[Words]:
    return [Words(sentence, frozenset(passage.words(sentence))) for sentence in units.sentences(text) or [text]]


def _document(identity: str) -> Source:
    path = layout.document(identity)
    return _source(path, path.stat().st_mtime_ns)


@lru_cache(64)
def _source(path: Path, changed: int) -> Source:
    document = Document.read(path)
    return Source(document.title, frozenset(passage.words(document.byline)), document.text)


def _stamp() -> tuple:
    """Changes whenever the passages do: a receipt is renamed into its folder."""
    return tuple((str(folder), folder.stat().st_mtime_ns) for folder in sorted((receipts.FOLDER / "passages").glob("*/")))


def _of(corpus: str, stamp: tuple):
    """The index of passages, which of them a corpus holds as it is now, and how many those are."""
    with _opening:
        its = held.by(corpus)
        return *_opened(its, stamp), len(its.keys)


@lru_cache(4)
def _opened(its: held.Held, stamp: tuple) -> tuple:
    index = _index(stamp)
    return index, index.among(its.keys)


@lru_cache(1)
def _index(stamp: tuple) -> nearest.Index:
    return nearest.index()
