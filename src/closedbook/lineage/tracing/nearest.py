"""The passages nearest to a sentence: BM25 over all of them, by an index that is kept until one of them changes."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from closedbook import layout
from closedbook.records import Passages
from closedbook.util import files, terminal, units
from closedbook.util.errors import UserError
from closedbook.workflow import receipts

KEPT = receipts.CACHE.parent / "nearest"
NUMBER = 10


def to(sentence: str) -> list[tuple[str, float]]:
    """(passage's id, score), the nearest first, at most NUMBER; none that shares no word with the sentence but words like "the".

    Raises UserError where there are no passages.
    """
    import bm25s

    folder = _index()
    identities = files.read_json(folder / "passages.json")
    words = bm25s.tokenize(units.pairs(sentence), stopwords="en", return_ids=False, show_progress=False)
    rows, scores = bm25s.BM25.load(folder, mmap=True).retrieve(words, k=min(NUMBER, len(identities)), show_progress=False)
    return [(identities[row], score) for row, score in zip(rows[0].tolist(), scores[0].tolist()) if score > 0]


def excerpt(text: str, sentence: str) -> str:
    """The sentence of a text that shares most words with another one."""
    wanted = _words(sentence)
    return max(units.sentences(text) or [text], key=lambda part: len(wanted & _words(part)))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w\w+", units.pairs(text).lower()))


def _index() -> Path:
    """The folder of the index of these very passages, made if it is not there; those of earlier ones are removed."""
    paths = receipts.results("passages")
    hashes = receipts.Hashes()
    place = KEPT / files.sha256_text("pairs\n" + "".join(f"{path} {hashes.sha256(path)}\n" for path in paths))[:16]
    hashes.save()
    if not place.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        earlier = list(KEPT.iterdir())
        made = tempfile.mkdtemp(dir=KEPT)
        _write(Path(made), paths)
        os.replace(made, place)
        for folder in earlier:
            shutil.rmtree(folder)
    return place


def _write(folder: Path, paths: list[Path]) -> None:
    import bm25s

    passages = [(passage.id, passage.text) for path in paths for passage in Passages.read(path).passages]
    if not passages:
        raise UserError(f"{layout.PASSAGES}: holds no passages to search: run snakemake --cores all, or dvc pull")
    terminal.note(f"indexing {len(passages):,} passages; {KEPT} keeps the index for the next question")
    index = bm25s.BM25()
    index.index(bm25s.tokenize([units.pairs(text) for _, text in passages], stopwords="en", show_progress=False), show_progress=False)
    index.save(folder)
    files.write_json(folder / "passages.json", [identity for identity, _ in passages])
