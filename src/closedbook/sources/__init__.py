"""Where documents come from, read and checked as a whole before any work begins: the miniature, QuALITY, or a folder of texts.

Their order, of which documents.limit takes the first: QuALITY's and the miniature's as they first appear (files by name), a folder's
by relative path.
"""

import difflib
import logging
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from html import unescape
from pathlib import Path

from closedbook import params
from closedbook.errors import UserError
from closedbook.records import Question
from closedbook.sources import names
from closedbook.sources.rows import Row, read_rows, read_text

SUFFIXES = {"quality": (".train", ".dev", ".test", ".jsonl"), "folder": (".txt", ".md")}
WANTED = {
    "miniature": "the words of a world of fictional books",
    "quality": "rows of QuALITY, in files named .train, .dev or .jsonl",
    "folder": ".txt or .md files",
}
QUESTIONS = "questions.jsonl"
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
TAG = re.compile(r"</?(?:p|br|div|h[1-6]|body|html)\b[^<>]*>", re.IGNORECASE)
MARKUP = re.compile(r"<!--.*?-->|<(head|script|style)\b.*?</\1\s*>|<[^<>]*>", re.IGNORECASE | re.DOTALL)
FRONT_MATTER = re.compile(r"---[ \t\r]*\n(.*?)^---[ \t\r]*$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#[ \t]+(.*?)(?:[ \t]+#+)?[ \t\r]*$", re.MULTILINE)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Article:
    """A document as its source has it, with its questions: what the documents step makes a Document of."""

    id: str
    title: str
    author: str | None
    """in prose form"""
    year: int | None
    text: str
    """as in the source: hard-wrapped, spaced and marked up"""
    is_html: bool
    license: str | None
    questions: list[Question]

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict) -> "Article":
        return cls(**{**fields, "questions": [Question(**question) for question in fields["questions"]]})


def articles(documents: params.Documents, miniature: params.Miniature, seed: int) -> list[Article]:
    """All documents of documents.source in its order, at most documents.limit of them.

    Raises UserError for whatever is wrong with any of them, those beyond the limit included.
    """
    path = Path(documents.path)
    wanted = f"documents.path in params.yaml must lead to {WANTED[documents.source]}"
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: {wanted}")
    if documents.source == "folder":
        found = _of_folder(path)
    elif documents.source == "quality":
        found = _of_rows(row for file in _files(path, "quality") for row in read_rows(file))
    else:
        found = _of_rows(_miniature_rows(path, miniature, seed))
    if not found:
        raise UserError(f"{path}: holds no documents: {wanted}")
    assert len({article.id for article in found}) == len(found), "two documents share an id: names.document_id needs a longer hash"
    return found[: documents.limit]


def places(documents: params.Documents, document: str) -> dict[Path, list[int]]:
    """The files of the source that hold a document, and its lines in them; none where the whole file is the document.

    A made-up book stands in no file. Raises UserError for a source that can't be read.
    """
    path = Path(documents.path)
    if documents.source == "miniature":
        return {}
    if documents.source == "quality":
        return _lines(_files(path, "quality"), lambda row: _of_row(row).id == document)
    own = {file: name for name, file in _named(path).items() if names.document_id(file.stem, name) == document}
    questions = [path / QUESTIONS] if (path / QUESTIONS).is_file() else []
    return dict.fromkeys(own, []) | _lines(questions, lambda row: unicodedata.normalize("NFC", row.text("document")) in own.values())


def _lines(paths: list[Path], wanted: Callable[[Row], bool]) -> dict[Path, list[int]]:
    found = {path: [row.line for row in read_rows(path) if wanted(row)] for path in paths}
    return {path: lines for path, lines in found.items() if lines}


def _miniature_rows(path: Path, miniature: params.Miniature, seed: int) -> list[Row]:
    from closedbook.miniature import world

    rows = world.rows(path=path, books=miniature.books, questions=miniature.questions, seed=seed)
    return [Row(f"{path}: book {number}", row) for number, row in enumerate(rows, start=1)]


def _files(path: Path, source: str) -> list[Path]:
    """One file, whatever its name; or those of a folder, and of its folders too where the source is `folder`, by relative path.

    Hidden files are passed over. Others that are not of the source's kind are left out, and a warning names them.
    """
    if path.is_file():
        return [path]
    within = {file.relative_to(path).as_posix(): file for file in (path.rglob("*") if source == "folder" else path.glob("*"))}
    visible = [name for name in sorted(within) if within[name].is_file() and not re.search(r"(^|/)\.", name)]
    wanted = [name for name in visible if within[name].suffix.lower() in SUFFIXES[source]]
    left_out = [name for name in visible if name not in (*wanted, QUESTIONS)]
    if left_out:
        log.warning("%s: left out %d that are not %s: %s", path, len(left_out), WANTED[source], ", ".join(left_out))
    return [within[name] for name in wanted]


