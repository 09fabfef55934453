"""Rows in QuALITY's terms, and how they add up to documents."""

import re
from collections.abc import Iterable
from dataclasses import replace

from closedbook.sources.article import Article, add, author_in_prose, check_text, document_id, one_line, with_questions
from closedbook.sources.rows import Row
from closedbook.util.errors import UserError

TAG = re.compile(r"</?(?:p|br|div|h[1-6]|body|html)\b[^<>]*>", re.IGNORECASE)


def of_rows(rows: Iterable[Row]) -> list[Article]:
    """Rows of one title and author, of two writers or two splits, are one document with all their questions."""
    found, places, questions = {}, {}, {}
    for row in rows:
        article = of_row(row)
        identity = _identity(article.title, article.author)
        place = places.setdefault(identity, row.where)
        found[identity] = _joined(found.get(identity, article), article, place, row.where)
        for question in row.questions():
            add(questions, question, identity, row.where)
    return with_questions(found, questions)


def _identity(title: str, author: str | None) -> str:
    return f"{title}\n{author or ''}".casefold()


def of_row(row: Row) -> Article:
    title, author = one_line(row.text("title")), author_in_prose(row.optional_text("author"))
    text = row.text("article")
    is_html = bool(TAG.search(text))
    check_text(row.where, "article", text, is_html)
    identifier = document_id(title, _identity(title, author))
    return Article(id=identifier, title=title, author=author, year=row.year(), text=text, is_html=is_html, license=row.license(),
                   questions=[], summaries=row.summaries())


def _joined(first: Article, further: Article, place: str, where: str) -> Article:
    """Two rows of a document must agree; one may know the year or licence where the other does not."""
    if first.text != further.text and first.text.split() != further.text.split():
        raise UserError(f"{where}: article: another text than in {place}, though title and author are the same ({first.title!r}):"
                        " keep one of them (HTML or html-stripped files, not both), or give the other its own title")
    if first.year and further.year and first.year != further.year:
        raise UserError(f"{where}: year: must be {first.year} as in {place}, for the same document, not {further.year}")
    summaries = [*dict.fromkeys([*first.summaries, *further.summaries])]
    return replace(first, year=first.year or further.year, license=_both(first.license, further.license), summaries=summaries)


def _both(first: str | None, further: str | None) -> str | None:
    """One licence, or each that is stated for the same document: none is left out."""
    if first and further and further not in first:
        return f"{first}; {further}"
    return first or further
