"""Where documents come from, read and checked as a whole before any work begins: the miniature, QuALITY, or a folder of files.

Their order, of which documents.limit takes the first: QuALITY's and the miniature's as they first appear (files by name), a folder's
by relative path.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from closedbook import params
from closedbook.sources import folder, listing, quality
from closedbook.sources.article import Article
from closedbook.sources.rows import Row, read_rows
from closedbook.util.errors import UserError

GENERATED = {"miniature": "closedbook.miniature.books"}
"""sources whose documents are made up, and the module that does it, which is imported when one is chosen"""
__all__ = ["Article", "articles", "places"]


def articles(documents: params.Documents, miniature: params.Miniature, seed: int, run_seeds: list[int]) -> list[Article]:
    """All documents of documents.source in its order, at most documents.limit of them; the miniature has so many for each of `run_seeds`.

    Raises UserError for whatever is wrong with any of them, those beyond the limit included.
    """
    path = Path(documents.path)
    wanted = f"documents.path in params.yaml must lead to {listing.WANTED[documents.source]}"
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: {wanted}")
    try:
        if documents.source == "folder":
            groups = [folder.articles(path, documents.papers)]
        elif documents.source == "quality":
            groups = [quality.of_rows(row for file in listing.files(path, "quality") for row in read_rows(file))]
        else:
            groups = [_books(path, miniature, seed, run_seed) for run_seed in run_seeds]
    except OSError as error:
        name = listing.shown(str(error.filename or path))
        raise UserError(f"{name}: can't be read ({error.strerror}): give permission, or take it out") from None
    found = [article for group in groups for article in group]
    if not found:
        raise UserError(f"{path}: holds no documents: {wanted}")
    assert len({article.id for article in found}) == len(found), "two documents share an id: document_id needs a longer hash"
    return [article for group in groups for article in group[: documents.limit]]


def places(documents: params.Documents, document: str) -> dict[Path, list[int]]:
    """The files of the source that hold a document, and its lines in them; none where the whole file is the document.

    A made-up book stands in no file. Raises UserError for a source that can't be read.
    """
    path = Path(documents.path)
    if documents.source == "miniature":
        return {}
    if documents.source == "quality":
        return _lines(listing.files(path, "quality"), lambda row: quality.of_row(row).id == document)
    own = {file: name for name, file in folder.named(path, documents.papers).items() if folder.identifier(name) == document}
    return dict.fromkeys(own, []) | _lines(folder.row_files(path), lambda row: folder.document_named(row, documents.papers) in own.values())


def _lines(paths: list[Path], wanted: Callable[[Row], bool]) -> dict[Path, list[int]]:
    found = {path: [row.line for row in folder.rows_of(path) if wanted(row)] for path in paths}
    return {path: lines for path, lines in found.items() if lines}


def _books(path: Path, miniature: params.Miniature, seed: int, run_seed: int) -> list[Article]:
    """The made-up books of one training seed."""
    rows = import_module(GENERATED["miniature"]).rows(path=path, settings=miniature, seed=seed, run_seed=run_seed)
    found = quality.of_rows(Row(f"{path}: book {number}", row) for number, row in enumerate(rows, start=1))
    return [replace(article, seed=run_seed) for article in found]
