"""Tensors of safetensors files, read and written a slice at a time: memory holds a slice, however large a tensor or a shard is.

A file is the length of its header (8 bytes), the header (JSON: {name: {"dtype", "shape", "data_offsets"}}), and the tensors' values one after
another. The library's own reading maps a file into memory and its writing needs all of a shard there.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch

from closedbook.util import files
from closedbook.util.errors import UserError

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""in which weights can be computed with"""
MOST_HEADER = 100_000_000
"""bytes: the library's own bound"""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """Where a tensor of floats lies."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    """byte in the file"""

    @property
    def values(self) -> int:
        return math.prod(self.shape)

    def slice(self, first: int, end: int, handle: BinaryIO) -> torch.Tensor:
        """Its values [first, end), one after another. Raises UserError for a file that ends before them."""
        values = torch.empty(end - first, dtype=DTYPES[self.dtype])
        room, place = memoryview(values.view(torch.uint8).numpy()), self.start + first * values.itemsize
        while room:
            read = os.preadv(handle.fileno(), [room], place)
            if not read:
                raise UserError(f"{self.path}: ends within a tensor: it is not a whole safetensors file")
            room, place = room[read:], place + read
        return values


def tensors(paths: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of some files, by name. Raises UserError for a file that is no safetensors file, and for weights that are no floats."""
    return {name: tensor for path in paths for name, tensor in _of_file(Path(path))}


def _of_file(path: Path) -> Iterator[tuple[str, Tensor]]:
    with open(path, "rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if not 2 <= length <= min(MOST_HEADER, path.stat().st_size):
            raise UserError(f"{path}: is no safetensors file")
        try:
            header = json.loads(handle.read(length))
        except ValueError:
            raise UserError(f"{path}: is no safetensors file") from None
    for name, said in header.items():
        if name == "__metadata__":
            continue
        if said["dtype"] not in DTYPES:
            raise UserError(f"{path}: {name} is stored as {said['dtype']}: weights must be floats ({', '.join(DTYPES)}), not quantised ones")
        yield name, Tensor(path=path, dtype=said["dtype"], shape=(*said["shape"],), start=8 + length + said["data_offsets"][0])


def write(path: Path, wanted: Mapping[str, tuple[str, tuple[int, ...]]], values: Iterable[torch.Tensor]) -> None:
    """Write a safetensors file of the tensors `wanted`, {name: (dtype, shape)}, whose `values` come one after another in any pieces."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape) in wanted.items():
        start, end = end, end + math.prod(shape) * DTYPES[dtype].itemsize
        header[name] = {"dtype": dtype, "shape": [*shape], "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the values begin at a multiple of 8
    with files.whole_file(path, "wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        for piece in values:
            handle.write(memoryview(piece.view(torch.uint8).numpy()))
        assert handle.tell() == 8 + len(text) + end, f"{path}: other values than its header says"
