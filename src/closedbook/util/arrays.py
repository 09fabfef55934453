"""numpy arrays as files that appear whole or not at all, and files of lines that are found by their numbers."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from closedbook.util import files


def write(path: Path, values: np.ndarray) -> None:
    with files.whole_file(path, "wb") as handle:
        np.save(handle, values)


def write_joined(path: Path, parts: Iterable[np.ndarray]) -> list[int]:
    """Write arrays of uint32, as they come, one after the other as one; returns how long each is."""
    lengths = []
    with files.whole_file(path, "wb") as handle:
        _header(handle, 0)
        for part in parts:
            handle.write(part.data)
            lengths.append(len(part))
        handle.seek(0)
        _header(handle, sum(lengths))
    return lengths


def _header(handle, length: int) -> None:
    """numpy pads a header so that the length can be overwritten when it is known."""
    np.lib.format.write_array_header_1_0(handle, {"descr": "<u4", "fortran_order": False, "shape": (length,)})


def write_lines(path: Path, places: Path, rows: Iterable[dict]) -> None:
    """The same as files.write_json_lines, and in `places`, npy of int64, the byte at which each line begins."""
    begins, written = [], 0
    with files.whole_file(path, "wb") as handle:
        for row in rows:
            begins.append(written)
            written += handle.write(files.json_line(row).encode("utf-8"))
    write(places, np.array(begins, np.int64))
