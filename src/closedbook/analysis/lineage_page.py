"""The lineage page: by clicking from a score to its model, corpus, passages, calls and documents, and back.

    lineage.html                               the page; beside it in lineage/ its scripts and its style
    lineage/data/index.js                      scores, runs, corpora and documents, without texts: all that opening the page reads
    lineage/data/entities.js                   which documents name an entity
    lineage/data/documents/DOCUMENT.js         a document's text and entity list
    lineage/data/passages/STRATEGY/DOCUMENT.js what was written about it, with the calls and the places in corpora

A page that was opened from disk may load scripts and nothing else, so a data file is a script: it calls `lineage(NAME, DATA)`.
"""

import json
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

from closedbook import models
from closedbook.generation.strategies import STRATEGIES
from closedbook.records import Document, carrying
from closedbook.training.reading import Texts
from closedbook.util import files

BROWSER = Path(__file__).parent / "browser"
SCORE = ("run", "arm", "n", "explanation", "questions_sha256", "tasks")
DOCUMENT = ("id", "title", "author", "year", "license")


def build(
    *, scores: list[Path], runs: list[Path], corpora: list[Path], documents: list[Path], entities: list[Path], passages: list[Path],
    folder: Path,
) -> None:
    """Write lineage.html and lineage/ into `folder`.

    `scores` and `runs` (run.json files) are shown in the order given; `corpora` are folders. A document's entity list stands in
    `entities` where it stands in `documents`; its `passages` files are known by its id and by the strategy's folder.
    """
    data = folder / "lineage" / "data"
    for asset in sorted(BROWSER.iterdir()):
        place = folder if asset.suffix == ".html" else data.parent
        files.write_text(place / asset.name, asset.read_text(encoding="utf-8"))
    places = {corpus.name: _places(corpus) for corpus in corpora}
    written = defaultdict(list)
    for path in passages:
        written[path.stem].append(path)
    index, naming = [], defaultdict(list)
    for number, (document, listed) in enumerate(zip(documents, map(files.read_json, entities), strict=True)):
        index.append(_write_document(data, document, listed, written[document.stem], places))
        for name in listed["entities"]:
            naming[name].append(number)
    _write(data, "entities", sorted(naming.items()))
    _write(data, "index", {
        "scores": [_chosen(files.read_json(path), SCORE) for path in scores],
        "runs": [_run(path) for path in runs],
        "corpora": [_corpus(corpus, places[corpus.name]) for corpus in corpora],
        "strategies": [{"name": name, "needs_entities": module.NEEDS_ENTITIES} for name, module in STRATEGIES.items()],
        "documents": index,
    })  # fmt: skip


def _run(path: Path) -> dict:
    run = files.read_json(path)
    return run | {"model_sha256": models.weights_sha256(run["sha256"])}


def _write(data: Path, name: str, value) -> None:
    """JSON in ASCII is JavaScript whatever the texts in it hold, line separators and halves of characters too."""
    files.write_text(data / f"{name}.js", f"lineage({json.dumps(name)}, {json.dumps(value, separators=(',', ':'))});\n")


def _chosen(record: dict, names: tuple[str, ...]) -> dict:
    return {name: record[name] for name in names}


def _places(corpus: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """{document: {passage: (its first token in the corpus, the one after its last)}}"""
    offsets = Texts.of_corpus(corpus).offsets.tolist()
    found = defaultdict(dict)
    for row, first, end in zip(files.read_json_lines(corpus / "passages.jsonl"), offsets[:-1], offsets[1:], strict=True):
        found[row["document"]][row["id"]] = first, end
    return found


def _corpus(corpus: Path, places: dict[str, dict[str, tuple[int, int]]]) -> dict:
    """The name of a corpus, its corpus.json, and of each document the number of passages and tokens in it."""
    held = {document: (len(ranges), sum(end - first for first, end in ranges.values())) for document, ranges in sorted(places.items())}
    return {"corpus": corpus.name, **files.read_json(corpus / "corpus.json"), "documents": held}


def _write_document(data: Path, path: Path, listed: dict, written: list[Path], places: dict) -> dict:
    """Write a document's data files; what the index says of it."""
    document = asdict(Document.read(path))
    strategies, same_call = {}, []
    calls = [one["call"] for one in carrying(listed) if one["call"]]
    for passages in map(files.read_json, written):
        strategies[passages["strategy"]] = _write_passages(data, passages, places)
        same_call += [passage["id"] for passage in passages["passages"] if passage["call"] in calls]
    _write(data, f"documents/{document['id']}", {"text": document["text"], "list": listed, "same_call": same_call})
    return {
        **_chosen(document, DOCUMENT),
        "sha256": files.sha256_file(path),
        "num_entities": len(listed["entities"]),
        "made_by": listed["made_by"],
        "written": strategies,
    }


def _write_passages(data: Path, passages: dict, places: dict) -> dict:
    """Write what a strategy wrote about a document; its counts for the index."""
    for passage in passages["passages"]:
        held = {corpus: documents.get(passage["document"], {}).get(passage["id"]) for corpus, documents in places.items()}
        passage["places"] = {corpus: place for corpus, place in held.items() if place}
    _write(data, f"passages/{passages['strategy']}/{passages['document']}", passages)
    kinds = Counter(passage["kind"] for passage in passages["passages"])
    return {"kinds": dict(sorted(kinds.items())), "num_dropped": len(passages["dropped"])}
