"""What the first page of a paper says of it: title, authors and the year in which it was published. What is not sure is not said."""

import re
from itertools import takewhile

from closedbook.sources.formats.lines import Line
from closedbook.util import units

LARGER = 1.2
"""of the running text's size: the least size of a title"""
MARK_AT_END = re.compile(r"\s*(?:\^\S+|[*†‡§¶∗⋆])$")
END = re.compile(r"(?:\d\.?\s+)?(?:abstract|summary|introduction)\b", re.IGNORECASE)
"""of what stands under a title"""
PARTICLES = "van|von|der|den|de|di|da|del|della|la|le|el|al|bin|ibn|ter|ten"
NAME = re.compile(rf"[^\W\d_a-z][\w'’.-]*(?:\s(?:{PARTICLES}|[^\W\d_a-z][\w'’.-]*)){{0,3}}\s[^\W\d_a-z][\w'’-]+(?:\s(?:Jr\.|III?))?")
MARKS = re.compile(r"\^\S+|[\d¹²³⁰-⁹*†‡§¶∗⋆]+")
"""of affiliations and notes"""
BETWEEN = re.compile(r"[|\t,;&·•]|\band\b")
NO_NAME = re.compile(
    r"@|\b(?:univ\w*|instit\w*|dep(?:t|artment)\w*|lab\w*|school|college|cent(?:er|re)|faculty|academy|research|inc|ltd|gmbh|corp\w*"
    r"|hospital|group|google|microsoft|meta|deepmind|openai|ieee|acm|member|fellow|proceedings|conference|journal|workshop|under|review"
    r"|preprint)\b", re.IGNORECASE)
PUBLISHED = re.compile(
    r"arxiv:|\b(?:published|accepted|copyright|proceedings|conference|workshop|symposium|journal|transactions|letters|preprint|issn|volume)\b"
    r"|©|\(c\)|\bvol\.", re.IGNORECASE)
DATE = re.compile(r"(?:\d{1,2}\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\.?\s+(?:\d{1,2},?\s+)?((?:19|20)\d\d)",
                  re.IGNORECASE)
YEAR = re.compile(r"(?<![\d.])(?:19|20)\d\d(?!\d|\.\d)")


def title_lines(lines: list[Line], body: tuple[str, float]) -> list[Line]:
    """What stands in the largest type in the upper half of the page, where that is clearly larger than the running text's and no single word,
    as a journal's name may be."""
    if not lines:
        return []
    middle = (max(line.bottom for line in lines) + min(line.bottom for line in lines)) / 2
    large = [line for line in lines if line.bottom >= middle and line.size > LARGER * body[1]]
    for size in sorted({round(line.size, 1) for line in large}, reverse=True):
        own = [line for line in large if round(line.size, 1) == size]
        if units.count(joined(own)) > 1:
            return own
    return []


def joined(lines: list[Line]) -> str:
    return MARK_AT_END.sub("", " ".join(" ".join(line.text for line in lines).split()))


def name_lines(lines: list[Line], title: list[Line]) -> list[Line]:
    """The lines under a title that hold nothing but names, in the type of the first of them."""
    under = [line for line in lines if title and line.bottom < title[-1].bottom]
    found = [line for line in takewhile(lambda line: not END.match(line.text), under) if names(line)]
    return [line for line in found if line.type == found[0].type]


def names(line: Line) -> list[str]:
    """None where the line holds anything else."""
    parts = [" ".join(part.split()) for part in BETWEEN.split(MARKS.sub(",", line.text))]
    parts = [part for part in parts if part]
    return parts if not NO_NAME.search(line.text) and all(map(NAME.fullmatch, parts)) else []


def year(lines: list[Line], title: list[Line], stamp: str, body: tuple[str, float]) -> int | None:
    """Of the stamp at the page's edge, else of the first line above, under or below the running text that is a date or says when the paper
    was published."""
    around = [line.text for line in lines if line.type != body or (title and line.bottom > title[-1].bottom)]
    for text in filter(None, [stamp, *around]):
        date = DATE.search(text)
        if date and (PUBLISHED.search(text) or DATE.fullmatch(text.strip())):
            return int(date[1])
        if PUBLISHED.search(text) and (years := YEAR.findall(text)):
            return int(years[-1])
    return None