def _of_rows(rows: Iterable[Row]) -> list[Article]:
    """Rows of one title and author, of two writers or two splits, are one document with all their questions."""
    found, places, questions = {}, {}, {}
    for row in rows:
        article = _of_row(row)
        identity = _identity(article.title, article.author)
        place = places.setdefault(identity, row.where)
        found[identity] = _joined(found.get(identity, article), article, place, row.where)
        for question in row.questions():
            _add(questions, question, identity, row.where)
    return _with_questions(found, questions)


def _identity(title: str, author: str | None) -> str:
    return f"{title}\n{author or ''}".casefold()


def _of_row(row: Row) -> Article:
    title, author = names.one_line(row.text("title")), names.author_in_prose(row.optional_text("author"))
    text = row.text("article")
    is_html = bool(TAG.search(text))
    _check_text(row.where, "article", MARKUP if is_html else COMMENT, text)
    identifier = names.document_id(title, _identity(title, author))
    return Article(id=identifier, title=title, author=author, year=row.year(), text=text, is_html=is_html, license=row.license(),
                   questions=[])


def _joined(first: Article, further: Article, place: str, where: str) -> Article:
    """Two rows of a document must tell the same; one may know the year or licence where the other does not."""
    if first.text != further.text and first.text.split() != further.text.split():
        raise UserError(f"{where}: article: another text than in {place}, though title and author are the same ({first.title!r}):"
                        " keep one of them (HTML or html-stripped files, not both), or give the other its own title")
    if first.year and further.year and first.year != further.year:
        raise UserError(f"{where}: year: must be {first.year} as in {place}, for the same document, not {further.year}")
    return replace(first, year=first.year or further.year, license=_both(first.license, further.license))


def _both(first: str | None, further: str | None) -> str | None:
    """One licence, or each that is told of the same document: none is left out."""
    if first and further and further not in first:
        return f"{first}; {further}"
    return first or further


def _of_folder(path: Path) -> list[Article]:
    """Each text file is a document, known by its relative path; questions.jsonl in the folder itself holds the questions, if any.

    A single file has no questions.
    """
    found, questions = {name: _of_file(file, name) for name, file in _named(path).items()}, {}
    rows = path / QUESTIONS
    for row in read_rows(rows) if rows.is_file() else []:
        name = unicodedata.normalize("NFC", row.text("document"))
        if name not in found:
            near = difflib.get_close_matches(name, found, n=1, cutoff=0.4)
            raise row.wrong("document", f"must be the relative path of a document{f' ({near[0]!r}?)' if near else ''}")
        _add(questions, row.question(), name, row.where)
    return _with_questions(found, questions)


def _named(path: Path) -> dict[str, Path]:
    """The files of a folder of texts by what each is known by."""
    root = path if path.is_dir() else path.parent
    return {unicodedata.normalize("NFC", file.relative_to(root).as_posix()): file for file in _files(path, "folder")}


def _of_file(file: Path, name: str) -> Article:
    front, text = _front_matter(file, read_text(file))
    _check_text(str(file), "text", COMMENT, text)
    heading = HEADING.search(text) if file.suffix.lower() == ".md" else None
    title = front.optional_text("title") or (heading and heading[1]) or file.stem
    author = names.author_in_prose(front.optional_text("author"))
    return Article(id=names.document_id(file.stem, name), title=names.one_line(title), author=author, year=front.year(),
                   text=text, is_html=False, license=front.license(), questions=[])


def _front_matter(file: Path, text: str) -> tuple[Row, str]:
    """The YAML mapping between two lines of --- that a file may begin with, and the text after it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    match = FRONT_MATTER.match(text)
    try:
        fields = YAML(typ="safe", pure=True).load(match[1]) or {} if match else None
    except YAMLError as error:
        problem = names.one_line(str(error))
        raise UserError(f"{file}: front matter: not YAML (a text with a colon in it must be in quotes): {problem}") from None
    if isinstance(fields, dict):
        return Row(str(file), fields), text[match.end() :]
    return Row(str(file), {}), text  # no front matter, or prose between two horizontal rules


def _check_text(where: str, field: str, no_text: re.Pattern, text: str) -> None:
    if not unescape(no_text.sub("", text)).strip():
        raise UserError(f"{where}: {field}: empty but for markup and white space: {text[:40]!r}: give it text, or take the document out")


def _add(questions: dict[str, tuple], question: Question, identity: str, where: str) -> None:
    """A question read twice is one question; two questions of one id are an error."""
    *known, place = questions.setdefault(question.id, (question, identity, where))
    if known != [question, identity]:
        raise UserError(f"{where}: question_unique_id: {question.id!r} is another question in {place}: give each its own id")


def _with_questions(found: dict[str, Article], questions: dict[str, tuple]) -> list[Article]:
    by_document = {identity: [] for identity in found}
    for question, identity, _ in questions.values():
        by_document[identity].append(question)
    return [replace(article, questions=by_document[identity]) for identity, article in found.items()]
