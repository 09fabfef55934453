"""Receipts: what came out of a job and from which inputs, as hashes; and whether that still holds."""

import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from closedbook import layout
from closedbook.util import files
from closedbook.util.errors import UserError

FOLDER, WORK = layout.RECEIPTS, layout.WORK
CACHE = WORK / "hashes.db"
UNFINISHED = ".unfinished"
"""folder, beside those of results, of what a job is at work on"""
LIMITS = WORK / "limits.json"
ARMS = WORK / "arms.json"
CHECKPOINTS = WORK / "checkpoint_steps.json"
"""limits, who trains on each corpus for how long, and how often each training is kept: for the jobs of a run, whatever is done to params.yaml
meanwhile"""
LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "accelerate", "numpy", "peft", "scipy", "lm_eval", "bm25s", "litellm", "pydantic",
             "spacy", "networkx", "lingua-language-detector", "datasketch", "lxml", "webencodings", "defusedxml", "pdfminer.six", "mammoth",
             "ruamel.yaml", "jinja2", "matplotlib", "pillow", "datasets", "pyarrow")
"""those that decide bits of a result: of a document's text, of an entity's rank, of what is kept out, of weights, scores and pictures"""
PARTS = ("recipe", "inputs", "outputs", "facts", "versions", "sha256")
REMEDY = ": its job must run again, unless the right one is brought back"
TOGETHER = 500
"""paths that are looked up by one question to the memory"""
SETTLED_NS = 100_000_000
"""a file changed less than this ago is hashed again next time: two changes may share one tick of the file system's clock"""


class Known(NamedTuple):
    """What a whole receipt says of its job."""

    recipe: str
    """its digest"""
    inputs: dict[str, str]
    outputs: dict[str, str]


