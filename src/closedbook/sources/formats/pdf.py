"""PDF files, through pdfminer.six: lines and where they stand on the page become paragraphs.

A PDF holds no paragraphs. Rules put them together where they are sure; see `margins` for what repeats on each page, `lines` for words
that a line's end cut in two.
"""

import io
import re
from collections.abc import Iterator

from closedbook.sources.formats import lines, margins
from closedbook.sources.formats.converted import Converted, Unreadable
from closedbook.sources.formats.lines import Line

NO_TITLE = re.compile(r"untitled.*|microsoft word - .*|.*\.(docx?|rtf|odt|tex|dvi|indd|qxd|pdf|ps|pages)", re.IGNORECASE)
"""what programs write where a title should be"""
GLYPH = re.compile(r"\(cid:\d+\)")
"""a character whose font does not say what it means"""
MOST_GLYPHS = 0.02
"""of all characters; a text with more of these is no text to learn from"""


def convert(data: bytes) -> Converted:
    from pdfminer.high_level import extract_pages
    from pdfminer.layout import LAParams
    from pdfminer.pdfdocument import PDFPasswordIncorrect

    try:
        about = _about(data)
        pages = [_boxes(page) for page in extract_pages(io.BytesIO(data), laparams=LAParams(all_texts=True))]
    except PDFPasswordIncorrect:
        raise Unreadable("encrypted: save a copy without its password") from None
    if not any(pages):
        raise Unreadable(f"no text on any of its {len(pages)} pages: a scan needs OCR first (ocrmypdf, for one)")
    kept, repeated = margins.without(pages)
    text = "\n\n".join(lines.paragraphs([box for page in kept for box in page]))
    glyphs = GLYPH.findall(text)
    if len(glyphs) > MOST_GLYPHS * len(GLYPH.sub(".", text)):
        raise Unreadable(f"{len(glyphs):,} characters of fonts that do not say what they mean: print it to PDF anew, or use OCR")
    return Converted(**about, text=GLYPH.sub("", text), is_html=False, left_out=list(_left_out(pages, repeated, len(glyphs))))


def _left_out(pages: list, repeated: int, glyphs: int) -> Iterator[str]:
    empty = [str(number) for number, boxes in enumerate(pages, start=1) if not boxes]
    if empty:
        yield f"page {', '.join(empty)}: no text there, as on a scan or a picture"
    if repeated:
        yield f"{repeated} page numbers and running heads"
    if glyphs:
        yield f"{glyphs} characters that their fonts do not explain"


def _about(data: bytes) -> dict[str, str | None]:
    from pdfminer.pdfdocument import PDFDocument
    from pdfminer.pdfparser import PDFParser
    from pdfminer.pdftypes import resolve1
    from pdfminer.utils import decode_text

    found = {}
    for info in PDFDocument(PDFParser(io.BytesIO(data))).info:
        for name in ("Title", "Author"):
            value = resolve1(info.get(name))
            found[name] = " ".join((decode_text(value) if isinstance(value, bytes) else "").replace("\0", "").split())
    title = found.get("Title", "")
    return {"title": None if NO_TITLE.fullmatch(title) else title or None, "author": found.get("Author") or None}


def _boxes(page) -> list[list[Line]]:
    """A page's blocks of lines in reading order. Text inside of figures counts only where the page has no other: some are one figure."""
    from pdfminer.layout import LTFigure, LTTextBox

    boxes = [item for item in page if isinstance(item, LTTextBox)]
    if not boxes:
        boxes = [item for figure in page if isinstance(figure, LTFigure) for item in figure if isinstance(item, LTTextBox)]
    found = [[line for item in box if (line := _line(item))] for box in boxes]
    return [box for box in found if box]


def _line(item) -> Line | None:
    """None for an empty line and for one that stands upright on the page, as a stamp on its side does."""
    from pdfminer.layout import LTChar

    text, letters = " ".join(item.get_text().split()), [letter for letter in item if isinstance(letter, LTChar)]
    if not text or not letters or not letters[0].upright:
        return None
    return Line(text=text, left=item.x0, right=item.x1, bottom=item.y0, height=item.height)
