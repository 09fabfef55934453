"""Results of before that a job would make again: taken from DVC's cache, by the receipts of the states that were kept.

DVC's own run cache does not serve outputs that persist. When a run begins, it notes of each job that is due what was made before under the recipe
of now; the job compares what it reads with what was read then. A job whose receipt was deleted is done anew.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import dvc, receipts, versioned
from closedbook.workflow.receipts import WORK
from closedbook.workflow.registry import Job

NOTED = WORK / "earlier.json"
"""{job: [{"receipt": its content's place, "files": {path: its content's place}}, …], the newest first}"""
STATES = 100
"""how many of them are looked through, the newest ones"""


class Found(NamedTuple):
    receipt: dict
    files: dict[str, Path]
    """where the content of each of its outputs lies, by the output's path"""


def note(jobs: Iterable[Job], recipes: dict[str, dict]) -> int:
    """Note what of these jobs, which are due, was made before; returns of how many."""
    left = {job.name: job for job in jobs if job.receipt.exists()}
    found = {}
    for held in islice(_states(), STATES) if left and dvc.is_here() else ():
        for name, job in left.items():
            if one := _made(held, job, recipes[job.recipe]):
                found.setdefault(name, []).append(one)
    files.write_json(NOTED, found)
    return len(found)


def _states() -> Iterator[versioned.Held]:
    """What dvc.lock says now first: a run that was stopped may have replaced some of that."""
    try:
        if lock := dvc.text():
            yield versioned.Held(lock)
    except UserError:
        pass  # a merge gone wrong
    for _, held in versioned.states():
        yield held


def _made(held: versioned.Held, job: Job, recipe: dict) -> dict | None:
    receipt = held.place(str(job.receipt))
    record = _read(receipt)
    if record is None or files.canonical(record["recipe"]) != files.canonical(recipe):
        return None
    places = {path: held.place(path) for path in record["outputs"]}
    return {"receipt": str(receipt), "files": {path: str(place) for path, place in places.items()}} if all(map(Path.is_file, places.values())) else None


def _read(place: Path) -> dict | None:
    try:
        return receipts.read(place) if place.is_file() else None
    except UserError:
        return None  # closedbook audit names it


def same(job: Job, recipe: dict, inputs: dict[str, str]) -> Found | None:
    """What was made before from just this, and is whole in the cache."""
    noted = files.read_json(NOTED) if job.receipt.exists() and NOTED.is_file() else {}
    for one in noted.get(job.name, []):
        record = _read(Path(one["receipt"]))
        if record and record["inputs"] == inputs and files.canonical(record["recipe"]) == files.canonical(recipe):
            places = {path: Path(place) for path, place in one["files"].items()}
            if all(places[path].is_file() and files.sha256_file(places[path]) == sha256 for path, sha256 in record["outputs"].items()):
                return Found(record, places)
    return None
