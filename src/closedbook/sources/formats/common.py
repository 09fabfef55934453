"""What the converters have in common: what comes out of a file, why nothing may, and what a file may ask for at most.

No bound ever decides what a file's text is: a file gives all of it, or none. Beyond a bound it is named and left to the user: to split, or
to take out.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = 256 << 20
"""bytes of a file"""
UNPACKED = 64 << 20
"""bytes of what is unpacked of an archive (DOCX, EPUB); pictures are not"""
TEXT = 10_000_000
"""characters of a document, the tags of its paragraphs included: twice the Bible"""
MEMORY = 2 << 30
"""bytes that a conversion holds at once"""
SECONDS = 600
"""of processor time for a conversion"""
REMEDY = "split it, or take it out"


@dataclass(frozen=True, kw_only=True)
class Converted:
    title: str | None = None
    """as the file's own fields have it, like author and licence"""
    author: str | None = None
    license: str | None = None
    year: int | None = None
    """of a paper, which names it on its first page; a file's own date is mostly that of the file"""
    text: str
    is_html: bool
    """else paragraphs on a line each, blank lines between them"""
    left_out: list[str] = field(default_factory=list)
    """what of the file is not in the text though it may say something, in words"""

    def as_dict(self) -> dict:
        return asdict(self)


class Unreadable(Exception):
    """A file that gives no text; says why, and what would help."""


def check_file(file: Path) -> None:
    size = file.stat().st_size
    if size > FILE:
        raise Unreadable(f"{size >> 20:,} MiB, and a file may have {FILE >> 20:,}: {REMEDY}")


def check_length(length: int) -> None:
    if length > TEXT:
        raise Unreadable(f"{length:,} characters of text or more, and a document may have {TEXT:,}: {REMEDY}")


class Archive:
    """A zip archive, of which no more is unpacked than UNPACKED."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped
        self._unpacked = 0
        self.names = dict.fromkeys(zipped.namelist())

    def read(self, name: str) -> bytes:
        """A part; each reading counts. Raises KeyError where it is missing, Unreadable beyond the bound."""
        size = self._zipped.getinfo(name).file_size
        self._unpacked += size
        if self._unpacked > UNPACKED:
            raise Unreadable(f"unpacks to more than {UNPACKED >> 20:,} MiB, pictures apart: {REMEDY}")
        with self._zipped.open(name) as part:
            return part.read(size)  # a size, lest more is unpacked where the archive lies about it


@contextmanager
def archive(data: bytes) -> Iterator[Archive]:
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        yield Archive(zipped)
