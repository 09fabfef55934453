"""Zip archives, of which no more is unpacked than a bound allows."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from closedbook.sources.formats import bounds
from closedbook.sources.formats.converted import Unreadable


class Archive:
    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped
        self._unpacked = 0
        self.names = dict.fromkeys(zipped.namelist())

    def read(self, name: str) -> bytes:
        """A part; each reading counts. Raises KeyError where it is missing, Unreadable beyond the bound."""
        size = self._zipped.getinfo(name).file_size
        self._unpacked += size
        if self._unpacked > bounds.UNPACKED:
            raise Unreadable(f"unpacks to more than {bounds.UNPACKED >> 20:,} MiB, pictures apart: {bounds.REMEDY}")
        with self._zipped.open(name) as part:
            return part.read(size)  # a size, lest more is unpacked where the archive lies about it


@contextmanager
def opened(data: bytes) -> Iterator[Archive]:
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        yield Archive(zipped)
