"""The shipped parameters with other values, keys and kinds, and with what only the text of YAML can hold."""

import io
from collections.abc import Callable
from pathlib import Path
from random import Random

from ruamel.yaml import YAML

from fuzzing.common import OFFLINE, forecast, sections, warm
from fuzzing.mutations import as_json, deep, mutated, prose, spoilt

OF_YAML = (
    "!!python/object/apply:os.system [ls]", "!!binary aGk=", "!!binary %", "!!bool maybe", "!!int x", "!!float x", "!!timestamp 2023-02-30",
    "2023-02-30", "!!set {a}", "!!omap [a: 1]", "!!omap 1", "!x y", "*nowhere", "&a [*a]", "[", "{", "'", "0x1F", "0o17", "1_000",
    "1e3", ".inf", ".NaN", "~", "yes", "12:30:45", "|\n  a\n b", "? a", "!!str 1", "!!null x", "!!map []", "!!seq {}", "<<", "9" * 5_000,
    "- a", "\t", "\x00", "\ufffe", "%",
)  # fmt: skip
LINES = ("<<: *a", "<<: {seed: 2}", "seed: 1", "---", "...", "%YAML 1.1", "%YAML 9.9", "%TAG ! x", "\ufeff")


def area() -> Callable:
    warm()
    return _case


def _case(draw: Random) -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_text(prose(draw, 100))
    wanted = sections()
    if draw.random() < 0.5:
        wanted["llm"] |= OFFLINE
    for section in draw.sample([name for name, value in wanted.items() if value], 5):  # all parts alike, however large they are
        if draw.random() < 0.5:
            wanted[section] = mutated(draw, wanted[section])
    if draw.random() < 0.2:
        wanted = mutated(draw, wanted)
    out = io.StringIO()
    try:
        YAML(typ="safe", pure=True).dump(wanted, out)
    except Exception:  # what YAML's writer can't say, JSON's may
        out = io.StringIO(as_json(wanted).decode())
    text = out.getvalue()
    if draw.random() < 0.4:
        text = _as_text(draw, text)
    data = text.encode("utf-8", "surrogatepass")
    Path("params.yaml").write_bytes(spoilt(draw, data) if draw.random() < 0.2 else data)
    forecast()


def _as_text(draw: Random, text: str) -> str:
    """What only the text of YAML can hold."""
    lines = text.split("\n")
    values = [place for place, line in enumerate(lines) if ": " in line] or [0]
    for _ in range(draw.choice((1, 2))):
        place = draw.choice(values)
        key = lines[place].partition(": ")[0]
        lines[place] = f"{key}: {draw.choice((*OF_YAML, deep(draw).decode()))}"
    if draw.random() < 0.2:
        lines.insert(draw.randrange(len(lines)), draw.choice(LINES))
    return "\n".join(lines)
