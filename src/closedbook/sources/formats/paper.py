"""What is peculiar to a paper: its title, authors and year on the first page, headings, captions, formulae, footnotes, and the references.

The type of a line (font and size), what it begins with and where it stands decide. What is not sure stays in the text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, takewhile
from statistics import median_high

from closedbook.sources.formats.lines import Line
from closedbook.util import units

SMALLER = 0.93
"""of the body's size: notes are set in less"""
LARGER = 1.05
TITLE = 1.2
BOLD = re.compile(r"bold|black|heavy|demi|medi|cmbx|-bx", re.IGNORECASE)
HEADING_WORDS = 14
REFERENCES = re.compile(r"(?:[\dIVX]+\.?\s+)?(?:references|bibliography|literature(?: cited)?|works cited|reference list)(?: and notes)?:?", re.IGNORECASE)
APPENDIX = re.compile(r"(?:[\dA-Z]+\.?\s+)?(?:appendix|appendices|supplementary|supplemental|supporting information)\b.{0,80}", re.IGNORECASE)
DATED = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)|^\[\d+\]")
WORDS_FOR_A_DATE = 60
"""at most, in a list of references; prose under such a heading has fewer dates"""
NOTE = re.compile(r"(?:\^?\d{1,2}|[*†‡§¶∗⋆])\.?\s*[A-Za-z“\"(]")
CAPTION = re.compile(r"(?:figure|fig\.|table|tab\.|algorithm|listing|scheme)\s+[A-Z]?\d+\s*[.:|]", re.IGNORECASE)
OPERATOR = re.compile(r"[=<>≤≥≈≡∑∏∫∂∈∝±×·+→∇√]")
WORD = re.compile(r"[^\W\d_]{3,}[.,;:)]*")
NO_WORD = frozenset("log exp max min sin cos tan tanh arg argmax argmin lim sup inf det softmax sigmoid".split())
SAME_HEIGHT = 1
"""point: what is nearer stands on one base line"""
RAISED = 0.85
"""of a line's size: a letter raised or lowered is smaller"""
OFFSET = 0.15
"""of a line's size: by how much it is raised at least; lowered, by half of it"""
FORMULA = "[formula]"
"""stands where one was left out"""
ABSTRACT = re.compile(r"(?:\d\.?\s+)?(?:abstract|summary|introduction)\b", re.IGNORECASE)
NAME = re.compile(r"(?:(?:[A-Z][\w'’.-]*|van|von|der|den|de|di|da|del|della|la|le|el|al|bin|ibn|ter|ten)\s+){1,4}[A-Z][\w'’-]+(?:\s(?:Jr\.|III?))?")
MARK_AT_END = re.compile(r"\s*(?:\^\S+|[*†‡§¶∗⋆])$")
MARKS = re.compile(r"\^\S+|[\d*†‡§¶∗⋆]+(?:,[\d*†‡§¶∗⋆]+)*")
AFFILIATION = re.compile(r"@|\b(?:univ\w*|instit\w*|dep(?:t|artment)\w*|lab\w*|school|college|cent(?:er|re)|faculty|academy|research|inc|ltd|gmbh|corp\w*|hospital"
                         r"|google|microsoft|meta|deepmind|openai|ieee|acm|member|fellow|street|city|usa|proceedings|conference|journal|workshop|paper)\b", re.IGNORECASE)
PUBLISHED = re.compile(r"arxiv:|\bpublished\b|\baccepted\b|\bcopyright\b|©|\(c\)|\bproceedings\b|\bconference\b|\bworkshop\b|\bsymposium\b|\bjournal\b|\btransactions\b|\bletters\b"
                       r"|\bvol(?:ume|\.)|\bpreprint\b|\bissn\b", re.IGNORECASE)
DATE = re.compile(r"(?:\d{1,2}\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\.?\s+(?:\d{1,2},?\s+)?((?:19|20)\d\d)", re.IGNORECASE)
YEAR = re.compile(r"(?<![\d.])(?:19|20)\d\d(?![\d.]\d)")


@dataclass(frozen=True, kw_only=True)
class Paper:
    boxes: list[list[Line]]
    title: str | None
    author: str | None
    year: int | None
    left_out: list[str]


@dataclass
class _Placed:
    """A line, and in which box of which page it stands."""

    page: int
    box: int
    line: Line

    @property
    def type(self) -> tuple[str, float]:
        return _type(self.line)


