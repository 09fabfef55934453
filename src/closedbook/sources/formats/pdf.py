"""PDF files, through pdfminer.six: lines and where they stand on the page become paragraphs.

A PDF holds no paragraphs. Rules put them together where they are sure; see `_without_edges` for what repeats on each page, `columns` for the
order in which a page is read, `lines` for how its lines become paragraphs, and `paper` for what papers have.
"""

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from math import atan2, pi
from statistics import median
from typing import NamedTuple

from closedbook.sources.formats import columns, common, paper
from closedbook.sources.formats.common import Converted, Unreadable
from closedbook.sources.formats.lines import Line, paragraphs

NO_TITLE = re.compile(r"untitled.*|microsoft word - .*|.*\.(docx?|rtf|odt|tex|dvi|indd|qxd|pdf|ps|pages)", re.IGNORECASE)
"""what programs write where a title should be"""
GLYPH = re.compile(r"\(cid:\d+\)")
"""a character whose font does not say what it means"""
LEFTWARDS = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]+")
"""a word of a script that is read from right to left: a page does not say in which order its letters stand"""
MOST_UNSURE = 0.02
"""of all characters; a text with more of either is no text to learn from"""
NUMBER = re.compile(r"(?:page )?[-–—(\[ ]*(\d{1,4}|[ivxlc]{1,8})[-–—)\] ]*(?:(?:of|/) ?\d{1,4})?", re.IGNORECASE)
ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
PAGES = 3
"""on fewer, that something comes back is no proof"""
PAGES_OF_A_PAPER = 2
"""the same of papers, which are short, and where odd and even pages may differ"""
NEAR = 4
"""points: how far two lines may stand apart and be at one height"""


class Page(NamedTuple):
    boxes: list[list[Line]]
    """in reading order"""
    beside: int
    """letters that are in none of them"""
    aside: str
    """those of them that stand at an angle, in the order in which they were drawn"""


def convert(data: bytes) -> Converted:
    return _converted(data, is_paper=False)


def convert_paper(data: bytes) -> Converted:
    """The same of a paper: without its references and footnotes, tables row by row, with the year that its first page names."""
    return _converted(data, is_paper=True)


def _converted(data: bytes, is_paper: bool) -> Converted:
    from pdfminer.pdfdocument import PDFDocument, PDFPasswordIncorrect
    from pdfminer.pdfparser import PDFParser

    try:
        document = PDFDocument(PDFParser(io.BytesIO(data)))
        about = _about(document)
        pages = list(_pages(document, is_paper))
    except PDFPasswordIncorrect:
        raise Unreadable("encrypted: save a copy without its password") from None
    boxes = [page.boxes for page in pages]
    if not any(boxes):
        raise Unreadable(f"no text on any of its {len(pages)} pages: a scan needs OCR first (ocrmypdf, for one)")
    kept, repeated = _without_edges(boxes, PAGES_OF_A_PAPER if is_paper else PAGES)
    flow, said = [box for page in kept for box in page], []
    if is_paper:
        read = paper.read(kept, [line for box in boxes[0] for line in box], pages[0].aside, about)
        about, flow, said = {"title": read.title, "author": read.author, "year": read.year}, read.boxes, read.left_out
    text = "\n\n".join(paragraphs(flow))
    glyphs, leftwards = GLYPH.findall(text), LEFTWARDS.findall(text)
    text = LEFTWARDS.sub("", GLYPH.sub("", text))
    if len(glyphs) > MOST_UNSURE * (len(glyphs) + len(text)):
        raise Unreadable(f"{len(glyphs):,} characters of fonts that do not say what they mean: print it to PDF anew, or use OCR")
    if len("".join(leftwards)) > MOST_UNSURE * len(text):
        raise Unreadable(f"{len(leftwards):,} words of a script that is read from right to left, whose letters a PDF holds in no sure "
                         "order: save it as DOCX, HTML or text")
    left_out = _left_out(boxes, repeated, len(glyphs), len(leftwards), sum(page.beside for page in pages))
    return Converted(**about, text=text, is_html=False, left_out=[*left_out, *said])


