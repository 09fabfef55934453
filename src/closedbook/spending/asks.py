"""What is not answered yet, written to files for any engine to answer, and its answers taken back.

    PYTHONPATH=src python -m closedbook asks export FOLDER

The jobs of a run are run as they are, but that a `Bulk` is open in place of the provider: so what is written is what a run would send, and
an answer passes what a live one passes. Jobs whose questions are all answered are done; the others wait for the next round.
"""

import argparse
import os
import secrets
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path

from closedbook.llm import ledger, shards
from closedbook.llm.bulk import Bulk, Postponed, Reply
from closedbook.llm.errors import Trouble
from closedbook.params import OWN_MODELS
from closedbook.spending import calls
from closedbook.util import files, terminal
from closedbook.util.errors import REMEDY, UserError
from closedbook.workflow import jobs, plan, upkeep
from closedbook.workflow.plan import Plan
from closedbook.workflow.registry import STEPS, Job
from closedbook.workflow.snakemake import Graph

VECTORS = ("pairs", "retrieval")
"""stages that ask for vectors and ratings, if they ask, which are few: one by one"""
SHOWN = 20
"""lines of trouble that are printed"""
UNKNOWN, FAILED = "unknown key", "failed"


class Export(Bulk):
    """Writes each request that has no answer yet, none twice."""

    def __init__(self, files_: shards.Shards):
        self._files, self._keys = files_, set()
        self.in_batches: set[str] = set()
        """keys of requests that a provider's batch has already"""

    def note(self, sender, request, question) -> None:
        if sender.budget.pending(request["key"]):
            self.in_batches.add(request["key"])
        elif request["key"] not in self._keys:
            self._keys.add(request["key"])
            self._files.add(sender.section, shards.line(request["key"], sender.llm.model, sender.body(request, question)))


class Import(Bulk):
    """Has the replies of some files at hand, and remembers which were of use."""

    def __init__(self, replies: shards.Replies):
        self._replies = replies
        self.taken: dict[str, str] = {}
        """the engine's name for its model, by the key of each answer that is on the ledger now"""
        self.without: dict[str, str] = {}
        """what the engine said instead of an answer"""
        self.open: set[str] = set()
        """keys of requests that stay without an answer"""

    def reply(self, key: str) -> Reply | None:
        return self._replies.get(key)

    def enter(self, sender, request, question) -> int:
        self.taken[request["key"]] = str(self._replies.get(request["key"]).body.get("model"))
        return sender.budget.pending(request["key"]) or super().enter(sender, request, question)

    def note(self, sender, request, question) -> None:
        self.open.add(request["key"])

    def failed(self, key: str, trouble: Trouble) -> None:
        self.without[key] = trouble.words