def read(pages: list[list[list[Line]]], first: list[Line], stamp: str, about: dict[str, str | None]) -> Paper:
    """`pages`: boxes in reading order; `first`: every line of the first page; `stamp`: what stands there at an angle; `about`: the file's fields."""
    placed = [_Placed(page, number, line) for page, boxes in enumerate(pages) for number, box in enumerate(boxes) for line in box]
    body = _body(placed)
    _tell_kinds(placed, body)
    title, names = _title(placed, body), _authors(placed, body)
    shown = _plain(" ".join(line.text for line in first))
    own_title, own_author = (about[field] if _plain(about[field] or "") in shown else None for field in ("title", "author"))
    placed, references = _without_references(placed)
    placed, notes = _without_notes(placed, body)
    placed, formulae = _without_formulae(placed, body)
    left_out = [f"{units.count(' '.join(references)):,} words of references, {len(references)} lines"] if references else []
    left_out += [f"{len(notes)} footnotes, {units.count(' '.join(notes))} words"] if notes else []
    left_out += [f"{formulae} formulae of several lines"] if formulae else []
    return Paper(boxes=_boxes(placed), title=own_title or title or about["title"], author=own_author or "; ".join(names) or about["author"],
                 year=_year(first, placed, stamp, body), left_out=left_out)


def _plain(text: str) -> str:
    return "".join(re.findall(r"\w", text)).casefold()


def _type(line: Line) -> tuple[str, float]:
    return line.font, round(line.size, 1)


def _body(placed: list[_Placed]) -> tuple[str, float]:
    """The type that most letters are in."""
    letters = Counter()
    for each in placed:
        if each.line.kind == "text":
            letters[each.type] += len(each.line.text)
    return max(letters, key=letters.get, default=("", 0.0))


def _tell_kinds(placed: list[_Placed], body: tuple[str, float]) -> None:
    for _, box in groupby(placed, key=lambda each: (each.page, each.box)):
        is_caption = False
        for each in box:
            line = each.line
            is_caption = (is_caption and _type(line)[1] <= body[1]) or (CAPTION.match(line.text) is not None and line.kind == "text")
            if is_caption:
                each.line = replace(line, kind="inserted")
            elif line.kind == "text" and _is_heading(line, body):
                each.line = replace(line, kind="heading")
            elif line.kind == "text" and each.type == body:
                each.line = replace(line, kind="body")


def _is_heading(line: Line, body: tuple[str, float]) -> bool:
    """A short line in larger or bold type that begins as headings do."""
    bold = line.font != body[0] and BOLD.search(line.font) and not BOLD.search(body[0]) and line.size > SMALLER * body[1]
    return ((line.size > LARGER * body[1] or bool(bold)) and units.count(line.text) <= HEADING_WORDS
            and (line.text[0].isupper() or line.text[0].isdigit()) and not line.text.endswith((".", ",", ";")) and WORD.search(line.text) is not None)


def _without_references(placed: list[_Placed]) -> tuple[list[_Placed], list[str]]:
    """The lines before the list of references and those of an appendix after it; and what the list holds."""
    for at, each in enumerate(placed):
        if REFERENCES.fullmatch(each.line.text) and (end := _end_of_references(placed, at)):
            return placed[:at] + placed[end:], [each.line.text for each in placed[at:end]]
    return placed, []


def _end_of_references(placed: list[_Placed], at: int) -> int | None:
    """None where what follows the heading is no list of references: it names too few years."""
    heading, after = placed[at], placed[at + 1 :]
    types = Counter(each.type for each in after)
    distinct = types[heading.type] * 4 < len(after)
    entries = list(takewhile(lambda each: not (APPENDIX.fullmatch(each.line.text) or (distinct and each.type == heading.type)), after))
    words = sum(units.count(each.line.text) for each in entries)
    dates = sum(len(DATED.findall(each.line.text)) for each in entries)
    return at + 1 + len(entries) if dates * WORDS_FOR_A_DATE >= max(words, 1) else None


def _without_notes(placed: list[_Placed], body: tuple[str, float]) -> tuple[list[_Placed], list[str]]:
    """Footnotes are in smaller type below all of the body's in their column, and begin with a mark."""
    lowest = [[each.line for each in placed if each.page == page and each.type == body] for page in range(max((each.page for each in placed), default=-1) + 1)]
    kept, notes, before = [], [], None
    for each in placed:
        line = each.line
        could = (line.kind == "text" and line.size < SMALLER * body[1]
                 and not any(other.bottom < line.bottom and _one_column(other, line) for other in lowest[each.page]))
        if could and NOTE.match(line.text):
            notes.append(line.text)
        elif could and before and before.page == each.page and _one_column(before.line, line):
            notes[-1] += f" {line.text}"
        else:
            kept.append(each)
            before = None
            continue
        before = each
    return kept, notes


def _one_column(one: Line, other: Line) -> bool:
    return min(one.right, other.right) > max(one.left, other.left)


def _without_formulae(placed: list[_Placed], body: tuple[str, float]) -> tuple[list[_Placed], int]:
    """Formulae of one line are read as they stand. Those of several (fractions, sums) give no line of text: a mark stands in their place."""
    kept, count = [], 0
    for is_formula, run in groupby(placed, key=lambda each: each.line.kind in ("text", "body") and _is_formula(each.line.text)):
        run = list(run)
        text = " ".join(each.line.text for each in run)
        tight = any(abs(one.line.bottom - other.line.bottom) < 0.95 * body[1] and abs(one.line.bottom - other.line.bottom) > SAME_HEIGHT
                    and one.page == other.page for one, other in zip(run, run[1:]))
        if is_formula and tight and OPERATOR.search(text):
            kept.append(replace(run[0], line=replace(run[0].line, text=FORMULA, kind="body")))
            count += 1
        else:
            kept += run
    return kept, count


