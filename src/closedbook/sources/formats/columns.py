"""In which order the letters of a page are read: one column after the other, between what stands over both; and the rows of its tables.

Where letters stand decides, and nothing of what they say. `sources.formats.pdf` reads each stretch for itself.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from math import ceil
from statistics import median

SAME = 2
"""points: how far base lines may lie apart and be one"""
GAP = 8
"""points: less is a space between words, even in a line stretched to its column's width"""
OF_SIZE = 0.5
"""of a letter's size: the same of large type"""
MIDDLE = (0.25, 0.75)
"""of the width of a page's text: where the gap between two columns can be"""
WIDEST = 14_400
"""points: no page is wider, whatever a broken file says"""
ROWS = 4
"""side by side; fewer are no columns"""
FULL = 0.6
"""of a column's width: a row of running text is longer, but for the last one of a paragraph"""
CLOSE = 1.5
"""of a letter's size: base lines that are farther apart are of two blocks"""
SMALL, RAISED = 0.85, 0.6
"""of the size of a row's letters: those raised or lowered in it are smaller, and nearer to its base line"""
SPACE, TAB = 0.1, 1.5
"""of a letter's size: room for a space, and for more than one"""
APART = 1.3
"""of the usual step between two base lines: a larger one parts two blocks"""
CELLS = 3
"""rows that show a table"""
LABEL = re.compile(r"[^\w\s]|[(\[]?\w{1,3}[.)\]]|\d+(?:\.\d+)+")
"""what begins an item of a list"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The letters on one base line, from left to right; lengths in points."""

    letters: list
    baseline: float
    size: float
    segments: list[tuple[float, float]]
    """from where to where letters stand with no more than the spaces of words between them"""

    def crosses(self, x: float) -> bool:
        return any(left < x + GAP / 2 and right > x - GAP / 2 for left, right in self.segments)

    def side(self, x: float, right: bool) -> float:
        """How much of the row's width, left or right of x, is written on."""
        return sum(end - begin for begin, end in self.segments if (begin > x) == right)


def baseline(letter) -> float:
    return letter.matrix[5]


def rows(letters: Iterable) -> list[Row]:
    """From the top of the page down."""
    found: list[list] = []
    for letter in sorted(letters, key=lambda letter: -baseline(letter)):
        if found and baseline(found[-1][0]) - baseline(letter) <= SAME:
            found[-1].append(letter)
        else:
            found.append([letter])
    return [row for own in found if (row := _row(sorted(own, key=lambda letter: letter.x0))).segments]


def _row(letters: list) -> Row:
    return Row(letters=letters, baseline=baseline(letters[0]), size=max(letter.size for letter in letters), segments=_segments(letters))


def _segments(letters: list) -> list[tuple[float, float]]:
    segments = []
    for letter in letters:
        if not letter.get_text().strip():
            continue
        if segments and letter.x0 - segments[-1][1] < max(GAP, OF_SIZE * letter.size):
            segments[-1] = (segments[-1][0], max(segments[-1][1], letter.x1))
        else:
            segments.append((letter.x0, letter.x1))
    return segments


def columns(page: list[Row]) -> list[list] | None:
    """The letters of a page of two columns, in stretches to be read one after the other. None of a page of one."""
    x = _gap(page)
    if x is None:
        return None
    over = _over_both(page, x)
    found = []
    for is_over, band in groupby(zip(page, over), key=lambda pair: pair[1]):
        letters = [letter for row, _ in band for letter in row.letters]
        left = [letter for letter in letters if is_over or letter.x0 < x]
        found += [left, [] if is_over else [letter for letter in letters if letter.x0 >= x]]
    return [letters for letters in found if letters]


def _gap(page: list[Row]) -> float | None:
    """The middle of the gap between two columns: the fewest letters stand across it, and text beside text on both of its sides."""
    if len(page) < ROWS:
        return None
    left, right = min(row.segments[0][0] for row in page), max(row.segments[-1][1] for row in page)
    if not right - left <= WIDEST:
        return None
    first, last = (ceil(left + share * (right - left)) for share in MIDDLE)
    ends = Counter()
    for row in page:
        for begin, end in row.segments:
            ends[int(begin - GAP / 2) + 1] += end - begin
            ends[ceil(end + GAP / 2)] -= end - begin
    begin = int(left - GAP)
    across = dict(enumerate(accumulate(ends[place] for place in range(begin, last + 1)), start=begin))
    fewest = min((across[place] for place in range(first, last + 1)), default=0)
    runs = [list(run) for low, run in groupby(range(first, last + 1), key=lambda place: across[place] <= fewest + SAME) if low]
    run = max(runs, key=len, default=None)
    if run is None:
        return None
    x = (run[0] + run[-1]) / 2
    return x if _are_columns([row for row in page if not row.crosses(x)], x) else None


def _are_columns(beside: list[Row], x: float) -> bool:
    sides = [[row for row in beside if row.side(x, right)] for right in (False, True)]
    if not all(sides):
        return False
    for right, (own, other) in enumerate([sides, sides[::-1]]):
        alongside = [row for row in own if other[-1].baseline - SAME <= row.baseline <= other[0].baseline + SAME]
        if len(alongside) < ROWS or _full_rows(own, x, bool(right)) * 2 < len(own):
            return False
    return True


