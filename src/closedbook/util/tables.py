"""Rows of cells as lines of text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], figures: bool = True) -> list[str]:
    """The first column to the left and the others, where they hold `figures`, to the right; two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    put = str.rjust if figures else str.ljust
    return ["  ".join([row[0].ljust(widths[0]), *map(put, row[1:], widths[1:])]).rstrip() for row in rows]
