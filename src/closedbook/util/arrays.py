"""numpy arrays as files that appear whole or not at all, and files of lines that are found by their numbers."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from closedbook.util import files


def write(path: Path, values: np.ndarray) -> None:
    with files.whole_file(path, "wb") as handle:
        np.save(handle, values)


def write_lines(path: Path, places: Path, rows: Iterable[dict]) -> None:
    """The same as files.write_json_lines, and in `places`, npy of int64, the byte at which each line begins."""
    begins, written = [], 0
    with files.whole_file(path, "wb") as handle:
        for row in rows:
            begins.append(written)
            written += handle.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8"))
    write(places, np.array(begins, np.int64))
