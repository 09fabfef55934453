"""Plain data as text for a person: names to the left, values beside them, rows of the same kind as a table."""

import textwrap

from closedbook.util import terminal
from closedbook.util.tables import aligned

WIDTH = 110
"""characters a long text is wrapped to"""
LONGEST = 60
"""characters of a cell"""


def lines(answer: dict, most: int | None = None) -> list[str]:
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
    return aligned(cells, figures=False) + more


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
