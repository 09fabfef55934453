"""PDF files, through pdfminer.six: lines and where they stand on the page become paragraphs.

A PDF holds no paragraphs. Rules put them together where they are sure; see `_without_edges` for what repeats on each page, `_joined` for
words that a line's end cut in two.
"""

import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import atan2, pi

from closedbook.sources.formats import common
from closedbook.sources.formats.common import Converted, Unreadable
from closedbook.util import units

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
NEAR = 4
"""points: how far two lines may stand apart and be at one height"""
CUT = re.compile(r"(?<![^\W\d_])([^\W\d_]+)[-‐\u00ad]$")
REST = re.compile(r"[^\W\d_]+")
WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
LIGATURES = re.compile("[\ufb00-\ufb06]")
INDENT = 0.6
"""of a line's height: less is no indent"""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a page; lengths in points, from the page's lower left corner."""

    text: str
    left: float
    right: float
    bottom: float
    height: float


def convert(data: bytes) -> Converted:
    from pdfminer.pdfdocument import PDFDocument, PDFPasswordIncorrect
    from pdfminer.pdfparser import PDFParser

    try:
        document = PDFDocument(PDFParser(io.BytesIO(data)))
        about = _about(document)
        pages = list(_pages(document))
    except PDFPasswordIncorrect:
        raise Unreadable("encrypted: save a copy without its password") from None
    boxes = [page for page, _ in pages]
    if not any(boxes):
        raise Unreadable(f"no text on any of its {len(pages)} pages: a scan needs OCR first (ocrmypdf, for one)")
    kept, repeated = _without_edges(boxes)
    text = "\n\n".join(paragraphs([box for page in kept for box in page]))
    glyphs, leftwards = GLYPH.findall(text), LEFTWARDS.findall(text)
    text = LEFTWARDS.sub("", GLYPH.sub("", text))
    if len(glyphs) > MOST_UNSURE * (len(glyphs) + len(text)):
        raise Unreadable(f"{len(glyphs):,} characters of fonts that do not say what they mean: print it to PDF anew, or use OCR")
    if len("".join(leftwards)) > MOST_UNSURE * len(text):
        raise Unreadable(f"{len(leftwards):,} words of a script that is read from right to left, whose letters a PDF holds in no sure "
                         "order: save it as DOCX, HTML or text")
    left_out = _left_out(boxes, repeated, len(glyphs), len(leftwards), sum(beside for _, beside in pages))
    return Converted(**about, text=text, is_html=False, left_out=list(left_out))


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


def _pages(document) -> Iterator[tuple[list[list[Line]], int]]:
    """The boxes of each page, turned so that most of its letters stand upright, and how many letters are in none of them."""
    from pdfminer import layout
    from pdfminer.converter import PDFPageAggregator
    from pdfminer.layout import LAParams
    from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
    from pdfminer.pdfpage import PDFPage

    resources = PDFResourceManager()
    device = PDFPageAggregator(resources, laparams=LAParams(all_texts=True))
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
        boxes = _boxes(found)
        length += sum(len(line.text) for box in boxes for line in box)
        common.check_length(length)
        yield boxes, _inked(letter.get_text() for letter in _letters(found)) - _inked(line.text for box in boxes for line in box)


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


def _boxes(page) -> list[list[Line]]:
    """A page's blocks of lines in reading order. Text inside of figures counts only where the page has no other: some are one figure."""
    from pdfminer.layout import LTFigure, LTTextBox

    boxes = [item for item in page if isinstance(item, LTTextBox)]
    if not boxes:
        boxes = [item for figure in page if isinstance(figure, LTFigure) for item in figure if isinstance(item, LTTextBox)]
    found = [[line for item in box if (line := _line(item))] for box in boxes]
    return [box for box in found if box]


def _line(item) -> Line | None:
    """None for an empty line and for one that does not stand upright on the page, as a stamp on its side."""
    from pdfminer.layout import LTChar

    text, letters = " ".join(item.get_text().split()), [letter for letter in item if isinstance(letter, LTChar)]
    if not text or not letters or _turn(letters[0]):
        return None
    return Line(text=text, left=item.x0, right=item.x1, bottom=item.y0, height=item.height)


def _without_edges(pages: list[list[list[Line]]]) -> tuple[list[list[list[Line]]], int]:
    """The pages without what stands at the edge of page after page and is no part of the text, page numbers and running heads; and how many
    lines that are. Edge by edge: a head may stand above a number."""
    gone = 0
    while repeated := _repeated(pages):
        pages = [[kept for box in page if (kept := [line for line in box if (number, line) not in repeated])]
                 for number, page in enumerate(pages)]
        gone += len(repeated)
    return pages, gone


