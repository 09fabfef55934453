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
from closedbook.sources.rows import Row, read_rows, read_table, read_text, short
from closedbook.util import units
from closedbook.util.errors import UserError, did_you_mean

HEADING = re.compile(r"^#[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)
FIELDS = ("title", "author", "year", "license")
"""of front matter"""
OPENING = re.compile(r"---[ \t]*\n")
BLOCK = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
FIELD = re.compile(rf"^(?:{'|'.join(FIELDS)})[ \t]*:(?:\s|$)", re.MULTILINE)
TITLE = re.compile(r"\s*(?P<title>[^\n]{0,100}?[^\n.,:;!?…。！？])[ \t]*\n(?:[=~*-]{3,}[ \t]*\n|(?=[ \t]*\n))")
"""a line that no stop ends, underlined or with an empty line after it"""
TITLE_WORDS = 15
VERSION = re.compile(r"(?:(?<=\d{4})|[ _.-])v\d+(?:\.\d+)*(?=\.pdf$)|[ _]?\(\d{1,2}\)(?=\.pdf$)", re.IGNORECASE)
"""at the end of a paper's name"""
KEY = re.compile(r"[\w-]+[ \t]*:(?:\s|$)")

log = logging.getLogger(__name__)


def articles(path: Path, papers: bool = False) -> list[Article]:
    """Each file is a document, known by its relative path; questions.jsonl or questions.csv in the folder itself holds the questions, if any,
    and summaries.jsonl what people wrote of the documents in short.

    A single file has none of these. With `papers`, PDFs are read as papers and known by their name without its version.
    """
    found, questions = _read(named(path, papers), papers), {}
    formats.forget({article.id for article in found.values()})
    for file in row_files(path):
        for name, row in _about(file, found, papers):
            if file.name == listing.SUMMARIES:
                found[name] = replace(found[name], summaries=[*found[name].summaries, row.text("summary")])
            else:
                add(questions, row.question(), name, row.where)
    return with_questions(found, questions)


def _about(file: Path, found: dict[str, Article], papers: bool) -> Iterator[tuple[str, Row]]:
    """The rows of a file, each with the name of the document that it is about."""
    for row in rows_of(file):
        name = document_named(row, papers)
        if name not in found:
            hint = did_you_mean(name, found)
            raise row.wrong("document", f"must be the relative path of a document{f' ({hint})' if hint else ''}")
        yield name, row


def named(path: Path, papers: bool) -> dict[str, Path]:
    """The files of a folder of texts by what each is known by. Raises UserError for two names that are one in Unicode's composed form, and for
    two versions of a paper."""
    root, found = path if path.is_dir() else path.parent, {}
    for file in listing.files(path, "folder"):
        name = known_as(file.relative_to(root).as_posix(), papers)
        if name in found:
            other = found[name].relative_to(root).as_posix()
            if known_as(other) != known_as(file.relative_to(root).as_posix()):
                raise UserError(f"{file}: looks like another version of {found[name]}, for both are known as {name}: keep one of them, or "
                                "rename one if they are two papers")
            raise UserError(f"{file}: {name}: the same name as another file's, in Unicode's composed and decomposed form "
                            f"({ascii(other)}, {ascii(file.relative_to(root).as_posix())}): rename one of them")
        found[name] = file
    return found


def known_as(name: str, papers: bool = False) -> str:
    """By what a file of a relative path is known: this, and of a paper without its version (2409.07431v2.pdf, lamps-v3.pdf, lamps (1).pdf)."""
    name = unicodedata.normalize("NFC", name)
    return VERSION.sub("", name) if papers else name


def row_files(path: Path) -> list[Path]:
    """The files about its documents that a folder has; none of a single file."""
    return [file for name in (*listing.QUESTIONS, listing.SUMMARIES) if (file := path / name).is_file()]


def rows_of(file: Path) -> list[Row]:
    return (read_table if file.suffix == ".csv" else read_rows)(file)


def document_named(row: Row, papers: bool) -> str:
    """What a document is known by whose relative path, in whichever version, a question or a summary gives."""
    return known_as(row.text("document", is_name=True), papers)


def identifier(name: str) -> str:
    """The id of the document that is known by a name."""
    return document_id(Path(name).stem, name)


def _read(named: dict[str, Path], papers: bool) -> dict[str, Article]:
    """Raises UserError that names every file that gives no text, not only the first."""
    found, unreadable, unused = {}, [], defaultdict(list)
    for name, file in named.items():
        try:
            formats.common.check_file(file)
            found[name] = _converted(file, name, papers) if file.suffix.lower() in formats.CONVERTERS else _text(file, name, unused)
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


def _converted(file: Path, name: str, papers: bool) -> Article:
    """A file of another format. Its own date is not taken for the text's year: it is mostly that of the file."""
    read = formats.read(file, identifier(name), papers and file.suffix.lower() == ".pdf")
    if read.left_out:
        log.warning("%s: left out: %s", file, "; ".join(read.left_out))
    return Article(id=identifier(name), title=one_line(read.title or "") or _by_name(file), author=author_in_prose(read.author), year=read.year,
                   text=read.text, is_html=read.is_html, license=one_line(read.license or "") or None, questions=[], left_out=read.left_out)


def _text(file: Path, name: str, unused: dict[str, list[Path]]) -> Article:
    """Adds the fields of its front matter that nothing reads to `unused`."""
    front, text = _front_matter(file, clean(read_text(file)))
    for field in front.fields:
        if field not in FIELDS:
            unused[one_line(str(field))].append(file)
    check_text(str(file), "text", text, is_html=False)
    heading = HEADING.search(text) if file.suffix.lower() == ".md" else None
    title = front.optional_text("title") or (heading and one_line(heading[1])) or first_line(text) or _by_name(file)
    author = author_in_prose(front.optional_text("author"))
    return Article(id=identifier(name), title=one_line(title), author=author, year=front.year(),
                   text=text, is_html=False, license=front.license(), questions=[])


def first_line(text: str) -> str | None:
    """The first line of a text where it is plainly its title: a short line that stands alone, begins as a title does, ends no sentence, and
    is followed by longer text."""
    alone = TITLE.match(text)
    if not alone or units.count(alone["title"]) > TITLE_WORDS or not (alone["title"][0].isupper() or units.is_unspaced(alone["title"][0])):
        return None
    after = re.split(r"\n\s*\n", text[alone.end() :].strip(), maxsplit=1)[0]
    return one_line(alone["title"]) if units.count(after) > units.count(alone["title"]) else None


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
