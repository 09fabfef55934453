"""Passages that exist already: rows of a file, or of a data set, each about one document. Nothing is asked, and each keeps its row, source and licence."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from closedbook.generation.strategies.wanted import Wanted
from closedbook.sources import given
from closedbook.sources.rows import Row
from closedbook.util.errors import UserError, did_you_mean

PROMPTS = {}
NEEDS_ENTITIES = False
EQUAL_KINDS = False
FIELD = "passages.imported.path"
WRITER = "imported"
ROWS = "rows with a text and the id or title of its document, as passages.imported names their columns"


class Given(NamedTuple):
    document: str
    """its id or title"""
    text: str
    origin: dict
    """where it stands, and what its row says of source and licence"""


def needs_model(settings) -> list[str]:
    return []


def wanted(document, entities, settings, seed) -> list[Wanted]:
    """Those of the rows that name the document, in their order. A text that comes again is asked for again: the filters say so."""
    chosen = settings.imported
    found, seen = _by_document(*_place(chosen), chosen.text, chosen.document, chosen.source, chosen.license), Counter()
    asked = []
    for row in sorted((row for name in {document.id, document.title} for row in found.get(name, [])), key=lambda row: row.origin["number"]):
        asked.append(Wanted(kind=WRITER, sample=seen[row.text], text=row.text, origin=row.origin))
        seen[row.text] += 1
    return asked


def check(settings, titles: dict[str, str]) -> None:
    """Raises UserError for a row without text, and for one of no document; `titles`: of each document, by its id."""
    chosen, known = settings.imported, Counter([*titles, *titles.values()])
    for place, row in _rows(chosen.path, chosen.text, chosen.document, chosen.source, chosen.license):
        if not known[row.document]:
            near = did_you_mean(row.document, known, otherwise=f"there are {len(titles):,}, as {next(iter(titles))}")
            raise UserError(f"{place}: {chosen.document}: {row.document[:80]!r} is neither the id nor the title of a document: {near}; take the row out, "
                            "or name its document")  # fmt: skip
        if known[row.document] > 1 and row.document not in titles:
            raise UserError(f"{place}: {chosen.document}: {known[row.document]} documents are called {row.document[:80]!r}: name one by its id")


def _place(chosen) -> tuple[str, int | None]:
    """And when it was last changed, where it is a file: so none is read twice by a process, and a new one is read anew."""
    return chosen.path, Path(chosen.path).stat().st_mtime_ns if given.is_file(chosen.path) else None


@lru_cache(maxsize=1)
def _by_document(path: str, changed: int | None, *columns: str | None) -> dict[str, list[Given]]:
    found = defaultdict(list)
    for _, row in _rows(path, *columns):
        found[row.document].append(row)
    return found


def _rows(path: str, text: str, document: str, source: str | None, license: str | None) -> Iterator[tuple[str, Given]]:
    for number, (place, fields) in enumerate(given.rows(path, FIELD, ROWS)):
        if not isinstance(fields, dict):
            raise UserError(f"{place}: no row: give it {ROWS}")
        row = Row(place, fields)
        about = {name: row.optional_text(column) or None if column else None for name, column in (("source", source), ("license", license))}
        yield place, Given(row.text(document), row.text(text), {"place": place, "number": number, **about})
