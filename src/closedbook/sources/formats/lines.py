"""Lines of a page, and the paragraphs that they are put together to, with the words whole again that a line's end cut in two."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from closedbook.util import units

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
    size: float = 0
    """of its type; it and what follows are told in papers alone"""
    font: str = ""
    place: tuple[int, int] = (0, 0)
    """page and box"""
    kind: Literal["text", "body", "heading", "formula", "inserted"] = "text"
    """body: in the size of the running text; inserted: a caption or a table's row, after which the paragraph before it goes on"""

    @property
    def type(self) -> tuple[str, float]:
        return self.font, round(self.size, 1)


def paragraphs(boxes: list[list[Line]]) -> list[str]:
    """The paragraphs of all boxes in order; one that goes on in the next box (or on the next page) is put together.

    The lines of a box are of one kind."""
    found: list[list[str]] = []
    last, end, elsewhere = [], None, False
    for box in boxes:
        kind = box[0].kind
        elsewhere |= kind == "inserted" or (end is not None and (box[0].place[0] != end.place[0] or box[0].bottom > end.bottom))
        for texts in _of_box(box):
            if last and not units.PARAGRAPH_END.search(last[-1]) and _goes_on(texts[0], kind, elsewhere and end.kind == "body"):
                last += texts
                continue
            found.append(texts)
            if kind != "inserted":
                last = [] if kind == "heading" else texts
        if kind != "inserted":
            end, elsewhere = box[-1], False
    known = _words(found)
    return [LIGATURES.sub(lambda one: unicodedata.normalize("NFKC", one[0]), _joined(texts, known)) for texts in found]


def _goes_on(text: str, kind: str, of_the_body: bool) -> bool:
    """Whether what stands in another box is of the paragraph before it, which has no end; `of_the_body`: that was running text, and this is the
    first after it in another column, on another page or beyond a table."""
    return kind != "inserted" and (kind == "formula" or text[0].islower() or (kind == "body" and of_the_body))


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
