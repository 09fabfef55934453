"""Rows of cells, and of figures, as lines of text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], figures: bool = True) -> list[str]:
    """The first column to the left and the others, where they hold `figures`, to the right; two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    put = str.rjust if figures else str.ljust
    return ["  ".join([row[0].ljust(widths[0]), *map(put, row[1:], widths[1:])]).rstrip() for row in rows]


def lines(rows: list[dict], headings: dict[str, str]) -> list[str]:
    """A line for the headings and one a row: the first column to the left, figures to the right."""
    return aligned([list(headings.values()), *([figure(row[name]) for name in headings] for row in rows)])


def figure(value) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:,.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def duration(seconds: float) -> str:
    """To two figures or so: "40 s", "3 min", "2.5 h", "4 days"."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.{1 if unit == 'h' else 0}f} {unit}"
    return f"{seconds / 86400:.1f} days"
