"""Files that appear whole or not at all, in one canonical form, and their hashes."""

import csv
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from closedbook.util.errors import REMEDY, UserError

TEMPORARY = ".tmp-closedbook-"
"""how the names of temporary files begin"""


def canonical(value) -> str:
    """One text for one value: sorted keys, no spaces, and 16.0 written as 16, so that equal settings hash alike."""
    return json.dumps(_plain_numbers(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain_numbers(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_numbers(item) for item in value]
    return value


def sha256_text(text: str) -> str:
    return sha256_bytes(text.encode("utf-8"))


def sha256_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_abandoned(temporary: Path) -> bool:
    """Whether nobody writes to a temporary file of `whole_file` any more: its process was killed."""
    try:
        with open(temporary, "r+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextmanager
def whole_file(path: Path, mode: str = "w"):
    """Open a temporary neighbour of `path` that takes its place only when the block ends well and is on disk; its mode is as umask says.

    A disk that is full or a folder that may not be written raises UserError that names the path.
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, mode.replace("w", "x+"), **({} if "b" in mode else {"encoding": "utf-8", "newline": "\n"})) as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)  # for `is_abandoned`: the kernel gives it back however the process ends
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (temporary, *path.parents):
            raise  # the block failed on a file of its own
        raise UserError(f"{path}: cannot be written ({error.strerror}): {REMEDY}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def give_usual_modes(folder: Path) -> None:
    """Give each file of a folder the mode that umask gives to a new one: safetensors writes for the owner alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o666 & ~mask)


def is_database(path: Path) -> bool:
    """Whether SQLite can open a file, by its first bytes; one that is not there, or empty, it makes its own."""
    if not path.exists():
        return True
    with open(path, "rb") as handle:
        return handle.read(16) in (b"", b"SQLite format 3\0")


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as handle:
        handle.write(text)


def json_text(value) -> str:
    """Indented JSON with keys in the order given, so that a person can read it and equal values give equal bytes."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def write_json(path: Path, value) -> None:
    write_text(path, json_text(value))


def json_line(row) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def write_json_lines(path: Path, rows) -> None:
    with whole_file(path) as handle:
        handle.writelines(map(json_line, rows))


def write_csv(path: Path, columns: list[str], rows: list[dict]) -> None:
    """Of each row what the columns name."""
    with whole_file(path) as handle:
        writer = csv.DictWriter(handle, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_json(path: Path):
    """Raises UserError for a file that holds no JSON: all of them are written whole, so somebody or something changed it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}): it was changed since it was written: bring it back, or delete it and run again") from None


def each_json_line(path: Path) -> Iterator:
    """The rows one by one: a file of lines may be larger than memory."""
    with open(path, encoding="utf-8") as handle:
        yield from map(json.loads, handle)


def read_json_lines(path: Path) -> list:
    return list(each_json_line(path))