def _left_out(pages: list, repeated: int, glyphs: int, leftwards: int, beside: int) -> Iterator[str]:
    empty = [str(number) for number, boxes in enumerate(pages, start=1) if not boxes]
    if empty:
        yield f"page {', '.join(empty)}: no text there, as on a scan or a picture"
    if repeated:
        yield f"{repeated} page numbers and running heads"
    if glyphs:
        yield f"{glyphs} characters that their fonts do not explain"
    if leftwards:
        yield f"{leftwards} words that are read from right to left"
    if beside:
        yield f"{beside} letters that stand in figures, or at an angle to their page's text"


def _about(document) -> dict[str, str | None]:
    from pdfminer.pdftypes import resolve1

    found = {}
    for info in document.info:
        for name in ("Title", "Author"):
            value = resolve1(info.get(name))
            found[name] = " ".join((_decoded(value) if isinstance(value, bytes) else "").replace("\0", "").split())
    title = found.get("Title", "")
    return {"title": None if NO_TITLE.fullmatch(title) else title or None, "author": found.get("Author") or None}


def _decoded(value: bytes) -> str:
    """UTF-8 with its mark is PDF 2.0's; without it some programs write it all the same, and chance hardly ever does."""
    from pdfminer.utils import decode_text

    try:
        return decode_text(value) if value.startswith(b"\xfe\xff") else value.decode("utf-8-sig")
    except UnicodeDecodeError:
        return decode_text(value)


def _pages(document, is_paper: bool) -> Iterator[Page]:
    """Each page, turned so that most of its letters stand upright."""
    from pdfminer import layout
    from pdfminer.converter import PDFPageAggregator
    from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
    from pdfminer.pdfpage import PDFPage

    resources = PDFResourceManager()
    device = PDFPageAggregator(resources)
    interpreter, length = PDFPageInterpreter(resources, device), 0
    for page in PDFPage.create_pages(document):
        for _ in range(2):
            # it orders boxes at equal distances by id, which is where in memory they lie; from here on, by when it meets them
            layout.id = defaultdict(count().__next__).__getitem__
            interpreter.process_page(page)
            found = device.get_result()
            turns = Counter(map(_turn, _letters(found)))
            turn = max(turns, key=turns.get, default=0)
            if not turn:
                break
            page.rotate = (page.rotate + turn) % 360
        letters = list(_letters(found))[::-1]
        upright = _upright(found)
        boxes = _in_columns(upright, is_paper)
        read = (letter.get_text() for letter in upright)
        if not boxes:
            boxes = _boxes(found)
            read = (line.text for box in boxes for line in box)
        length += sum(len(line.text) for box in boxes for line in box)
        common.check_length(length)
        yield Page(boxes, beside=_inked(letter.get_text() for letter in letters) - _inked(read),
                   aside="".join(letter.get_text() for letter in letters if _turn(letter)))


def _inked(texts: Iterable[str]) -> int:
    return sum(len("".join(text.split())) for text in texts)


def _letters(item) -> Iterator:
    from pdfminer.layout import LTChar, LTContainer

    waiting = [item]
    while waiting:
        item = waiting.pop()
        if isinstance(item, LTChar):
            yield item
        elif isinstance(item, LTContainer):
            waiting += item


def _turn(letter) -> int:
    """By how many degrees, a multiple of 90, a page must be turned clockwise for a letter to stand upright."""
    across, up, *_ = letter.matrix
    return round(atan2(up, across) / (pi / 2)) * 90 % 360


def _upright(page) -> list:
    """The letters of a page that stand upright and have a size; those in figures where there are no others."""
    from pdfminer.layout import LTChar, LTFigure

    own = [item for item in page if isinstance(item, LTChar)]
    within = [letter for figure in page if isinstance(figure, LTFigure) for letter in list(_letters(figure))[::-1]]
    return [letter for letter in own or within if letter.size > 0 and not _turn(letter)]


def _in_columns(letters: list, is_paper: bool) -> list[list[Line]]:
    """The blocks of lines of a page of two columns, and of each page of a paper; nothing of another page."""
    stretches = columns.columns(columns.rows(letters))
    if not is_paper:
        return [box for stretch in stretches or [] for box in _blocks(columns.rows(stretch), is_paper)]
    return [box for stretch in stretches or [letters] for is_table, rows in columns.tables(columns.rows(stretch))
            for box in (map(_cells, rows) if is_table else _blocks(rows, is_paper))]


def _blocks(rows: list[columns.Row], is_paper: bool) -> list[list[Line]]:
    return [[_of_row(row, is_paper) for row in box] for box in columns.boxes(columns.whole(rows))]