def _repeated(pages: list[list[list[Line]]]) -> set[tuple[int, Line]]:
    """(page, line) of the outermost lines: page numbers, what stands at a page number's height, and what is the same on several pages."""
    edges = [(number, line) for number, page in enumerate(pages) for line in _outermost([line for box in page for line in box])]
    offsets = Counter(offset for number, line in edges for offset in _offsets(number, line))
    numbered = {(number, round(line.bottom / NEAR)) for number, line in edges
                if any(offsets[offset] >= PAGES for offset in _offsets(number, line))}
    same = defaultdict(set)
    for number, line in edges:
        same[_key(line)].add(number)
    return {(number, line) for number, line in edges
            if len(same[_key(line)]) >= PAGES or (number, round(line.bottom / NEAR)) in numbered}


def _outermost(lines: list[Line]) -> list[Line]:
    """The lines of a page that are at the height of its first or its last one."""
    if not lines:
        return []
    heights = [line.bottom for line in lines]
    return [line for line in lines if line.bottom > max(heights) - NEAR or line.bottom < min(heights) + NEAR]


def _offsets(page: int, line: Line) -> list[int]:
    """By how much the number that a line consists of is ahead of the page; nothing for other lines."""
    match = NUMBER.fullmatch(line.text)
    return [] if not match else [(int(match[1]) if match[1].isdecimal() else _roman(match[1].lower())) - page]


def _roman(digits: str) -> int:
    values = [ROMAN[digit] for digit in digits]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))


def _key(line: Line) -> tuple[str, int]:
    """Its words, numbers apart ("Chapter 3 · 17"), and its height."""
    return re.sub(r"\d+", "#", line.text), round(line.bottom / NEAR)


def paragraphs(boxes: list[list[Line]]) -> list[str]:
    """The paragraphs of all boxes in order; one that goes on in the next box (or on the next page) is put together."""
    found: list[list[str]] = []
    for texts in (texts for box in boxes for texts in _of_box(box)):
        if found and texts[0][0].islower() and not units.PARAGRAPH_END.search(found[-1][-1]):
            found[-1] += texts
        else:
            found.append(texts)
    known = _words(found)
    return [LIGATURES.sub(lambda one: unicodedata.normalize("NFKC", one[0]), _joined(texts, known)) for texts in found]


def _of_box(box: list[Line]) -> Iterator[list[str]]:
    """A box is one paragraph, or several that stand apart by indents or by last lines into which the next word would have fitted."""
    left, right = min(line.left for line in box), max(line.right for line in box)
    texts = [box[0].text]
    for before, line in zip(box, box[1:]):
        room = (len(units.words(line.text)[0]) + 1) * (line.right - line.left) / len(line.text)
        indented = line.left - left > INDENT * line.height and before.left - left < INDENT * line.height
        if units.PARAGRAPH_END.search(before.text) and (indented or before.right + room < right):
            yield texts
            texts = []
        texts.append(line.text)
    yield texts


def _words(found: list[list[str]]) -> Counter:
    """How often each word stands whole in a line, hyphens inside it included."""
    known = Counter()
    for texts in found:
        for before, text in zip(["", *texts], texts):
            begins = REST.match(text) if CUT.search(before) else None
            whole = CUT.sub("", text[begins.end() :] if begins else text)
            known.update(WORD.findall(whole.lower()))
    return known


def _joined(texts: list[str], known: Counter) -> str:
    whole = []
    for before, text in zip(["", *texts], texts):
        cut, rest = CUT.search(before), REST.match(text)
        if not cut or not rest or rest[0][0].isupper():
            whole += ["\n", text]
        else:
            if before.endswith("\u00ad") or _is_one_word(cut[1].lower(), rest[0].lower(), known):
                whole[-1] = whole[-1][:-1]
            whole.append(text)
    return units.unwrapped("".join(whole[1:]).replace("\u00ad", "")).replace("\n", " ")


def _is_one_word(first: str, second: str, known: Counter) -> bool:
    """Whether the hyphen came with the line's end: the document has the word without it, or nowhere has either half as a word.

    Where that is not sure, the hyphen stays.
    """
    solid, hyphenated = known[first + second], known[f"{first}-{second}"]
    return solid > hyphenated or not (hyphenated or known[first] or known[second])