def export_answer(options: argparse.Namespace) -> dict:
    """"files", the requests in each by path; how many these are, how many are in batches, and how many jobs wait.

    Raises UserError for a folder that holds anything.
    """
    folder = Path(options.folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is there already, and not an empty folder: name another one, or move it away")
    with upkeep.hold("closedbook asks export"), _whole(folder) as place, shards.Shards(place) as written:
        bulk = Export(written)
        waiting = _run(bulk)
    found = {str(folder / path.name): number for path, number in written.written.items()}
    return {"files": found, "requests": sum(found.values()), "in_batches": len(bulk.in_batches), "waiting": waiting}


def export_lines(answer: dict) -> list[str]:
    told = [f"{path}: {number:,} requests" for path, number in answer["files"].items()]
    told += [f"{answer['requests']:,} requests in all; give the answers to closedbook asks import"] if told else []
    if answer["in_batches"]:
        told.append(f"{answer['in_batches']:,} requests are in a provider's batches since an earlier run, and not written: run that again")
    told += [f"{_waits(answer['waiting'])}: export again when they are there"] if answer["waiting"] else []
    return told or ["every question is answered: nothing to write"]


def _waits(number: int) -> str:
    return f"{number:,} further jobs wait for results of these"


def import_answer(options: argparse.Namespace) -> dict:
    """What was taken, by the engine's name for its model; "kinds", how many lines were of no use; "trouble": file, line, kind, problem.

    Raises UserError for a file that can't be read, and where not one line answers what this project asks.
    """
    trouble, replies = [], shards.Replies()
    with ExitStack() as closing:
        for path in map(Path, options.files):
            handle = closing.enter_context(_opened(path))
            trouble += [_trouble(str(path), *one) for one in replies.add(str(path), handle, {"file": path.name})]
        bulk = Import(replies)
        with upkeep.hold("closedbook asks import"):
            waiting = _run(bulk)
    failed = [(replies.places[key], words) for key, words in bulk.without.items()]
    trouble += [_trouble(place.file, place.number, FAILED, words) for place, words in failed]
    others = replies.places.keys() - bulk.taken.keys() - bulk.without.keys()
    known = _on_the_ledger(others)
    trouble += [_trouble(place.file, place.number, UNKNOWN, f"no request of this project has the key {key[:12]}")
                for key, place in replies.places.items() if key in others - known]
    if others and others - known == replies.places.keys():
        raise UserError(f"{', '.join(options.files)}: refused: not one of {len(others):,} answers is to a request of this project as "
                        "params.yaml and the prompts are now: they are another project's, or documents, prompts or parameters have changed")
    return {"taken": len(bulk.taken), "models": dict(Counter(bulk.taken.values())), "known": len(known),
            "kinds": dict(Counter(one["kind"] for one in trouble)), "trouble": trouble, "open": len(bulk.open), "waiting": waiting}


def import_lines(answer: dict) -> list[str]:
    models = ", ".join(f"{name} {number:,}" for name, number in answer["models"].items())
    told = [f"{answer['taken']:,} answers are on the ledger now{f' ({models})' if models else ''}; {answer['known']:,} were there already"]
    told += [f"{one['file']}:{one['line']}: {one['kind']}: {one['problem']}" for one in answer["trouble"][:SHOWN]]
    told += [f"and {len(answer['trouble']) - SHOWN:,} more: --json lists all"] if len(answer["trouble"]) > SHOWN else []
    told += [f"lines of no use: {', '.join(f'{kind} {number:,}' for kind, number in answer['kinds'].items())}"] if answer["kinds"] else []
    if answer["open"] or answer["waiting"]:
        left = f"{answer['open']:,} requests are open" + (f", and {_waits(answer['waiting'])}" if answer["waiting"] else "")
        return [*told, f"{left}: closedbook asks export FOLDER writes them"]
    return [*told, "every question is answered: run snakemake --cores all"]


def _run(bulk: Bulk) -> int:
    """Run what asks a provider in words, and what that needs; returns how many jobs wait for results that are not there yet."""
    planned = plan.make()
    graph = Graph(planned.jobs)
    needed = [planned.jobs[name] for name in graph.needed(str(job.receipt) for job in _asking(planned))]
    unmade, waiting = set(), 0
    for place in dict.fromkeys(job.place for job in needed):
        stale = upkeep.check(planned, place)
        due = [job for job in needed if job.place == place and (stale[job.receipt] or unmade.intersection(graph.before[job.name]))]
        ready = [job for job in due if not unmade.intersection(graph.before[job.name]) and not (place in VECTORS and _models(planned, job))]
        _attempt(bulk, planned, ready)
        made = upkeep.check(planned, place)
        unmade |= {job.name for job in due if job not in ready or made[job.receipt]}
        waiting += len(due) - len(ready)
    for place in dict.fromkeys(job.place for job in needed if job.name in unmade and job.place in VECTORS):
        terminal.note(f"{place} asks for vectors, one by one: what needs them is not among these before snakemake {place} is run")
    return waiting


def _asking(planned: Plan) -> list[Job]:
    """Raises UserError where there is none."""
    found = [job for job in planned.jobs.values() if job.stage not in VECTORS and any(model not in OWN_MODELS for model in _models(planned, job))]
    if not found:
        raise UserError("params.yaml: llm.model is null or code of closedbook, and there is neither a judge nor an API model: nothing is "
                        "asked of a provider")
    return found


def _models(planned: Plan, job: Job) -> list[str]:
    """Those that a job asks."""
    return STEPS[job.stage].asks(planned.recipes[job.recipe]["params"])


def _attempt(bulk: Bulk, planned: Plan, ready: list[Job]) -> None:
    """Run jobs of one stage, each document's beside each other: what is asked of it begins alike, and an engine then reads that once."""
    order = {document: place for place, document in enumerate(planned.documents)}
    names = [job.name for job in sorted(ready, key=lambda job: order.get(job.name.rpartition("/")[2], 0))]
    if names:
        with bulk.opened(), suppress(Postponed), redirect_stdout(sys.stderr):  # what jobs say is no part of the answer
            jobs.run(names, os.cpu_count() or 1)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder beside it that becomes it, whole, when the block ends well and has put something in it."""
    place = folder.parent / f"{files.TEMPORARY}{secrets.token_hex(8)}"
    try:
        place.mkdir(parents=True)
        yield place
        if any(place.iterdir()):
            if folder.exists():
                folder.rmdir()
            place.rename(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}): {REMEDY}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _opened(path: Path):
    try:
        return open(path, "rb")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _trouble(file: str, line: int, kind: str, problem: str) -> dict:
    return {"file": file, "line": line, "kind": kind, "problem": problem}


def _on_the_ledger(keys: set[str]) -> set[str]:
    """Those of some keys under which the ledger has an answer."""
    found = set()
    for segment in calls.segments() if keys and ledger.root().is_dir() else []:
        found |= keys.intersection(line["key"] for line in calls.lines(segment) if ledger.decided(line))
    return found
