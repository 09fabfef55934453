"""closedbook trace: where a score, a model, a passage, a token or a sentence came from."""

import argparse
import os
from pathlib import Path

from closedbook import layout
from closedbook.lineage import shown, unproved
from closedbook.lineage.history import History
from closedbook.lineage.tracing import passage
from closedbook.util.errors import UserError

SHOWN = 12
"""rows of a table, but of a step, which is shown whole"""


def answer(options: argparse.Namespace) -> dict:
    """Raises UserError for a question that is none, and for what is unknown, past the end, or not here."""
    token, step = options.token, options.step
    asked = [options.target is not None, options.run is not None, options.text is not None]
    if sum(asked) != 1 or (options.run is not None) != ((token is None) != (step is None)):
        raise UserError("closedbook trace: ask for one thing: a file under results/, a passage's id, --run ARM with --token N or --step N, "
                        "or --text SENTENCE")  # fmt: skip
    if options.text is not None:
        if not options.text.strip():
            raise UserError("--text: is empty: give a sentence, or some words of one")
        return _sentence(options.text)
    if options.run is not None:
        return _token(options.run, token) if step is None else _step(options.run, step)
    return _file(options.target) if options.target.startswith(f"{layout.RESULTS}/") or os.path.exists(options.target) else _passage(options.target)


def lines(answer: dict) -> list[str]:
    return [
        *shown.lines({name: value for name, value in answer.items() if name != "unproved"}, None if "read" in answer else SHOWN),
        "",
        "What can't be proved:" if answer["unproved"] else "What can't be proved: nothing known",
        *(f"  {shown.text(line)}" for line in answer["unproved"]),
    ]  # fmt: skip


def _file(target: str) -> dict:
    from closedbook.lineage.tracing import ancestry

    if os.path.isdir(target):
        raise UserError(f"{target}: is a folder: name a file in it ({', '.join(sorted(os.listdir(target))[:3])}, …)")
    return ancestry.behind(History.here(), os.path.relpath(target))


def _passage(identity: str) -> dict:
    known = passage.history([identity])
    found = passage.origin(identity, known)
    return {**found, "corpora": passage.places([identity])[identity], "unproved": unproved.about(known, known.jobs.values())}


def _sentence(sentence: str) -> dict:
    from closedbook.lineage.tracing import nearest

    found = dict(nearest.to(sentence))
    known, held = passage.history(found), passage.places(found)
    rows = []
    for identity, score in found.items():
        text = passage.one(identity, known)["text"]
        document = passage.about_document(passage.names(identity)[0], known)
        rows.append({"score": score, "passage": identity, "document": document["title"], "corpora": [place["corpus"] for place in held[identity]],
                     "nearest_sentence": nearest.excerpt(text, sentence)})  # fmt: skip
    return {"text": sentence, "found": len(rows), "nearest": rows, "unproved": unproved.about(known, known.jobs.values())}


def _token(run: str, number: int) -> dict:
    from closedbook.lineage.tracing import tokens

    read = tokens.Run(run)
    place = read.token(number)
    is_passage = place["read_from"] == "corpus"
    known = passage.history([place["id"]] if is_passage else [], *read.jobs)
    found = passage.origin(place["id"], known) if is_passage else {"replay": _replay(read.replay, known)}
    return {"token": place, **found, "unproved": unproved.about(known, known.jobs.values())}


def _step(run: str, number: int) -> dict:
    from closedbook.lineage.tracing import tokens

    read = tokens.Run(run)
    seen = read.step(number)
    identities = dict.fromkeys(piece["id"] for piece in seen["read"] if piece["read_from"] == "corpus")
    known = passage.history(identities, *read.jobs)
    documents = {document: passage.about_document(document, known) for document, _ in map(passage.names, identities)}
    replay = {}
    for piece in seen["read"]:
        if piece["read_from"] == "corpus":
            piece["document"] = documents[passage.names(piece["id"])[0]]["title"]
        else:
            replay = {"replay": _replay(read.replay, known)}
    return {**seen, "documents": list(documents.values()), **replay, "unproved": unproved.about(known, known.jobs.values())}


def _replay(folder: Path, known: History) -> dict:
    """The file whose rows were replayed."""
    job = known.of(str(folder / "replay.jsonl"))
    path = job.recipe["reads"]["replay"]
    return {"file": path, "sha256": job.inputs[path]}
