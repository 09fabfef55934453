"""What papers have beside their running text: headings, captions, formulae, footnotes and references.

The type of a line (font and size), what it begins with and where it stands decide. What is not sure stays in the text as it is.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, takewhile
from statistics import median_high

from closedbook.sources.formats import first_page
from closedbook.sources.formats.columns import SMALL, Row, baseline
from closedbook.sources.formats.lines import Line
from closedbook.util import units

SMALLER, LARGER = 0.93, 1.05
"""of the running text's size: that of footnotes, and of headings"""
BOLD = re.compile(r"bold|black|heavy|demi|medi|cmbx|-bx|tb$", re.IGNORECASE)
HEADING_WORDS = 14
NUMBERED = re.compile(r"(?:\d+(?:\.\d+)*|[A-Z]|[IVX]+)\.?\s")
REFERENCES = re.compile(r"(?:(?:\d+|[IVX]+)\.?\s+)?(?:references|bibliography|literature(?: cited)?|works cited|reference list)(?: and notes)?:?",
                        re.IGNORECASE)
APPENDIX = re.compile(r"(?:(?:\d+|[A-Z])\.?\s+)?(?:appendix|appendices|supplementary|supplemental|supporting information)\b.{0,80}",
                      re.IGNORECASE)
DATED = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)|^\[\d+\]")
WORDS_FOR_A_DATE = 60
"""at most, in a list of references: prose under such a heading has fewer dates"""
NOTE = re.compile(r"(?:\^?\d{1,2}|[*†‡§¶∗⋆])\.?\s*[^\W\d_]")
CAPTION = re.compile(r"(?:figure|fig\.|table|tab\.|algorithm|listing|scheme)\s+[A-Z]?\d+\s*[.:|]", re.IGNORECASE)
OPERATOR = re.compile(r"[=<>≤≥≈≡∑∏∫∂∈∝±×·+→∇√]")
WORD = re.compile(r"[^\W\d_]{3,}[.,;:)]*")
FUNCTIONS = frozenset("log exp max min sin cos tan tanh arg argmax argmin lim sup inf det softmax sigmoid".split())
LEADING = 0.95
"""of the running text's size: lines that are nearer are parts of one formula"""
SAME_HEIGHT = 1
"""point: what is nearer stands on one base line"""
OFFSET = 0.08
"""of a line's size: by how much a smaller letter is raised or lowered at least"""
FORMULA = "[formula]"
"""stands where one was left out"""


@dataclass(frozen=True, kw_only=True)
class Paper:
    boxes: list[list[Line]]
    title: str | None
    author: str | None
    year: int | None
    left_out: list[str]


def read(pages: list[list[list[Line]]], first: list[Line], stamp: str, about: dict[str, str | None]) -> Paper:
    """`pages`: boxes in reading order; `first`: every line of the first page; `stamp`: what stands there at an angle; `about`: title and author
    as the file's fields have them.

    The fields of a file count where its first page says the same, for programs and templates write there too, and where it says nothing.
    """
    lines = [replace(line, place=(page, number)) for page, boxes in enumerate(pages) for number, box in enumerate(boxes) for line in box]
    body = _body(lines)
    top = [line for line in lines if line.place[0] == 0]
    title = first_page.title_lines(top, body)
    authors = first_page.name_lines(top, title)
    names = dict.fromkeys(name for line in authors for name in first_page.names(line))
    said = {"title": first_page.joined(title), "author": "; ".join(names)}
    shown = _plain(" ".join(line.text for line in first))
    fields = {name: value if _all_in(value, shown) else said[name] or value for name, value in about.items()}
    lines, heads = _without_heads(lines, set(_bare([*said.values()])) | {"et", "al", "and"})
    lines, references = _without_references(_of_kinds(lines, body, title, authors))
    lines, notes = _without_notes(lines, body)
    lines, formulae = _without_formulae(lines, body)
    left_out = {f"{heads} running heads of title, authors or journal": heads,
                f"{_words(references):,} words of references": references, f"{len(notes)} footnotes, {_words(notes):,} words": notes,
                f"{formulae} formulae of several lines": formulae}
    return Paper(boxes=list(_boxes(lines)), **fields, year=first_page.year(first, title, stamp, body),
                 left_out=[words for words, of in left_out.items() if of])


def _plain(text: str) -> str:
    return "".join(re.findall(r"[^\W\d_]", text)).casefold()


def _all_in(value: str | None, shown: str) -> bool:
    """Whether a field of the file, of authors each, stands on the page."""
    return bool(value) and all(_plain(part) in shown for part in first_page.BETWEEN.split(value))


def _words(texts: list[str]) -> int:
    return units.count(" ".join(texts))


def _body(lines: list[Line]) -> tuple[str, float]:
    """The type that most letters are in."""
    letters = Counter()
    for line in lines:
        letters[line.type] += len(line.text) * (line.kind == "text")
    return max(letters, key=letters.get, default=("", 0.0))


def _of_kinds(lines: list[Line], body: tuple[str, float], title: list[Line], authors: list[Line]) -> list[Line]:
    found, before, caption = [], None, None
    for line in lines:
        if before != line.place:
            caption, before = None, line.place
        if CAPTION.match(line.text):
            caption = line
        kind = line.kind
        if kind == "text" and caption and _one_size(caption, line.size):
            kind = "inserted"
        elif kind == "text" and line not in authors and (line in title or _is_heading(line, body)):
            kind = "heading"
        elif kind == "text" and _one_size(line, body[1]):
            kind = "body"
        found.append(replace(line, kind=kind))
    return found


def _one_size(line: Line, size: float) -> bool:
    return SMALLER * size < line.size < LARGER * size


