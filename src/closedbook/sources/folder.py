"""A folder of files, each a document: texts as they are, with their front matter, other formats converted, and the questions about them."""

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from closedbook.sources import formats, listing
from closedbook.sources.article import Article, add, author_in_prose, check_text, document_id, one_line, with_questions
from closedbook.sources.cleaning import clean
from closedbook.sources.rows import Row, read_rows, read_text, short
from closedbook.util.errors import UserError, did_you_mean

HEADING = re.compile(r"^#[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)
FIELDS = ("title", "author", "year", "license")
"""of front matter"""
OPENING = re.compile(r"---[ \t]*\n")
BLOCK = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
FIELD = re.compile(rf"^(?:{'|'.join(FIELDS)})[ \t]*:(?:\s|$)", re.MULTILINE)
KEY = re.compile(r"[\w-]+[ \t]*:(?:\s|$)")

log = logging.getLogger(__name__)


def articles(path: Path) -> list[Article]:
    """Each file is a document, known by its relative path; questions.jsonl in the folder itself holds the questions, if any, and
    summaries.jsonl what people wrote of the documents in short.

    A single file has none of these.
    """
    found, questions = _read(named(path)), {}
    formats.forget({article.id for article in found.values()})
    for name, row in _about(path / listing.QUESTIONS, found):
        add(questions, row.question(), name, row.where)
    for name, row in _about(path / listing.SUMMARIES, found):
        found[name] = replace(found[name], summaries=[*found[name].summaries, row.text("summary")])
    return with_questions(found, questions)


def _about(rows: Path, found: dict[str, Article]) -> Iterator[tuple[str, Row]]:
    """The rows of a file, if it is there, each with the name of the document that it is about."""
    for row in read_rows(rows) if rows.is_file() else []:
        name = document_named(row)
        if name not in found:
            hint = did_you_mean(name, found)
            raise row.wrong("document", f"must be the relative path of a document{f' ({hint})' if hint else ''}")
        yield name, row


def named(path: Path) -> dict[str, Path]:
    """The files of a folder of texts by what each is known by. Raises UserError for two names that are one in Unicode's composed form."""
    root, found = path if path.is_dir() else path.parent, {}
    for file in listing.files(path, "folder"):
        name = unicodedata.normalize("NFC", file.relative_to(root).as_posix())
        if name in found:
            other = found[name].relative_to(root).as_posix()
            raise UserError(f"{file}: {name}: the same name as another file's, in Unicode's composed and decomposed form "
                            f"({ascii(other)}, {ascii(file.relative_to(root).as_posix())}): rename one of them")
        found[name] = file
    return found


def document_named(row: Row) -> str:
    """The relative path by which a question or a summary names its document."""
    return unicodedata.normalize("NFC", row.text("document", is_name=True))


def _read(named: dict[str, Path]) -> dict[str, Article]:
    """Raises UserError that names every file that gives no text, not only the first."""
    found, unreadable, unused = {}, [], defaultdict(list)
    for name, file in named.items():
        try:
            formats.common.check_file(file)
            found[name] = _converted(file, name) if file.suffix.lower() in formats.CONVERTERS else _text(file, name, unused)
            formats.common.check_length(len(found[name].text))
        except formats.Unreadable as problem:
            unreadable.append(f"{file}: {problem}")
        except OSError as problem:
            unreadable.append(f"{file}: {problem.strerror}")
    if unused:
        told = (f"{field} ({of[0]}{f' and {len(of) - 1} more' if of[1:] else ''})" for field, of in unused.items())
        log.warning("front matter: not used: %s", "; ".join(told))
    if unreadable:
        count = f"{len(unreadable)} of {len(named)} files can't be read: mend them, or take them out of the folder"
        raise UserError("\n".join([*unreadable, count]))
    return found


def _converted(file: Path, name: str) -> Article:
    """A file of another format. Its own date is not taken for the text's year: it is mostly that of the file."""
    identifier = document_id(file.stem, name)
    read = formats.read(file, identifier)
    if read.left_out:
        log.warning("%s: left out: %s", file, "; ".join(read.left_out))
    return Article(id=identifier, title=one_line(read.title or "") or _by_name(file), author=author_in_prose(read.author), year=None,
                   text=read.text, is_html=read.is_html, license=one_line(read.license or "") or None, questions=[])


def _text(file: Path, name: str, unused: dict[str, list[Path]]) -> Article:
    """Adds the fields of its front matter that nothing reads to `unused`."""
    front, text = _front_matter(file, clean(read_text(file)))
    for field in front.fields:
        if field not in FIELDS:
            unused[one_line(str(field))].append(file)
    check_text(str(file), "text", text, is_html=False)
    heading = HEADING.search(text) if file.suffix.lower() == ".md" else None
    title = front.optional_text("title") or (heading and one_line(heading[1])) or _by_name(file)
    author = author_in_prose(front.optional_text("author"))
    return Article(id=document_id(file.stem, name), title=one_line(title), author=author, year=front.year(),
                   text=text, is_html=False, license=front.license(), questions=[])


def _by_name(file: Path) -> str:
    return one_line(file.stem) or one_line(file.name)


def _front_matter(file: Path, text: str) -> tuple[Row, str]:
    """The fields of the YAML with which a text file may begin, between a line of --- and one of --- or of three dots; and what follows.

    A horizontal rule looks like its first line, and prose between two rules stays text: it is front matter where it names one of FIELDS, or
    else begins at once with one word and a colon, and so does each entry.

    Raises UserError for front matter that can't be read or never ends.
    """
    opening, block = OPENING.match(text), BLOCK.match(text)
    head = block[1] if block else re.split(r"\n[ \t]*\n", text[opening.end() :], maxsplit=1)[0] if opening else ""
    if block and not head.strip():
        return Row(str(file), {}), text[block.end() :]
    if not block and FIELD.search(head):
        raise UserError(f"{file}: front matter: begins in line 1 and never ends: close it with a line of ---")
    fields = _fields(file, head) if block and (FIELD.search(head) or KEY.match(head)) else None
    if not isinstance(fields, dict) or not (fields.keys() & set(FIELDS) or all(KEY.fullmatch(f"{name}:") for name in fields)):
        return Row(str(file), {}), text
    return Row(str(file), fields), text[block.end() :]


def _fields(file: Path, text: str):
    from ruamel.yaml import YAML

    try:
        return YAML(typ="safe", pure=True).load(text)
    except Exception as error:  # a value that YAML knows and Python does not, as 30 February, ends in any error
        raise UserError(f"{file}: front matter: {_culprit(text) or _not_yaml(error)}") from None


def _culprit(text: str) -> str | None:
    """The first field that can't be read by itself; None where the whole is no YAML."""
    from ruamel.yaml import YAML, MappingNode, ScalarNode

    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except Exception:
        return None
    for key, value in node.value if isinstance(node, MappingNode) else ():
        try:
            YAML(typ="safe", pure=True).constructor.construct_object(value, deep=True)
        except Exception as error:
            said = f" {short(value.value)}" if isinstance(value, ScalarNode) else ""
            field = one_line(str(key.value))[:80]
            return f"{field}:{said} can't be read ({_problem(error)}): correct it, put it in quotes as a text, or take it out"
    return None


def _not_yaml(error: Exception) -> str:
    return ("not YAML (a text with a colon in it must be in quotes; prose after a horizontal rule is distinguished from front matter by an empty "
            f"line after the rule): {_problem(error)}")


def _problem(error: Exception) -> str:
    """What is wrong and, where YAML says it, in which line of the file."""
    mark = getattr(error, "problem_mark", None)
    said = one_line(str(getattr(error, "problem", None) or error))[:120] or type(error).__name__
    return f"{said}, line {mark.line + 2}" if mark else said
