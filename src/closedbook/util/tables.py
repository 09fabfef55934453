"""Plain data as lines of text for a person: rows of cells, figures, and names to the left with values beside them."""

import textwrap
from collections.abc import Collection, Sequence

from closedbook.util import terminal

WIDTH = 110
"""characters a long text is wrapped to"""
LONGEST = 60
"""characters of a cell"""


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> list[str]:
    """Columns two spaces apart: those of the numbers `left`, which hold words, to the left, and figures to the right."""
    columns = [[(str.ljust if number in left else str.rjust)(cell, max(map(len, column))) for cell in column]
               for number, column in enumerate(zip(*rows))]
    return ["  ".join(row).rstrip() for row in zip(*columns)]


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


def nested(answer: dict, most: int | None = None) -> list[str]:
    """Each nested value under a heading of its own; of each table `most` rows (None: all of them)."""
    answer = {name: item for name, item in answer.items() if item not in ([], {})}
    plain = {name: item for name, item in answer.items() if not _is_nested(item)}
    found = _block(plain)
    for name, item in answer.items():
        if _is_nested(item):
            rows = _block(item) if isinstance(item, dict) else _block(item[0]) if len(item) == 1 else table(item, most)
            found += ["", _label(name), *(f"  {row}" for row in rows)]
    return found if plain else found[1:]


def _block(fields: dict) -> list[str]:
    """One field per line."""
    fields = {name: item for name, item in fields.items() if item not in ([], {})}
    width = max((len(_label(name)) for name in fields), default=0)
    found = []
    for name, item in fields.items():
        first, *more = textwrap.wrap(text(item), WIDTH) or [""]
        found += [f"{_label(name).ljust(width)}  {first}".rstrip(), *(" " * (width + 2) + line for line in more)]
    return found


def table(rows: list[dict], most: int | None = None) -> list[str]:
    """The columns that say something, hashes in short; `most` rows of them (None: all)."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) not in (None, {}, []) for row in rows)]
    cells = [[_label(name) for name in names], *([_cell(name, row.get(name)) for name in names] for row in rows[:most])]
    more = [f"and {len(rows) - most} more: --json lists all"] if most and len(rows) > most else []
    return aligned(cells, left=range(len(names))) + more


def _cell(name: str, item) -> str:
    shown = text(item)
    if name.endswith(("sha256", "commit")):
        return shown[:12]
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _is_nested(item) -> bool:
    return isinstance(item, dict) or isinstance(item, list) and isinstance(item[0], dict)


def _label(name: str) -> str:
    return name.replace("_", " ").replace("sha256", "SHA-256")


def text(item) -> str:
    """One line."""
    if item is None or isinstance(item, bool):
        return {None: "–", True: "yes", False: "no"}[item]
    if isinstance(item, dict):
        return ", ".join(f"{name} {text(value)}" for name, value in item.items())
    if isinstance(item, list):
        return ", ".join(map(text, item))
    if isinstance(item, float):
        return f"{item:.4g}"
    return terminal.printable(" ".join(str(item).split()))
