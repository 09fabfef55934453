"""What stands at the edge of page after page and is no part of the text: page numbers and running heads."""

import re
from collections import Counter, defaultdict

from closedbook.sources.formats.lines import Line

NUMBER = re.compile(r"(?:page )?[-–—(\[ ]*(\d{1,4}|[ivxlc]{1,8})[-–—)\] ]*(?:(?:of|/) ?\d{1,4})?", re.IGNORECASE)
ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
PAGES = 3
"""on fewer, that something comes back is no proof"""
NEAR = 4
"""points: how far two lines may stand apart and be at one height"""


def without(pages: list[list[list[Line]]]) -> tuple[list[list[list[Line]]], int]:
    """The pages without them, and how many lines that are. Edge by edge: a head may stand above a number."""
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
