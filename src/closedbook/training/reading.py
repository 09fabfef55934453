"""Texts that a run can read: a list of places in memory-mapped pieces of tokens, of which none is copied.

A corpus's list is passages.npy, int64 [passages, 3] with rows (piece, first token in it, tokens read of it); pieces.json names its pieces,
STRATEGY/DOCUMENT. Replay lies in one piece, text after text, where offsets.npy says.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from closedbook import layout
from closedbook.util import files
from closedbook.util.errors import UserError

MOST_OPEN = 256
"""pieces that are mapped at a time: each holds a file open, of which a process may have about a thousand, and there can be many more pieces"""

TEACHER = "teacher.json"
"""in a teacher's folder: what it was, and what the document in front was worth to it"""

READ_AT_ONCE = 1024
"""texts that are read for a digest before their memory is given back"""


class Texts:
    DTYPE = np.dtype(np.uint32)
    """of a piece"""

    def __init__(self, pieces: Sequence[Path], places: np.ndarray, lines: np.ndarray | None = None):
        self._pieces, self._places = pieces, places
        self.lines = np.arange(len(places)) if lines is None else lines
        """of each text, the number of its line in the index: some lines of replay's are texts that no run reads"""
        self._open: OrderedDict[int, np.ndarray] = OrderedDict()
        """the most recently read last"""

    @classmethod
    def of_corpus(cls, corpus: Path, pieces: Iterable[Path] | None = None) -> "Texts":
        """The passages of a corpus; `pieces`: the files of its pieces, where they are not the project's own."""
        known = {name_of(path): path for path in pieces or ()}
        names = files.read_json(corpus / "pieces.json")
        return cls([known.get(name) or layout.TOKENS / f"{name}.npy" for name in names], np.load(corpus / "passages.npy"))

    @classmethod
    def held_out_of(cls, corpus: Path, pieces: Iterable[Path] | None = None) -> "Texts":
        """The passages that are kept out of a corpus, as of_corpus has its own."""
        return cls(cls.of_corpus(corpus, pieces)._pieces, np.load(corpus / "held_out.npy"))

    @classmethod
    def held_out_of_replay(cls, folder: Path) -> "Texts":
        offsets = np.load(folder / "held_out_offsets.npy")
        return cls([folder / "held_out.npy"], np.stack([np.zeros(len(offsets) - 1, np.int64), offsets[:-1], np.diff(offsets)], axis=1))

    @classmethod
    def of_replay(cls, folder: Path, overlap: Path, num_tokens: int) -> "Texts":
        """The first replay texts of so many tokens, of which the last is cut; all of them where there are fewer. Those in `overlap`, which hold
        a question, are left out."""
        offsets = np.load(folder / "offsets.npy")
        places = np.stack([np.zeros(len(offsets) - 1, np.int64), offsets[:-1], np.diff(offsets)], axis=1)
        kept = np.ones(len(places), bool)
        kept[[row["row"] for row in files.read_json_lines(overlap)]] = False
        return cls([folder / "tokens.npy"], places[kept], np.flatnonzero(kept)).beginning(num_tokens)

    @classmethod
    def of_dialogues(cls, folder: Path, num_tokens: int | None = None) -> "Texts":
        """The first dialogues of so many tokens, as of_replay has its texts; without a number all of them."""
        offsets = np.load(folder / "offsets.npy")
        found = cls([folder / "tokens.npy"], np.stack([np.zeros(len(offsets) - 1, np.int64), offsets[:-1], np.diff(offsets)], axis=1))
        return found if num_tokens is None else found.beginning(num_tokens)

    def beginning(self, num_tokens: int) -> "Texts":
        """The texts of the first so many tokens, the last one cut."""
        if num_tokens >= self.num_tokens:
            return self
        ends = self.offsets[1:]
        places = self._places[: int(np.searchsorted(ends, num_tokens)) + 1 if num_tokens else 0].copy()
        if len(places):
            places[-1, 2] -= ends[len(places) - 1] - num_tokens
        return Texts(self._pieces, places, self.lines[: len(places)])

    def __len__(self) -> int:
        return len(self._places)

    @property
    def num_tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, int64."""
        return self._places[:, 2]

    @property
    def documents(self) -> np.ndarray:
        """The number of each text's document among those of the pieces, int64."""
        names = [path.stem for path in self._pieces]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names], np.int64)[self._places[:, 0]]

    @property
    def offsets(self) -> np.ndarray:
        """Where each text would begin if all stood one after the other, and where the last would end."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths)])

    def tokens(self, text: int, offset: int = 0, length: int | None = None) -> np.ndarray:
        """The token ids of a text, uint32, or `length` of them from `offset`. Raises UserError for a piece that can't hold them."""
        piece, first, num_tokens = (int(value) for value in self._places[text])
        first, end = first + offset, first + (num_tokens if length is None else offset + length)
        ids = self._piece(piece)
        if not 0 <= first <= end <= len(ids):
            raise UserError(f"{self._pieces[piece]}: holds {len(ids):,} tokens, and is read up to token {end:,}: {CHANGED}")
        return ids[first:end]

    def sha256(self) -> str:
        """Of all tokens, text after text."""
        digest = hashlib.sha256()
        for text in range(len(self)):
            digest.update(self.tokens(text).tobytes())
            if text % READ_AT_ONCE == READ_AT_ONCE - 1:
                self._open.clear()  # what was read of a map stays in memory as long as the map
        self._open.clear()
        return digest.hexdigest()

    def _piece(self, number: int) -> np.ndarray:
        if number not in self._open:
            self._open[number] = _mapped(self._pieces[number], self.DTYPE)
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        self._open.move_to_end(number)
        return self._open[number]


