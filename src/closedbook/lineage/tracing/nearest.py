"""The passages nearest to a sentence, by BM25 (bm25s) over an index on disk that is mapped into memory.

The index is made file by file, so that neither texts nor words of all passages are ever in memory together, and holds until a passage
changes. It lies in .closedbook/nearest/KEY, KEY being over the hashes of all files of passages.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np

from closedbook import layout
from closedbook.lineage.tracing import lying
from closedbook.records import Passages
from closedbook.util import files, terminal, units
from closedbook.util.errors import UserError
from closedbook.workflow import receipts

INDEXES = receipts.WORK / "nearest"
LOCK = receipts.WORK / "nearest.lock"
FILES, PLACES, KEYS = "passages.json", "places.npy", "keys.npy"
K1, B = 1.5, 0.75


class Index:
    """`places`: int64 [passages, 3], of each passage the number of its file, where it begins there, and its length in bytes; `keys`: of their
    ids, see lying."""

    def __init__(self, folder: Path):
        import bm25s

        self.paths = [Path(path) for path in files.read_json(folder / FILES)]
        self.places, self.keys = (np.load(folder / name, mmap_mode="r") for name in (PLACES, KEYS))
        self._ranking = bm25s.BM25.load(folder, mmap=True)

    def __len__(self) -> int:
        return len(self.places)

    def passage(self, row: int) -> dict:
        number, start, length = (int(value) for value in self.places[row])
        return lying.read(self.paths[number], start, length)

    def among(self, keys: np.ndarray) -> np.ndarray:
        """Which passages are among those of some keys, bool [passages]."""
        return np.isin(self.keys, keys)

    def nearest(self, words: list[str], number: int, among: np.ndarray | None = None) -> list[tuple[int, float]]:
        """(row, score) of the nearest passages, at most `number`, the nearest first; none that shares no word. `among`: bool [passages], of
        those that may be found."""
        known = self._ranking.get_tokens_ids(words)
        if not known:
            return []
        rows, scores = self._ranking.retrieve([known], k=min(number, len(self)), show_progress=False, weight_mask=among)
        return [(row, score) for row, score in zip(rows[0].tolist(), scores[0].tolist()) if score > 0]

    def weight(self, word: str) -> float:
        """How much a word says: the rarer it is among the passages, the more (inverse document frequency)."""
        at = self._ranking.vocab_dict.get(word)
        return float(_idf(0 if at is None else self._frequencies[at], len(self)))

    @cached_property
    def _frequencies(self) -> np.ndarray:
        return np.diff(self._ranking.scores["indptr"])


def words(texts: list[str]) -> list[list[str]]:
    """The words of texts that are compared, without those like "the"."""
    import bm25s

    return bm25s.tokenize([units.pairs(text) for text in texts], stopwords="en", return_ids=False, show_progress=False)


def index() -> Index:
    """Of these very passages; it is made if it is not there, and those of earlier ones are removed. Raises UserError where there are no passages."""
    with _alone():
        place = where()
        if not place.exists():
            earlier = [*INDEXES.iterdir()] if INDEXES.exists() else []
            made = Path(tempfile.mkdtemp(dir=_made(INDEXES)))
            _write(made, receipts.results("passages"))
            os.replace(made, place)
            for folder in earlier:
                shutil.rmtree(folder)
        return Index(place)


def where() -> Path:
    """The folder of the index of the passages as they are now, whether it is made or not."""
    hashes = receipts.Hashes()
    place = INDEXES / files.sha256_text("by file\n" + "".join(f"{path} {hashes.sha256(path)}\n" for path in receipts.results("passages")))[:16]
    hashes.save()
    return place


@contextmanager
def _alone() -> Iterator[None]:
    """Two processes that want the same index make it once."""
    with open(_made(LOCK.parent) / LOCK.name, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(folder: Path, paths: list[Path]) -> None:
    import bm25s

    ids, spans = zip(*map(lying.within, paths)) if paths else ((), ())
    number = sum(map(len, ids))
    if not number:
        raise UserError(f"{layout.PASSAGES}: holds no passages to search: run snakemake --cores all, or dvc pull")
    terminal.note(f"indexing {number:,} passages; {INDEXES} keeps the index for the next question")
    np.save(folder / PLACES, np.concatenate([np.insert(each, 0, file, axis=1) for file, each in enumerate(spans)]))
    np.save(folder / KEYS, np.concatenate([*map(lying.keys, ids)]))
    files.write_json(folder / FILES, [str(path) for path in paths])
    ranking = bm25s.BM25(k1=K1, b=B, method="lucene")
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        ranking.scores, ranking.vocab_dict = scores((words([each.text for each in Passages.read(path).passages]) for path in paths), Path(aside))
        ranking.nonoccurrence_array = None
        ranking.save(folder)


def scores(texts: Iterable[list[list[str]]], aside: Path) -> tuple[dict, dict[str, int]]:
    """What bm25s keeps of texts, given by their words and some at a time: the scores as a sparse matrix by columns (Lucene's BM25), and the
    number of each word. As BM25.index makes it, but what is half done lies in the folder `aside`."""
    vocabulary: dict[str, int] = {}
    lengths, parts = [np.zeros(0, np.int64)], []
    for some in texts:
        parts.append(_counted(some, vocabulary, sum(map(len, lengths)), aside / f"{len(parts)}.npy"))
        lengths.append(np.array([len(text) for text in some], np.int64))
    lengths = np.concatenate(lengths)
    frequencies = np.zeros(len(vocabulary), np.int64)
    for part in parts:
        frequencies += np.bincount(np.load(part, mmap_mode="r")[1], minlength=len(vocabulary))
    starts = np.concatenate([[0], np.cumsum(frequencies)])
    data, rows = (np.lib.format.open_memmap(aside / name, "w+", kind, (max(1, int(starts[-1])),)) for name, kind in (("data", np.float32), ("rows", np.int32)))
    norm, idf, free = K1 * (1 - B + B * lengths / max(lengths.mean(), 1)), _idf(frequencies, len(lengths)), starts[:-1].copy()
    for part in parts:
        row, word, count = np.load(part)
        order = np.argsort(word, kind="stable")
        row, word, count = row[order], word[order], count[order]
        held = np.bincount(word, minlength=len(vocabulary))
        at = free[word] + np.arange(len(word)) - (np.cumsum(held) - held)[word]
        data[at], rows[at] = idf[word] * count / (count + norm[row]), row
        free += held
    return {"data": data, "indices": rows, "indptr": starts, "num_docs": len(lengths)}, vocabulary


def _counted(texts: list[list[str]], vocabulary: dict[str, int], first: int, place: Path) -> Path:
    """Write int32 [3, n]: a text's number from `first` on, a word's, and how often it is there. New words are put into the vocabulary."""
    numbers = np.array([vocabulary.setdefault(word, len(vocabulary)) for text in texts for word in text], np.int64)
    row = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    both, counts = np.unique(row * len(vocabulary) + numbers, return_counts=True)
    row, word = np.divmod(both, max(1, len(vocabulary)))
    np.save(place, np.stack([first + row, word, counts]).astype(np.int32))
    return place


def _idf(frequency, total: int):
    return np.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
