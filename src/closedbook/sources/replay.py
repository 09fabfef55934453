"""Replay data: general text that is mixed into a corpus against forgetting, and the part kept out of it to measure forgetting on."""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from closedbook.util import files, seeds
from closedbook.util.errors import UserError


class Replay:
    """The lines of a file of rows {"text": ...} in one seeded order. The last `held_out` of them are kept out of every corpus, and so is
    any other line of the same text: no run has read a text on which forgetting is measured.

    Only the places of the lines are in memory, and what is held out: the file may be larger than memory. A row is ({"id"}, text).
    Reading raises UserError for a line that is not a row, and for a file with too few lines to hold that many out.
    """

    def __init__(self, path: Path, seed: int, held_out: int):
        self.path = Path(path)
        self.seed = seed
        self.num_held_out = held_out

    def rows(self) -> Iterator[tuple[dict, str]]:
        """What a corpus may hold."""
        kept_out = {text for _, text in self.held_out}
        for row, text in self._read(self._places[: len(self._places) - self.num_held_out]):
            if text not in kept_out:
                yield row, text

    @cached_property
    def held_out(self) -> list[tuple[dict, str]]:
        if not self.num_held_out:
            return []
        if self.num_held_out >= len(self._places):
            raise UserError(
                f"params.yaml: corpora.replay.held_out: {self.num_held_out} texts to be kept out of every corpus, but {self.path} holds "
                f'{len(self._places)}: give corpora.replay.path a file with more rows {{"text": ...}}, or set corpora.replay.held_out: 0'
            )
        return list(self._read(self._places[len(self._places) - self.num_held_out :]))

    @property
    def held_out_sha256(self) -> str:
        """The digest of the texts held out: what a corpus can't hold."""
        return files.sha256_text(files.canonical([text for _, text in self.held_out]))

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """(number, counted from 1, and byte) of each line, in seeded order; none where there is no file."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as handle:
            starts = []
            while line := handle.readline():
                starts.append(handle.tell() - len(line))
        return sorted(enumerate(starts, 1), key=lambda place: seeds.derive(self.seed, "replay", place[0] - 1))

    def _read(self, places: list[tuple[int, int]]) -> Iterator[tuple[dict, str]]:
        if places:
            with open(self.path, "rb") as handle:
                for number, start in places:
                    handle.seek(start)
                    yield _row(handle.readline(), self.path, number)


def _row(line: bytes, path: Path, number: int) -> tuple[dict, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f'{path}:{number}: not JSON ({error}): corpora.replay.path needs one row {{"text": ...}} per line') from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise UserError(f'{path}:{number}: no "text" in this row: corpora.replay.path needs one row {{"text": ...}} per line')
    return {"id": str(row.get("id", number))}, row["text"]


def without_text(path: Path) -> UserError:
    return UserError(
        f"params.yaml: corpora.replay.path: {path} holds no text, and corpora.replay.rate asks for some: "
        'give a file with one row {"text": ...} per line, or corpora.replay.rate: 0'
    )
