"""Papers of two columns, set on the spot: their text is known, so that what is read can be compared with it."""

from made_files import BOLD, UPWARDS, pdf

WIDTH, TOP, BOTTOM, LEFT, GUTTER = 400, 540, 60, 30, 14
LEADING = 1.2
"""of a line's size"""


def wide(text: str, size: float, font: str = "Helvetica") -> float:
    from pdfminer.fontmetrics import FONT_METRICS

    return sum(FONT_METRICS[font][1].get(letter, 556) for letter in text) * size / 1000


def wrapped(text: str, width: float, size: float, font: str) -> list[list[str]]:
    lines = [[]]
    for word in text.split():
        if lines[-1] and wide(" ".join([*lines[-1], word]), size, font) > width:
            lines.append([])
        lines[-1].append(word)
    return lines


def line(words: list[str], left: float, top: float, width: float, size: float, font: str, stretch: bool) -> list[tuple]:
    """Each word where it stands; stretched, they fill the width."""
    space = (width - sum(wide(word, size, font) for word in words)) / max(len(words) - 1, 1) if stretch else wide(" ", size)
    placed = []
    for word in words:
        placed.append((round(left, 2), round(top, 2), word, size))
        left += wide(word, size, font) + space
    return placed


def justified(text: str, left: float, top: float, width: float, size: float = 9, font: str = "Helvetica") -> list[list[tuple]]:
    """Lines of one width, but for the last one."""
    lines = wrapped(text, width, size, font)
    return [line(words, left, top - number * LEADING * size, width, size, font, stretch=number < len(lines) - 1)
            for number, words in enumerate(lines)]


class Setter:
    """Sets blocks into two columns of page after page; each method adds one."""

    def __init__(self, top: float = TOP, head: str | None = None, gutter: float = GUTTER):
        self.pages, self.head, self.gutter = [[]], head, gutter
        self.width = (WIDTH - 2 * LEFT - gutter) / 2
        self.starts, self.top, self.column = {0: top}, top, 0
        self.notes = {}

    def across(self, text: str, size: float = 9, how: str = "", left: float = LEFT, width: float = WIDTH - 2 * LEFT) -> None:
        """Over both columns, which begin below it."""
        lines = justified(text, left, self.top, width, size, "Helvetica-Bold" if how else "Helvetica")
        self.pages[-1] += [(*word, *([how] if how else [])) for line in lines for word in line]
        self.top -= (len(lines) + 0.8) * LEADING * size
        self.starts[len(self.pages) - 1] = self.top

    def text(self, text: str, size: float = 9) -> None:
        for placed in justified(text, 0, 0, self.width, size):
            self._room(LEADING * size)
            self.pages[-1] += [(x + self.left, self.top, word, points) for x, _, word, points in placed]
            self.top -= LEADING * size

    def heading(self, text: str, size: float = 9) -> None:
        self._room(3 * LEADING * size)
        self.top -= 0.5 * size
        self.pages[-1].append((self.left, self.top, text, size, BOLD))
        self.top -= 1.5 * size

    def rows(self, *rows: list[str], size: float = 8) -> None:
        self._room((len(rows) + 1) * LEADING * size)
        self.top -= 0.5 * size
        for row in rows:
            self.pages[-1] += [(self.left + number * self.width / len(row), self.top, cell, size) for number, cell in enumerate(row)]
            self.top -= LEADING * size
        self.top -= 0.5 * size

    def formula(self, *lines: tuple[float, float, str]) -> None:
        """Pieces at their offsets from the middle of the formula."""
        self._room(40)
        self.top -= 14
        self.pages[-1] += [(self.left + x, self.top + y, text) for x, y, text in lines]
        self.top -= 24

    def note(self, text: str) -> None:
        """At the bottom of the column."""
        self.pages[-1] += sum(justified(text, self.left, BOTTOM + 10, self.width, 7), [])
        self.notes[len(self.pages) - 1, self.column] = BOTTOM + 24

    def pdf(self, info: str = "", stamp: str | None = None) -> bytes:
        for number, page in enumerate(self.pages, start=1):
            page.append((WIDTH / 2, 25, str(number)))
            if self.head and number > 1:
                page.append((LEFT, 575, self.head))
        if stamp:
            self.pages[0].append((14, 200, stamp, UPWARDS))
        return pdf(*self.pages, info=info)

    @property
    def left(self) -> float:
        return LEFT + self.column * (self.width + self.gutter)

    def _room(self, height: float) -> None:
        if self.top - height >= self.notes.get((len(self.pages) - 1, self.column), BOTTOM):
            return
        if self.column:
            self.pages.append([])
            self.starts[len(self.pages) - 1] = TOP
        self.column = 1 - self.column
        self.top = self.starts[len(self.pages) - 1]