def row(width: int) -> np.dtype:
    """What a teacher says of one place: its most probable tokens, the first one first, and the logarithms of their probabilities and of that of all
    others together."""
    return np.dtype([("tokens", "<u4", (width,)), ("log_probs", "<f2", (width + 1,))])


NEVER = -1e4
"""the logarithm of a probability that is nothing: minus infinity times nothing would be no number"""


def certain(tokens: np.ndarray, width: int) -> np.ndarray:
    """Rows [N] of a teacher that is certain of `tokens` [N]."""
    rows = np.zeros(len(tokens), row(width))
    rows["tokens"] = _others(tokens, width)
    rows["log_probs"] = NEVER
    rows["log_probs"][:, 0] = 0.0
    return rows


def _others(tokens: np.ndarray, width: int) -> np.ndarray:
    """Each token, and after it the smallest ones that it is not."""
    first = np.arange(width - 1)
    return np.concatenate([tokens[:, None], first + (first >= tokens[:, None])], axis=1)


class Rows(Texts):
    """What a teacher says of each token of a corpus: as Texts has its tokens, with a row of `row` for each; each document's rows are a file."""

    def __init__(self, folder: Path):
        self.facts = files.read_json(folder / TEACHER)
        self.width = self.facts["width"]
        self.DTYPE = row(self.width)
        super().__init__([folder / f"{name}.npy" for name in self.facts["documents"]], np.load(folder / "passages.npy"))


def texts(*, corpus: str, pieces: list[str], replay: str, replay_overlap: str, replay_tokens: int, dialogues: str | None = None,
          dialogue_tokens: int = 0, **_) -> list[Texts]:  # fmt: skip
    """The sources of a run, by their paths: its corpus, as much of replay as it reads and, where it reads some, of dialogues."""
    found = [Texts.of_corpus(Path(corpus), map(Path, pieces)), Texts.of_replay(Path(replay), Path(replay_overlap), replay_tokens)]
    return found if dialogues is None else [*found, Texts.of_dialogues(Path(dialogues), dialogue_tokens)]


def held_out(*, corpus: str, pieces: list[str], replay: str, **_) -> dict[str, Texts]:
    """What no run reads, of the same, by name; nothing of what has none."""
    found = {"passages": Texts.held_out_of(Path(corpus), map(Path, pieces)), "replay": Texts.held_out_of_replay(Path(replay))}
    return {name: texts for name, texts in found.items() if len(texts)}


CHANGED = "it is not what the list of passages was made from: snakemake --cores all makes both again"


def name_of(piece: Path) -> str:
    """STRATEGY/DOCUMENT"""
    return f"{piece.parent.name}/{piece.stem}"


def _mapped(path: Path, dtype: np.dtype) -> np.ndarray:
    if not path.is_file():
        raise UserError(f"{path}: is not here, and holds tokens of passages: dvc pull brings it, or snakemake --cores all makes it")
    try:
        ids = np.load(path, mmap_mode="r")
    except (ValueError, EOFError):
        raise UserError(f"{path}: is no array of tokens, or not a whole one: {CHANGED}") from None
    if ids.dtype != dtype or ids.ndim != 1:
        raise UserError(f"{path}: is no list of tokens: {CHANGED}")
    return ids
