"""A folder of files, each a document: texts as they are, other formats converted, and the questions about them."""

import difflib
import logging
import re
import unicodedata
from pathlib import Path

from closedbook.errors import UserError
from closedbook.sources import formats, listing, names
from closedbook.sources.article import Article, add, check_text, with_questions
from closedbook.sources.rows import Row, read_rows, read_text

FRONT_MATTER = re.compile(r"---[ \t\r]*\n(.*?)^---[ \t\r]*$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#[ \t]+(.*?)(?:[ \t]+#+)?[ \t\r]*$", re.MULTILINE)

log = logging.getLogger(__name__)


def articles(path: Path) -> list[Article]:
    """Each file is a document, known by its relative path; questions.jsonl in the folder itself holds the questions, if any.

    A single file has no questions.
    """
    found, questions = _read(named(path)), {}
    formats.forget({article.id for article in found.values()})
    rows = path / listing.QUESTIONS
    for row in read_rows(rows) if rows.is_file() else []:
        name = unicodedata.normalize("NFC", row.text("document"))
        if name not in found:
            near = difflib.get_close_matches(name, found, n=1, cutoff=0.4)
            raise row.wrong("document", f"must be the relative path of a document{f' ({near[0]!r}?)' if near else ''}")
        add(questions, row.question(), name, row.where)
    return with_questions(found, questions)


def named(path: Path) -> dict[str, Path]:
    """The files of a folder of texts by what each is known by."""
    root = path if path.is_dir() else path.parent
    return {unicodedata.normalize("NFC", file.relative_to(root).as_posix()): file for file in listing.files(path, "folder")}


def _read(named: dict[str, Path]) -> dict[str, Article]:
    """Raises UserError that names every file that gives no text, not only the first."""
    found, unreadable = {}, []
    for name, file in named.items():
        try:
            formats.bounds.check_file(file)
            found[name] = _converted(file, name) if file.suffix.lower() in formats.CONVERTERS else _text(file, name)
            formats.bounds.check_text(len(found[name].text))
        except formats.Unreadable as problem:
            unreadable.append(f"{file}: {problem}")
    if unreadable:
        count = f"{len(unreadable)} of {len(named)} files can't be read: mend them, or take them out of the folder"
        raise UserError("\n".join([*unreadable, count]))
    return found


def _converted(file: Path, name: str) -> Article:
    """A file of another format. Its own date is not taken for the text's year: it is mostly that of the file."""
    identifier = names.document_id(file.stem, name)
    read = formats.read(file, identifier)
    if read.left_out:
        log.warning("%s: left out: %s", file, "; ".join(read.left_out))
    return Article(id=identifier, title=names.one_line(read.title or "") or file.stem, author=names.author_in_prose(read.author), year=None,
                   text=read.text, is_html=read.is_html, license=names.one_line(read.license or "") or None, questions=[])


def _text(file: Path, name: str) -> Article:
    front, text = _front_matter(file, read_text(file))
    check_text(str(file), "text", text, is_html=False)
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
