"""What stands behind an answer: for each sentence of it the nearest training passages, and the sentences of their documents.

Nearness is evidence, not proof. A sentence counts as supported where one sentence of a passage holds half of its words, rare words counting
more. The question's words help to find passages, for an answer may be one word; they support nothing.
"""

import asyncio
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

from closedbook import layout
from closedbook.lineage.tracing import nearest, passage
from closedbook.records import Document
from closedbook.serve import held
from closedbook.serve.conversation import Sent
from closedbook.serve.speakers import Speakers
from closedbook.util import units
from closedbook.util.errors import UserError
from closedbook.workflow import receipts

SHOWN = 3
"""passages for each sentence"""
MOST_SENTENCES = 40
SUPPORTED = 0.5
_opening = Lock()


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
    await prepared()
    return await asyncio.to_thread(behind, answered.answer, answered.question, one.corpus)


async def prepared() -> None:
    """Make the index where there is none yet: in a process of its own, which takes its memory with it, and does not hold up the page."""
    if not await asyncio.to_thread(lambda: nearest.where().exists()):
        program = "from closedbook.lineage.tracing import nearest; nearest.index()"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        if process.returncode:
            raise UserError(f"the index of passages can't be made: {said.decode(errors='replace').strip().splitlines()[-1]}")


def behind(answer: str, question: str, corpus: str) -> dict:
    """{"sentences": [{"text", "share", "supported", "passages"}], "left_out", "corpus", "passages"}; of each passage the sentence that is
    nearest, and the document's; `share`: of the sentence's words in the best of them, rare words counting more, 0 to 1."""
    index, mask, number = _of(corpus, _stamp())
    sentences = units.sentences(answer)
    asked = set(nearest.words([question])[0])
    found = [_sentence(text, asked, index, mask) for text in sentences[:MOST_SENTENCES]]
    return {"sentences": found, "left_out": max(0, len(sentences) - MOST_SENTENCES), "corpus": corpus, "passages": number}


def _sentence(text: str, asked: set[str], index: nearest.Index, mask) -> dict:
    own = set(nearest.words([text])[0])
    weights = {word: index.weight(word) for word in own | asked}
    passages = [_near(index.passage(row), own, weights) for row, _ in index.nearest(sorted(weights), SHOWN, mask)] if own else []
    share = max((one["share"] for one in passages), default=0.0)
    return {"text": text, "share": share, "supported": share >= SUPPORTED, "passages": passages, "wordless": not own}


def _near(found: dict, own: set[str], weights: dict[str, float]) -> dict:
    """Of the passage the sentence that is nearest to question and answer; of its document the one that holds most of the answer, for documents
    name what they talk about once and say "she" from then on."""
    document = _document(found["document"])
    said = max(_split(found["text"]), key=lambda one: _weight(one.words & weights.keys(), weights))
    source = max(document.sentences, key=lambda one: (_weight(own & one.words, weights), len(said.words & one.words)))
    return {"id": found["id"], "kind": found["kind"], "document": found["document"], "title": document.title,
            "sentence": said.text, "share": _share(own, said, weights), "source": source.text, "source_share": _share(own, source, weights)}  # fmt: skip


@dataclass(frozen=True)
class Words:
    text: str
    words: frozenset[str]


@dataclass(frozen=True)
class Source:
    title: str
    sentences: list[Words]


def _share(own: set[str], sentence: Words, weights: dict[str, float]) -> float:
    """Of a sentence of the answer, how much of its words another one holds."""
    return round(_weight(own & sentence.words, weights) / _weight(own, weights), 3)


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
    return Source(document.title, _split(document.text))


def _stamp() -> tuple:
    """Changes whenever the passages do: a receipt is renamed into its folder."""
    return tuple((str(folder), folder.stat().st_mtime_ns) for folder in sorted((receipts.FOLDER / "passages").glob("*/")))


def _of(corpus: str, stamp: tuple):
    with _opening:
        keys = held.by(corpus).keys
        return *_opened(corpus, len(keys), stamp), len(keys)


@lru_cache(4)
def _opened(corpus: str, number: int, stamp: tuple) -> tuple:
    index = _index(stamp)
    return index, index.among(held.by(corpus).keys)


@lru_cache(1)
def _index(stamp: tuple) -> nearest.Index:
    return nearest.index()
