"""The documents stage: an article becomes a document of clean paragraphs, and its questions a file of their own.

    PYTHONPATH=src python -m closedbook job documents/ID
"""

import re
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from closedbook.params import Limits
from closedbook.records import Document
from closedbook.sources import markup
from closedbook.sources.article import Article
from closedbook.sources.cleaning import clean
from closedbook.util import files, units

HEADING = re.compile(r"#{1,6} ")
ITEM = re.compile(r"(?:[-*+•|]|\d{1,2}[.)])(?: |$)")
STRAY_SPACE = re.compile(r"(?<![.]) ([,.])(?=[\"'”’)]|$| (?!\.))")


def job(*, params: SimpleNamespace, limits: Limits, **paths: Path) -> dict:
    return build(**paths)


def build(*, source: Path, document: Path, questions: Path) -> dict:
    """Write a Document, and its questions with all that a scorer needs: Question's fields, and document, title, author, year and, of a
    document that is learnt from one training seed alone, that seed. Returns what of the source's file was left out, if anything was."""
    article = Article.from_dict(files.read_json(source))
    document_of(article).write(document)
    about = {"document": article.id, "title": article.title, "author": article.author, "year": article.year,
             "seed": article.seed}
    files.write_json(questions, [{**asdict(question), **about} for question in article.questions])
    return {"left_out": article.left_out} if article.left_out else {}


def document_of(article: Article) -> Document:
    paragraphs = html_paragraphs(article.text) if article.is_html else plain_paragraphs(article.text, article.title)
    text = "\n\n".join(paragraphs)
    assert text, f"{article.id}: an article without text got past the plan"
    return Document(id=article.id, title=article.title, author=article.author, year=article.year, text=text, license=article.license)


def html_paragraphs(html: str) -> list[str]:
    return _clean(markup.read(html).paragraphs)


def plain_paragraphs(text: str, title: str) -> list[str]:
    """Paragraphs of hard-wrapped text, each on one line: they end at blank lines, and Markdown's headings, items and rows stand alone. A line
    that an ideographic space indents begins one.

    A text without any blank line, as Slate's in QuALITY, has a paragraph's end where a sentence (or the title) ends on a line
    into which the next word would have fitted.
    """
    written = markup.without_comments(text).strip().splitlines()
    lines = [" ".join(line.split()) for line in written]
    width = None if "" in lines else sorted(map(len, lines))[len(lines) * 9 // 10]  # not the longest: one line may stick out
    paragraphs, before = [[]], ""
    for line, as_written in zip(lines, written):
        if as_written.startswith("\u3000") or _begins_paragraph(line, before, width, title):
            paragraphs.append([])
        paragraphs[-1].append(line)
        before = line
    return _clean("\n".join(lines) for lines in paragraphs)


def _begins_paragraph(line: str, before: str, width: int | None, title: str) -> bool:
    if not (line and before) or HEADING.match(before) or HEADING.match(line) or ITEM.match(line):
        return True
    if width is None or not (units.PARAGRAPH_END.search(before) or before.casefold() == title.casefold()):
        return False
    return len(before) + 1 + len(units.words(line)[0]) <= width


def _clean(paragraphs) -> list[str]:
    """Each on one line with single spaces, and none before a comma or full stop, where taken-away markup leaves some."""
    lines = (STRAY_SPACE.sub(r"\1", " ".join(clean(units.unwrapped(paragraph)).split())) for paragraph in paragraphs)
    return [line for line in lines if line]