def _full_rows(own: list[Row], x: float, right: bool) -> int:
    widths = [row.side(x, right) for row in own]
    return sum(width >= FULL * max(widths) for width in widths) if max(widths) >= ROWS * own[0].size else 0


def _over_both(page: list[Row], x: float) -> list[bool]:
    """Which rows are read across: those with a letter in the gap, and rows of names or cells beside one."""
    over = [row.crosses(x) for row in page]
    widest = [max((row.side(x, right) for row, is_over in zip(page, over) if not is_over), default=0) for right in (False, True)]
    blocks = _blocks(page, over)
    for block in blocks:
        neighbours = {over[number] for number in (block[0] - 1, block[-1] + 1) if 0 <= number < len(page)}
        sides = [any(page[number].side(x, right) for number in block) for right in (False, True)]
        filled = sum(any(page[number].side(x, right) >= FULL * widest[right] for right in (False, True)) for number in block)
        if True in neighbours and all(sides) and filled * 4 < len(block):
            for number in block:
                over[number] = True
    return over


def _blocks(page: list[Row], over: list[bool]) -> list[list[int]]:
    """The rows beside one another, by their numbers, parted where the whole page has room between two."""
    found: list[list[int]] = []
    for number, is_over in enumerate(over):
        if is_over:
            continue
        if found and found[-1][-1] == number - 1 and page[number - 1].baseline - page[number].baseline <= CLOSE * page[number].size:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def tables(stretch: list[Row]) -> Iterator[tuple[bool, list[Row]]]:
    """The rows of a stretch in runs, and whether each is a table: at least CELLS rows in a row whose cells stand apart at one place."""
    numbers = {number for run in _aligned(stretch) for number in run}
    for is_table, run in groupby(range(len(stretch)), key=numbers.__contains__):
        yield is_table, [stretch[number] for number in run]


def _aligned(stretch: list[Row]) -> Iterator[list[int]]:
    run, gaps = [], []
    for number, row in enumerate(stretch):
        own = [(left[1], right[0]) for left, right in pairwise(row.segments)]
        shared = _shared(gaps, own) if run else own
        if not shared:
            yield from _table(stretch, run)
            run, shared = [], own
        run, gaps = [*run, number] if shared else [], shared
    yield from _table(stretch, run)


def _table(stretch: list[Row], run: list[int]) -> Iterator[list[int]]:
    """The run where it is long enough, and no list whose marks stand before its items."""
    if len(run) >= CELLS and not all(len(stretch[number].segments) == 2 and LABEL.fullmatch(cells(stretch[number])[0]) for number in run):
        yield run


def _shared(gaps: list[tuple[float, float]], others: list[tuple[float, float]]) -> list[tuple[float, float]]:
    both = [(max(first[0], second[0]), min(first[1], second[1])) for first in gaps for second in others]
    return [gap for gap in both if gap[1] - gap[0] >= GAP / 2]


def cells(row: Row) -> list[str]:
    return [written([letter for letter in row.letters if left <= letter.x0 <= right]) for left, right in row.segments]


def written(letters: list, mark: Callable = lambda letter: "") -> str:
    """Letters of one row as they are read: a space where there is room for one, a tab where there is room for several; and what `mark` says
    of a letter before the first of those of which it says the same."""
    parts, last = [], ""
    for before, letter in zip([None, *letters], letters):
        room = 0 if before is None else (letter.x0 - before.x1) / max(before.size, letter.size)
        parts.append("\t" if room > TAB else " " if room > SPACE else "")
        said = mark(letter) if letter.get_text().strip() else last
        parts.append(said if said != last else "")
        parts.append(letter.get_text())
        last = said
    return "\t".join(" ".join(part.split()) for part in "".join(parts).split("\t"))


def whole(stretch: list[Row]) -> list[Row]:
    """The rows with what stands raised or lowered in them, which has base lines of its own."""
    found: list[Row] = []
    for row in stretch:
        if found and (both := _with_raised(found[-1], row)):
            found[-1] = both
        else:
            found.append(row)
    return found


def _with_raised(above: Row, below: Row) -> Row | None:
    large, small = (above, below) if above.size >= below.size else (below, above)
    left, right = large.segments[0][0] - large.size, large.segments[-1][1] + large.size
    within = left <= small.segments[0][0] and small.segments[-1][1] <= right
    if small.size > SMALL * large.size or above.baseline - below.baseline > RAISED * large.size or not within:
        return None
    letters = sorted(above.letters + below.letters, key=lambda letter: letter.x0)
    return Row(letters=letters, baseline=large.baseline, size=large.size, segments=_segments(letters))


def boxes(stretch: list[Row]) -> Iterator[list[Row]]:
    """The rows in blocks that stand apart."""
    steps = [above.baseline - below.baseline for above, below in pairwise(stretch)]
    usual = median(steps) if steps else 0
    box = stretch[:1]
    for row, step in zip(stretch[1:], steps):
        if step > APART * max(usual, row.size):
            yield box
            box = []
        box.append(row)
    yield box
