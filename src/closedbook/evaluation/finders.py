"""Retrieval by models: an index of vectors, and a second look at what an index finds."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from closedbook import llm
from closedbook.llm.indexing import Embedder, Reranker
from closedbook.params import Endpoint, Limits
from closedbook.records import Document
from closedbook.util.errors import UserError

BLOCK = 256
"""queries compared with all texts at once: with 11,000 texts that takes 11 MB"""
Owned = list[tuple[str, str]]
"""texts, each with the id of the document whose calls it belongs to"""


def scores(texts: Owned, queries: Owned, documents: list[Document], model: Endpoint, limits: Limits) -> Iterator[np.ndarray]:
    """For each query, the cosine of its vector with that of each text. A document's texts and queries are asked for together."""
    rows = vectors([*texts, *queries], documents, model, limits, "retrieval", "retrieval.embedder")
    index, asked = rows[:len(texts)], rows[len(texts):]
    for start in range(0, len(asked), BLOCK):
        yield from asked[start:start + BLOCK] @ index.T


def vectors(texts: Owned, documents: list[Document], model: Endpoint, limits: Limits, step: str, section: str) -> np.ndarray:
    """A row of length 1 for each text. `step`: under which the ledger keeps them; `section`: of params.yaml, where the model stands.

    Raises UserError where they differ in length or were made by models of different names: these can't be compared.
    """
    of_document = _grouped(texts)

    async def embedded(embedder: Embedder, document: str):
        mine = of_document[document]
        vectors, names = await embedder.embed(mine)
        return dict(zip(mine, vectors, strict=True)), names

    found = _of_each(documents, Embedder, embedded, model, limits, step, section)
    lengths = {len(vector) for its, _ in found.values() for vector in its.values()}
    names = set().union(*(names for _, names in found.values()))
    if len(lengths) > 1 or len(names) > 1:
        raise UserError(f"{section}.model {model.model}: its vectors have lengths {sorted(lengths)} and come from "
                        f"{', '.join(sorted(names))}: vectors of one model can't be compared with those of another; name a model that stays the "
                        f"same, and move ledger/{step} away")
    return _unit(found[owner][0][text] for owner, text in texts)


def _unit(vectors) -> np.ndarray:
    rows = np.stack(list(vectors))
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def reranked(texts: list[str], queries: Owned, found: list[list], documents: list[Document], model: Endpoint, limits: Limits) -> list[list]:
    """What was found for each query in the order of a model that reads query and text together, and with its ratings for scores."""
    of_document = _grouped((owner, number) for number, (owner, _) in enumerate(queries) if found[number])

    async def rated(reranker: Reranker, document: str):
        mine = of_document[document]
        asked = [reranker.rerank(queries[number][1], [texts[index] for index, _ in found[number]]) for number in mine]
        return dict(zip(mine, await llm.gather(asked), strict=True))

    asked_about = [document for document in documents if document.id in of_document]
    of_all = _of_each(asked_about, Reranker, rated, model, limits, "retrieval", "retrieval.reranker")
    ratings = {number: rating for of_one in of_all.values() for number, rating in of_one.items()}
    return [_ordered(hits, ratings[number]) if hits else [] for number, hits in enumerate(found)]


def _grouped(owned: Iterable[tuple[str, object]]) -> defaultdict[str, list]:
    groups = defaultdict(list)
    for owner, item in owned:
        groups[owner].append(item)
    return groups


def _ordered(hits: list, ratings: list[float]) -> list:
    """By rating, of equal ones in the order of the index."""
    rated = [(index, rating) for (index, _), rating in zip(hits, ratings, strict=True)]
    return sorted(rated, key=lambda hit: -hit[1])


def _of_each(documents: list[Document], kind: type, work: Callable, model: Endpoint, limits: Limits, step: str, section: str) -> dict[str, object]:
    """{document: what `work` gives for it with the models to ask}; a document's calls are in its own segment of the ledger."""
    by_id = {document.id: document for document in documents}

    def of_one(ledger, document: str):
        return work(kind(model=model, limits=limits, ledger=ledger, document=by_id[document], section=section), document)

    return dict(zip(by_id, llm.in_segments(step, list(by_id), of_one), strict=True))