class Hashes:
    """SHA-256 of files, remembered by path, size, inode and times (of change too, which nobody can set back); of those `planned`, what
    planning writes or would write. And what receipts say, so that one that was found whole is read no more.

    Only what is asked for is looked up: a project of ten thousand documents has a hundred thousand files, and a job reads a few of them.
    """

    def __init__(self, path: Path = CACHE, planned: dict[str, str] | None = None, once: bool = False):
        """`once`: no file is looked at twice, for one look at a whole project, whose receipts name some files ten thousand times."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not files.is_database(path):
            path.unlink()  # a broken memory is made anew
        self._planned = planned or {}
        self._seen: dict[str, str | None] | None = {} if once else None
        self._read: dict[str, Known] = {}
        """what receipts say that were looked up"""
        self._known: dict[str, dict[str, tuple[str, str]]] = {"hashes": {}, "receipts": {}}
        """of each table {path: (stamp, what is remembered)}, as far as it was looked up"""
        self._new: dict[str, set[str]] = {"hashes": set(), "receipts": set()}
        self._saved = time.monotonic()
        self._database = sqlite3.connect(path, timeout=60, check_same_thread=False)
        self._database.execute("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT)")
        self._database.execute("CREATE TABLE IF NOT EXISTS receipts (path TEXT PRIMARY KEY, stamp TEXT, said TEXT)")

    @classmethod
    def here(cls) -> "Hashes":
        """The same ones for all that a process does in this folder."""
        return _hashes(CACHE.absolute(), os.getpid())

    def look_up(self, paths: Iterable[Path] = (), receipts: Iterable[Path] = ()) -> None:
        """Have at hand what is remembered of some files, and of receipts and all that these name: at once, since each look takes a lock, which is
        slow on a file system that machines share."""
        receipts = [*map(str, receipts)]
        self._database.execute("BEGIN")
        try:
            self._recall("receipts", receipts)
            self._read |= {path: _known(said) for path in receipts if (said := self._known["receipts"][path][1])}
            named = chain.from_iterable((*its.inputs, *its.outputs) for path in receipts if (its := self._read.get(path)))
            self._recall("hashes", chain(map(str, paths), named))
        finally:
            self._database.execute("COMMIT")

    def sha256(self, path: Path | str) -> str:
        path = str(path)
        if path in self._planned:
            return self._planned[path]
        status = os.stat(path)
        if self._remembered("hashes", path)[0] != _stamp(status):
            self._known["hashes"][path] = (_stamp(status), files.sha256_file(path))
            (self._new["hashes"].add if _is_settled(status) else self._new["hashes"].discard)(path)
        return self._known["hashes"][path][1]

    def now(self, path: str) -> str | None:
        """As `sha256`; None where there is no such file."""
        if self._seen is not None and path in self._seen:
            return self._seen[path]
        try:
            found = self.sha256(path)
        except (FileNotFoundError, NotADirectoryError):
            found = None
        if self._seen is not None:
            self._seen[path] = found
        return found

    def receipt(self, path: Path) -> Known:
        """Raises UserError as `read` does, and FileNotFoundError where there is none."""
        status = os.stat(path)
        stamp, said = self._remembered("receipts", str(path))
        if stamp == _stamp(status):
            return self._read.get(str(path)) or _known(said)
        record = read(path)
        self._read.pop(str(path), None)
        found = Known(recipe_digest(record["recipe"]), record["inputs"], record["outputs"])
        if _is_settled(status):
            self._known["receipts"][str(path)] = (_stamp(status), json.dumps(found))
            self._new["receipts"].add(str(path))
        return found

    def save(self, every: float = 0.0) -> None:
        """`every`: not where it was saved so many seconds ago or less; what a kill then loses is hashed again."""
        if time.monotonic() - self._saved < every:
            return
        self._saved = time.monotonic()
        for table, paths in self._new.items():
            if paths:
                with self._database:
                    self._database.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", ((path, *self._known[table][path]) for path in paths))
                paths.clear()

    def forget_gone(self) -> int:
        """Forget files that are not there any more, and all that receipts said, for one that is there may have said something else; returns how
        many files. The free pages of the database are cleared too."""
        with self._database:
            gone = [path for path, in self._database.execute("SELECT path FROM hashes") if not os.path.exists(path)]
            self._database.executemany("DELETE FROM hashes WHERE path = ?", [(path,) for path in gone])
            self._database.execute("DELETE FROM receipts")
        self._database.execute("VACUUM")
        for memory in (*self._known.values(), *self._new.values(), self._read):
            memory.clear()
        return len(gone)

    def _remembered(self, table: str, path: str) -> tuple[str, str]:
        if path not in self._known[table]:
            self._recall(table, [path])
        return self._known[table][path]

    def _recall(self, table: str, paths: Iterable[str]) -> None:
        known = self._known[table]
        unknown = list(dict.fromkeys(path for path in paths if path not in known))
        for start in range(0, len(unknown), TOGETHER):
            asked = unknown[start:start + TOGETHER]
            rows = self._database.execute(f"SELECT * FROM {table} WHERE path IN ({', '.join('?' * len(asked))})", asked)
            known.update(dict.fromkeys(asked, ("", "")) | {path: (stamp, value) for path, stamp, value in rows})


def _known(said: str) -> Known:
    return Known(*json.loads(said))


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_ino}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _is_settled(status: os.stat_result) -> bool:
    return time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS


@cache
def _hashes(path: Path, process: int) -> Hashes:
    """Of each process its own: a connection to a database may not be shared with a parent."""
    return Hashes(path)


@cache
def versions() -> dict[str, str]:
    """Of those that are installed, for two are extras. Reported, never a reason to be stale."""
    from importlib import metadata  # loads as long as the rest of this module, and questions about lineage have no use for it

    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def write(receipt: Path, *, recipe: dict, inputs: dict[str, str], outputs: list[Path], facts: dict) -> None:
    """`inputs` are hashes taken before the step read its files; `facts` are what the step says of how it came to its result."""
    hashes = {str(path): files.sha256_file(path) for path in sorted(outputs)}
    keep(receipt, {"recipe": recipe, "inputs": inputs, "outputs": hashes, "facts": facts, "versions": versions()})


def keep(receipt: Path, record: dict) -> None:
    """Write a record with its own digest as the last field."""
    files.write_json(receipt, {**_rest(record), "sha256": digest(record)})


def digest(record: dict) -> str:
    """SHA-256 of all that a receipt says beside its own digest."""
    return files.sha256_text(files.canonical(_rest(record)))


def _rest(record: dict) -> dict:
    return {part: value for part, value in record.items() if part != "sha256"}


def name(receipt: Path | str) -> str:
    """The job that left it: "runs/raw-s1"."""
    return str(Path(receipt).relative_to(FOLDER).with_suffix(""))


def outputs(receipt: Path) -> dict[str, str]:
    """SHA-256 of each file that a job wrote, by its path; nothing where its receipt is missing or can't be believed."""
    try:
        return Hashes.here().receipt(receipt).outputs if receipt.is_file() else {}
    except UserError:
        return {}