def _is_formula(text: str) -> bool:
    tokens = text.split()
    words = [token for token in tokens if WORD.fullmatch(token) and token.lower().strip(".,;:)") not in NO_WORD]
    return len(words) * 3 < len(tokens)


def _title(placed: list[_Placed], body: tuple[str, float]) -> str | None:
    """What stands in the largest type in the upper half of the first page, if that is clearly larger than the body's."""
    lines = _title_lines(placed, body)
    return MARK_AT_END.sub("", " ".join(line.text for line in lines)).strip() or None


def _title_lines(placed: list[_Placed], body: tuple[str, float]) -> list[Line]:
    lines = [each.line for each in _upper_half(placed) if each.line.size > TITLE * body[1]]
    sizes = {round(line.size, 1) for line in lines}
    for size in sorted(sizes, reverse=True):
        own = [line for line in lines if round(line.size, 1) == size]
        if units.count(" ".join(line.text for line in own)) > 1:
            return own
    return []


def _upper_half(placed: list[_Placed]) -> list[_Placed]:
    first = [each for each in placed if each.page == 0]
    if not first:
        return []
    middle = (max(each.line.bottom for each in first) + min(each.line.bottom for each in first)) / 2
    return [each for each in first if each.line.bottom >= middle]


def _authors(placed: list[_Placed], body: tuple[str, float]) -> list[str]:
    """The names in the lines under the title, in the type of the first line that holds nothing but names."""
    titles = _title_lines(placed, body)
    if not titles:
        return []
    under = [each.line for each in placed if each.page == 0 and each.line.bottom < titles[-1].bottom]
    found, type_of_names = [], None
    for line in takewhile(lambda line: not ABSTRACT.match(line.text), under):
        names = _names(line.text)
        if names and type_of_names in (None, _type(line)):
            type_of_names = _type(line)
            found += names
    return list(dict.fromkeys(found))


def _names(text: str) -> list[str]:
    """The names that a line consists of; none where it holds anything else."""
    if AFFILIATION.search(text):
        return []
    parts = [" ".join(part.split()) for part in re.split(r"\||[,;&·•]|\band\b", MARKS.sub(",", text))]
    parts = [part for part in parts if part]
    return parts if all(NAME.fullmatch(part) for part in parts) else []


def _year(first: list[Line], placed: list[_Placed], stamp: str, body: tuple[str, float]) -> int | None:
    """Of the stamp at the page's edge, else of a line outside of the running text that says when or where it was published."""
    title = _title_lines(placed, body)
    around = [line.text for line in first if _type(line) != body or (title and line.bottom > title[-1].bottom)]
    for text in [stamp, *around]:
        date = DATE.search(text)
        if date and (PUBLISHED.search(text) or DATE.fullmatch(text.strip())):
            return int(date[1])
        if PUBLISHED.search(text) and (years := YEAR.findall(text)):
            return int(years[-1])
    return None


def _boxes(placed: list[_Placed]) -> list[list[Line]]:
    """The lines in boxes of one kind each; a heading is one line, marked as in Markdown."""
    return [box for key, run in groupby(placed, key=lambda each: (each.page, each.box, each.line.kind, each.type if each.line.kind == "heading" else None))
            for box in _of_kind(key[2], [each.line for each in run])]


def _of_kind(kind: str, lines: list[Line]) -> Iterator[list[Line]]:
    if kind == "heading":
        for line in _headings(lines):
            yield [line]
    else:
        yield lines


def _headings(lines: Iterable[Line]) -> Iterator[Line]:
    """One that runs over two lines is one; a number begins another."""
    whole = None
    for line in lines:
        if whole and not re.match(r"[\dA-Z]+(?:\.\d+)*\.?\s", line.text):
            whole = replace(whole, text=f"{whole.text} {line.text}")
            continue
        if whole:
            yield replace(whole, text=f"## {whole.text}")
        whole = line
    if whole:
        yield replace(whole, text=f"## {whole.text}")


def written(line) -> str:
    """The text of pdfminer's line, with a mark before what stands raised or lowered: 10^-3, x_i."""
    letters = [item for item in line if hasattr(item, "matrix")]
    size, level = (median_high(values) for values in ([letter.size for letter in letters], [letter.matrix[5] for letter in letters]))
    parts, before = [], ""
    for item in line:
        mark = _mark(item, size, level) if hasattr(item, "matrix") else before if item.get_text().strip() else ""
        parts.append((mark if mark != before else "") + item.get_text())
        before = mark
    return "".join(parts)


def _mark(letter, size: float, level: float) -> str:
    if letter.size > RAISED * size:
        return ""
    offset = (letter.matrix[5] - level) / size
    return "^" if offset > OFFSET else "_" if offset < -OFFSET / 2 else ""
