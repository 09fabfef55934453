"""Whether a secret is anywhere in a folder, however it lies there."""

import os
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

STREAM = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
"""how gzip and zlib begin: git's objects and packs among them"""


def holding(secret: str, folder: Path) -> list[str]:
    """All files and folders, hidden ones too, that hold a secret in their name or their content, compressed or not; all but .venv."""
    paths = [path for path in sorted(folder.rglob("*")) if ".venv" not in path.relative_to(folder).parts]
    return [str(path.relative_to(folder)) for path in paths
            if secret in path.name or (path.is_file() and any(secret.encode() in content for content in _contents(path)))]


def _contents(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content
    if content.startswith(b"SQLite format 3\0"):  # a long text lies in pieces there
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as store:
            yield os.fsencode("\n".join(store.iterdump()))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    for begin in STREAM.finditer(content):
        try:
            yield zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content[begin.start() :])
        except zlib.error:
            continue  # only looks like the head of a stream