def _of_row(row: columns.Row, is_paper: bool) -> Line:
    text = columns.written(row.letters, paper.raised(row) if is_paper else lambda letter: "")
    line = Line(text=text, left=row.segments[0][0], right=row.segments[-1][1], bottom=min(letter.y0 for letter in row.letters), height=row.size)
    if not is_paper:
        return line
    font = Counter(letter.fontname for letter in row.letters).most_common(1)[0][0]
    return replace(line, size=median(letter.size for letter in row.letters), font=font)


def _cells(row: columns.Row) -> list[Line]:
    """A row of a table, as in Markdown."""
    return [replace(_of_row(row, is_paper=True), text=f"| {' | '.join(columns.cells(row))} |", kind="inserted")]


def _boxes(page) -> list[list[Line]]:
    """A page's blocks of lines in reading order. Text inside of figures counts only where the page has no other: some are one figure."""
    from pdfminer.layout import LAParams, LTFigure, LTTextBox

    page.analyze(LAParams(all_texts=True))
    if any(isinstance(item, LTTextBox) for item in page):
        return _lines(page)
    return [box for figure in page if isinstance(figure, LTFigure) for box in _lines(figure)]


def _lines(container) -> list[list[Line]]:
    from pdfminer.layout import LTTextBox

    found = [[line for item in box if (line := _line(item))] for box in container if isinstance(box, LTTextBox)]
    return [box for box in found if box]


def _line(item) -> Line | None:
    """None for an empty line and for one that does not stand upright on the page, as a stamp on its side."""
    from pdfminer.layout import LTChar

    text, letters = " ".join(item.get_text().split()), [letter for letter in item if isinstance(letter, LTChar)]
    if not text or not letters or _turn(letters[0]):
        return None
    return Line(text=text, left=item.x0, right=item.x1, bottom=item.y0, height=item.height)


def _without_edges(pages: list[list[list[Line]]], enough: int = PAGES) -> tuple[list[list[list[Line]]], int]:
    """The pages without what stands at the edge of page after page and is no part of the text, page numbers and running heads; and how many
    lines that are. Edge by edge: a head may stand above a number. What comes back on `enough` pages repeats."""
    gone = 0
    while repeated := _repeated(pages, enough):
        pages = [[kept for box in page if (kept := [line for line in box if (number, line) not in repeated])]
                 for number, page in enumerate(pages)]
        gone += len(repeated)
    return pages, gone


def _repeated(pages: list[list[list[Line]]], enough: int) -> set[tuple[int, Line]]:
    """(page, line) of the outermost lines: page numbers, what stands at a page number's height, and what is the same on several pages."""
    edges = [(number, line) for number, page in enumerate(pages) for line in _outermost([line for box in page for line in box])]
    offsets = Counter(offset for number, line in edges for offset in _offsets(number, line))
    numbered = {(number, round(line.bottom / NEAR)) for number, line in edges
                if any(offsets[offset] >= enough for offset in _offsets(number, line))}
    same = defaultdict(set)
    for number, line in edges:
        same[_key(line)].add(number)
    return {(number, line) for number, line in edges
            if len(same[_key(line)]) >= enough or (number, round(line.bottom / NEAR)) in numbered}


def _outermost(lines: list[Line]) -> list[Line]:
    """The lines of a page that are at the height of its first or its last one."""
    if not lines:
        return []
    heights = [line.bottom for line in lines]
    return [line for line in lines if line.bottom > max(heights) - NEAR or line.bottom < min(heights) + NEAR]


def _offsets(page: int, line: Line) -> list[int]:
    """By how much a number is ahead of the page that a line consists of, or that stands apart at one of its ends; nothing for other lines."""
    found = filter(None, map(NUMBER.fullmatch, {line.text, *line.text.split("\t")}))
    return [(int(match[1]) if match[1].isdecimal() else _roman(match[1].lower())) - page for match in found]


def _roman(digits: str) -> int:
    values = [ROMAN[digit] for digit in digits]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))


def _key(line: Line) -> tuple[str, int, int]:
    """Its words, numbers apart ("Chapter 3 · 17"), its height, and its size, where that is told: a title is no running head."""
    return re.sub(r"\d+", "#", line.text), round(line.bottom / NEAR), round(line.size)
