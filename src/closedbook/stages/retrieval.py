"""The retrieval stage: for each question, the chunks of all documents that are most like it.

    PYTHONPATH=src python -m closedbook job retrieval/retrieval
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook.evaluation import embedded, finders
from closedbook.evaluation.embedded import Chunk, chunks
from closedbook.params import Limits, Retrieval
from closedbook.records import Document
from closedbook.util import files

Found = list[tuple[int, float]]
"""chunks of one question by their index, best first, each with its score"""


def job(*, params: SimpleNamespace, limits: Limits, **paths) -> None:
    build(settings=params.retrieval, limits=limits, **paths)


def build(*, documents: list[Path], questions: list[Path], settings: Retrieval, limits: Limits, folder: Path) -> None:
    """Write chunks.jsonl, the chunks found for each question, and retrieval.json, which says how well that went.

    Where there are no questions nothing is looked for. Raises UserError where a model that embeds or reranks can't be reached, is none, or
    has changed.
    """
    asked = [row for path in questions for row in files.read_json(path)]
    read = [Document.read(path) for path in documents]
    texts = [chunk for document in read for chunk in chunks(document, settings.characters)]
    found = _found(read, texts, asked, settings, limits) if asked else []
    files.write_json_lines(folder / "chunks.jsonl", _rows(asked, found, texts, max(settings.chunks)))
    files.write_json(folder / "retrieval.json", {
        "settings": settings.model_dump(), "num_documents": len(read), "num_chunks": len(texts), "num_questions": len(asked),
        "recall": {str(k): recall(asked, found, texts, k) for k in sorted({1, *settings.chunks, settings.candidates})},
        "without_hit": [row["id"] for row, hits in zip(asked, found, strict=True) if not hits],
    })


def _found(documents: list[Document], texts: list[Chunk], asked: list[dict], settings: Retrieval, limits: Limits) -> list[Found]:
    plain, queries = [chunk.text for chunk in texts], [(row["document"], query(row)) for row in asked]
    if settings.embedder.model:
        owned = [(chunk.document, chunk.text) for chunk in texts]
        found = [best(scores, settings.candidates) for scores in finders.scores(owned, queries, documents, settings.embedder, limits)]
    else:
        scored = embedded.scores(plain, [text for _, text in queries])
        found = [[hit for hit in best(scores, settings.candidates) if hit[1] > 0] for scores in scored]  # 0: no word in common
    if settings.reranker.model:
        found = finders.reranked(plain, queries, found, documents, settings.reranker, limits)
    return found


def query(row: dict) -> str:
    """What is looked for: the question under its context line, with its options, as the paper has it. The right one is not marked."""
    by = f", written by {row['author']}" + (f" in {row['year']}" if row["year"] else "") if row["author"] else ""
    return "\n".join([f'In the context of "{row["title"]}"{by}, {row["question"]}', *row["options"]])


def best(scores: np.ndarray, number: int) -> Found:
    """The `number` texts of the highest scores; of equal ones, those that come first."""
    number = min(number, len(scores))
    found = np.flatnonzero(scores >= np.partition(scores, -number)[-number])
    order = found[np.argsort(-scores[found], kind="stable")][:number]
    return [(int(index), float(scores[index])) for index in order]


def recall(asked: list[dict], found: list[Found], texts: list[Chunk], k: int) -> float | None:
    """The share of questions that have a chunk of their own document among their first `k`; None where there are no questions."""
    own = [any(texts[index].document == row["document"] for index, _ in hits[:k]) for row, hits in zip(asked, found, strict=True)]
    return sum(own) / len(own) if own else None


def _rows(asked: list[dict], found: list[Found], texts: list[Chunk], k: int) -> Iterator[dict]:
    for row, hits in zip(asked, found, strict=True):
        shown = [{"document": texts[index].document, "chunk": texts[index].number, "text": texts[index].text, "score": round(score, 6)}
                 for index, score in hits[:k]]
        yield {"question": row["id"], "document": row["document"], "chunks": shown}