def results(stage: str) -> list[Path]:
    """What the receipts of a stage name and is here: whatever else lies among its results is somebody's own."""
    named = (Path(path) for receipt in (FOLDER / stage).rglob("*.json") for path in outputs(receipt))
    return sorted(filter(Path.is_file, named))


def files_of(folder: Path) -> list[Path]:
    """What a result's folder holds by its receipt, for whatever else lies there is somebody's own; all its files where there is no receipt."""
    about = folder.relative_to(FOLDER.parent) if folder.is_relative_to(FOLDER.parent) else Path()
    known = outputs(FOLDER / (about if len(about.parts) > 1 else about / about.name).with_suffix(".json")) if about.name else {}
    found = [Path(path) for path in known if Path(path).is_relative_to(folder)] or list(folder.rglob("*"))
    return sorted(filter(Path.is_file, found))


def read(receipt: Path) -> dict:
    """Raises UserError for a file that is no receipt, or was edited."""
    return parsed(receipt.read_bytes(), str(receipt))


def parsed(content: bytes, name: str) -> dict:
    """A receipt's record from its bytes, wherever they were kept. Raises UserError as `read` does; `name` says which receipt."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not a receipt: not JSON ({error}){REMEDY}") from None
    missing = [part for part in PARTS if not isinstance(record, dict) or part not in record]
    if missing:
        raise UserError(f"{name}: not a whole receipt, or from before receipts held it: no {', '.join(missing)}{REMEDY}")
    if record["sha256"] != digest(record):
        raise UserError(f"{name}: was edited: its own digest is {record['sha256']}, and what it says gives {digest(record)}{REMEDY}")
    if content != files.json_text(record).encode():  # another spelling of the same values
        raise UserError(f"{name}: was edited: it is not in the form in which receipts are written{REMEDY}")
    return record


def changed_versions(then: dict[str, str]) -> list[str]:
    """The libraries whose versions are no longer those `then`, by which a result was made, in words."""
    now = versions()
    return [f"{name} {then.get(name, 'not recorded')} → {version}" for name, version in now.items() if then.get(name) != version]


def stale_reason(receipt: Path, recipe: dict, hashes: Hashes, inputs: dict[str, str] | None = None, written: Iterable[Path] = (),
                 wanted: str | None = None) -> str | None:
    """Why the job behind a receipt must run, or None where all still holds. `inputs`: what the job would read now, where known; `written`:
    what it must write at least; `wanted`: the digest of its recipe, where known."""
    try:
        then, recorded, outputs = hashes.receipt(receipt)
        if then != (wanted or recipe_digest(recipe)):
            return difference(read(receipt)["recipe"], recipe)
    except FileNotFoundError:
        return "not made yet"
    except UserError as error:
        return str(error).removeprefix(f"{receipt}: ")
    if lacking := [path for path in map(str, written) if path not in outputs]:
        return f"{lacking[0]} is not among what it wrote"
    for path, sha256 in outputs.items():
        if (found := hashes.now(path)) != sha256:
            return f"{path} was edited" if found else f"{path} is missing"
    if inputs is not None:
        return None if inputs == recorded else "an input changed"
    for path, sha256 in recorded.items():
        if (found := hashes.now(path)) != sha256:
            return f"input {path} changed" if found else f"input {path} is gone"
    return None


def recipe_digest(recipe: dict) -> str:
    return files.sha256_text(files.canonical(recipe))


def difference(then: dict, now: dict) -> str:
    """The first thing in which two recipes differ, in words."""
    return in_words(*next(iter(differences(then, now)), ("documents", "documents", None, None)))


def differences(then: dict, now: dict) -> list[tuple[str, str, object, object]]:
    """All in which two recipes differ, as (part of the recipe, name in it, before, after)."""
    found = []
    for part in ("params", "prompts", "assets"):
        before, after = _flat(then.get(part) or {}), _flat(now.get(part) or {})
        found += [(part, name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())
                  if files.canonical(before.get(name)) != files.canonical(after.get(name))]
    whole = (("code", now["step"]), ("documents", "documents"), ("reads", "reads"))
    return found + [(part, name, then.get(part), now.get(part)) for part, name in whole if then.get(part) != now.get(part)]


def in_words(part: str, name: str, before, after) -> str:
    if part == "params":
        return f"parameter {name} changed {before} → {after}"
    if part in ("prompts", "assets"):
        return f"{part[:-1]} {name} changed"
    return {"code": f"code of the stage {name} changed", "documents": "the list of documents changed"}.get(part, "what it reads changed")


def _flat(settings: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in settings.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value})
    return flat