def _is_heading(line: Line, body: tuple[str, float]) -> bool:
    """A short line that begins as headings do, in larger or bold type, or with a number in another font or in capitals."""
    begins = line.text[0].isupper() or line.text[0].isdigit()
    if not begins or line.size <= SMALLER * body[1] or line.text.endswith((".", ",", ";")) or units.count(line.text) > HEADING_WORDS:
        return False
    set_off = line.size > LARGER * body[1] or (BOLD.search(line.font) and not BOLD.search(body[0]))
    numbered = NUMBERED.match(line.text) and (line.font != body[0] or line.text.isupper())
    return bool(set_off or numbered) and not _is_formula(line.text)


def _without_heads(lines: list[Line], known: set[str]) -> tuple[list[Line], int]:
    """Without the first line of a later page where it stands apart and holds no words but those of title and authors, or says where the paper
    was published: a running head of two pages does not repeat."""
    heads = []
    for page, own in groupby(lines, key=lambda line: line.place[0]):
        top, *below = sorted(own, key=lambda line: -line.bottom)
        words = set(_bare([top.text]))
        is_head = bool(words) and (words <= known or first_page.PUBLISHED.search(top.text))
        if page and is_head and all(top.bottom - line.bottom > 2 * top.size for line in below):
            heads.append(top)
    return [line for line in lines if line not in heads], len(heads)


def _bare(texts: list[str]) -> list[str]:
    return [word for text in texts for word in units.bare(text) if not word.isdecimal()]


def _without_references(lines: list[Line]) -> tuple[list[Line], list[str]]:
    """The lines before the list of references and those of an appendix after it; and what the list holds."""
    for at, line in enumerate(lines):
        if REFERENCES.fullmatch(line.text) and (end := _end_of_references(lines, at)):
            return lines[:at] + lines[end:], [line.text for line in lines[at:end]]
    return lines, []


def _end_of_references(lines: list[Line], at: int) -> int | None:
    """None where what follows the heading is no list of references: it names too few years."""
    heading, after = lines[at], lines[at + 1 :]
    distinct = sum(line.type == heading.type for line in after) * 4 < len(after)
    entries = list(takewhile(lambda line: not (APPENDIX.fullmatch(line.text) or (distinct and line.type == heading.type)), after))
    dates = sum(len(DATED.findall(line.text)) for line in entries)
    return at + 1 + len(entries) if entries and dates * WORDS_FOR_A_DATE >= _words([line.text for line in entries]) else None


def _without_notes(lines: list[Line], body: tuple[str, float]) -> tuple[list[Line], list[str]]:
    """Footnotes are in smaller type below all of the running text in their column, and the first begins with a mark."""
    kept, notes, above = [], [], None
    running = [line for line in lines if line.kind == "body"]
    for line in lines:
        lowest = line.kind == "text" and line.size < SMALLER * body[1] and not any(
            other.place[0] == line.place[0] and other.bottom < line.bottom and _one_column(other, line) for other in running)
        if lowest and NOTE.match(line.text):
            notes.append(line.text)
        elif lowest and above and above.place[0] == line.place[0] and _one_column(above, line):
            notes[-1] += f" {line.text}"
        else:
            kept.append(line)
            above = None
            continue
        above = line
    return kept, notes


def _one_column(one: Line, other: Line) -> bool:
    return min(one.right, other.right) > max(one.left, other.left)


def _without_formulae(lines: list[Line], body: tuple[str, float]) -> tuple[list[Line], int]:
    """Formulae of one line are read as they stand. Those of several (fractions, sums) give no line of text: a mark stands in their place."""
    kept, count = [], 0
    for is_formula, run in groupby(lines, key=lambda line: line.kind in ("text", "body") and _is_formula(line.text)):
        run = list(run)
        stacked = is_formula and any(_stacked(one, other, body) for one, other in pairwise(run))
        if stacked and OPERATOR.search(" ".join(line.text for line in run)):
            kept.append(replace(run[0], text=FORMULA, kind="formula"))
            count += 1
        else:
            kept += run
    return kept, count


def _stacked(one: Line, other: Line, body: tuple[str, float]) -> bool:
    return one.place[0] == other.place[0] and SAME_HEIGHT < abs(one.bottom - other.bottom) < LEADING * body[1]


def _is_formula(text: str) -> bool:
    """Whether most of a line is no words."""
    tokens = text.split()
    words = [token for token in tokens if WORD.fullmatch(token) and token.lower().strip(".,;:)") not in FUNCTIONS]
    return len(words) * 3 < len(tokens)


def _boxes(lines: list[Line]) -> Iterator[list[Line]]:
    """The lines in boxes of one kind each; a heading is one line, marked as in Markdown."""
    for _, run in groupby(lines, key=lambda line: (line.place[0], line.type) if line.kind == "heading" else (line.place, line.kind)):
        run = list(run)
        if run[0].kind == "heading":
            yield from ([line] for line in _headings(run))
        else:
            yield run


def _headings(lines: Iterable[Line]) -> Iterator[Line]:
    """One that runs over two lines is one; a number begins another."""
    whole = None
    for line in lines:
        if whole and not NUMBERED.match(line.text):
            whole = replace(whole, text=f"{whole.text} {line.text}")
            continue
        if whole:
            yield whole
        whole = replace(line, text=f"## {line.text}")
    if whole:
        yield whole


def raised(row: Row) -> Callable:
    """What is written before letters that stand raised or lowered in a row: 10^-3, x_i."""
    size = median_high(letter.size for letter in row.letters)

    def mark(letter) -> str:
        offset = (baseline(letter) - row.baseline) / size
        return "" if letter.size > SMALL * size or abs(offset) < OFFSET else "^" if offset > 0 else "_"

    return mark
