"""What a model is asked for so that it sums a document up: by title and author, and by its subject alone, without naming it."""

from pathlib import Path
from string import Template
from typing import NamedTuple

from closedbook.llm import prompts
from closedbook.records import Document, EntityList
from closedbook.util import files

KINDS = ("named", "unnamed")
SUBJECTS = 3
"""entities of a document that stand for its subject, the most salient first"""
CHAT = tuple(f"summaries/{kind}" for kind in KINDS)
"""the prompts of models that follow instructions, in the order of KINDS"""
HEADINGS = tuple(f"{name}_heading" for name in CHAT)
"""those of models that go on with a text"""
NO_SUBJECT = "its entity list names nothing beside its title and author"


class Request(NamedTuple):
    document: str
    kind: str
    prompt: str | None
    """None where there is nothing to ask for"""


def requests(documents: list[Path], entities: list[Path], asked: tuple[str, ...]) -> list[Request]:
    """A request of each kind about each document, from the files of documents and of their entity lists; `asked` is CHAT or HEADINGS."""
    lists, found = {listed.document: listed for listed in map(EntityList.read, entities)}, []
    for document in map(Document.read, documents):
        work, subjects = _work(document), _subjects(document, lists[document.id].entities)
        for kind, name, fields in zip(KINDS, asked, ({"work": work}, {"subjects": subjects})):
            found.append(Request(document.id, kind, Template(prompts.template(name)).substitute(fields) if all(fields.values()) else None))
    return found


def row(request: Request, text: str | None = None, is_cut: bool = False, reason: str | None = None, call: dict | None = None) -> dict:
    """One summary: {"document", "kind", "prompt", "text", "cut" (whether it ended at the most tokens), "reason" why there is no text, "call"}."""
    reason = reason or (None if request.prompt or text is not None else NO_SUBJECT)
    return {**request._asdict(), "text": text, "cut": is_cut, "reason": reason, "call": call}


def write(facts: dict, rows: list[dict], output: Path) -> None:
    """`facts` say whose summaries they are."""
    files.write_json(output, {**facts, "summaries": rows})


def _work(document: Document) -> str:
    """'"Title", written by First Last in 1956', as far as author and year are known: as the questions name it."""
    written = f", written by {document.author}" if document.author else ""
    return f'"{document.title}"{written}' + (f" in {document.year}" if written and document.year else "")


def _subjects(document: Document, entities: list[str]) -> str:
    """"A, B and C", without what would name the document; empty where nothing is left."""
    named = f"{document.title}\n{document.author or ''}".casefold()
    *others, last = [name for name in entities if name.casefold() not in named and document.title.casefold() not in name.casefold()][:SUBJECTS] or [""]
    return f"{', '.join(others)} and {last}" if others else last
