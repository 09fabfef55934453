"""Files that appear whole or not at all, in one canonical form, and their hashes."""

import fcntl
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from closedbook.errors import UserError

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
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_file(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_abandoned(temporary: Path) -> bool:
    """Whether nobody writes to a temporary file of `whole_file` any more: its process was killed."""
    try:
        with open(temporary, "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextmanager
def whole_file(path: Path, mode: str = "w"):
    """Open a temporary neighbour of `path` that takes its place only when the block ends well and is on disk.

    A disk that is full or a folder that may not be written raises UserError that names the path.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # for `is_abandoned`: given back by the kernel however the process ends
        with os.fdopen(descriptor, mode, **({} if "b" in mode else {"encoding": "utf-8", "newline": "\n"})) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        if error.filename not in (None, temporary, str(path.parent)):
            raise  # the block failed on a file of its own
        raise UserError(f"{path}: cannot be written ({error.strerror}): make room or give write permission, then run again") from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as handle:
        handle.write(text)


def json_text(value) -> str:
    """Indented JSON with keys in the order given, so that a person can read it and equal values give equal bytes."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def write_json(path: Path, value) -> None:
    write_text(path, json_text(value))


def write_json_lines(path: Path, rows) -> None:
    with whole_file(path) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_json(path: Path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_json_lines(path: Path) -> list:
    with open(path, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]
