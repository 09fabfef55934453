"""The ledger's lines, read without its locks, so beside a live run, on all cores."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from closedbook.llm import ledger
from closedbook.llm.answers import CACHED
from closedbook.util.errors import UserError


class Taken(NamedTuple):
    """What good answers took."""

    answers: int = 0
    timed: int = 0
    """answers that came one by one: one that came in bulk took no time of its own"""
    seconds: float = 0.0
    metered: int = 0
    """answers whose tokens the server counted"""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """of the input, those that the provider had in its cache"""

    def plus(self, other: "Taken") -> "Taken":
        return Taken(*map(sum, zip(self, other)))


def segments() -> list[Path]:
    """All segments, by path. Raises UserError where there is no ledger."""
    folder = ledger.root()
    if not folder.is_dir():
        raise UserError(f"{folder}: no ledger here: nothing was asked of a language model in this folder yet")
    return sorted(folder.glob("*/*.jsonl"))


def over(function: Callable, items: list) -> Iterator:
    """function(item) of each, in their order."""
    cores = os.cpu_count() or 1
    if not items:
        return
    with ProcessPoolExecutor(min(cores, len(items)), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:  # Ctrl-C is ours
        yield from pool.map(function, items, chunksize=max(1, len(items) // (8 * cores)))


def lines(segment: Path) -> Iterator[dict]:
    """The lines of a segment as far as they are whole: a live run may be at the last one.

    Raises UserError for another line that can't be read.
    """
    with open(segment, "rb") as handle:
        for number, line in enumerate(handle, 1):
            if line.endswith(b"\n"):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise UserError(f"{segment}:{number}: not a ledger record ({error}): closedbook ledger verify says more") from None


def taken(model: str) -> dict[tuple[str, str], Taken]:
    """By prompt and document, what a model's good answers took; nothing where there is no ledger."""
    return {key: its for found in over(partial(_taken, model=model), sorted(ledger.root().glob("*/*.jsonl"))) for key, its in found.items()}


def _taken(segment: Path, model: str) -> dict[tuple[str, str], Taken]:
    found: dict[tuple[str, str], Taken] = {}
    for line in lines(segment):
        if line.get("outcome") == ledger.ANSWERED and line["request"]["gen_ai.request.model"] == model:
            read, written = line["gen_ai.usage.input_tokens"], line["gen_ai.usage.output_tokens"]
            key = line["prompt"], segment.stem
            its = Taken(1, int(line["seconds"] is not None), line["seconds"] or 0.0, int(read is not None), read or 0, written or 0,
                        line.get(CACHED) or 0)
            found[key] = found.get(key, Taken()).plus(its)
    return found
