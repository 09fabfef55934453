"""Whether anything of a document that was taken out is left in this folder: every file is read, no name is believed."""

import os
from collections.abc import Iterator
from pathlib import Path

from closedbook import layout
from closedbook.lineage import versioned
from closedbook.lineage.checks.digests import Digests
from closedbook.lineage.history import History, Job
from closedbook.lineage.takedown import elsewhere, notes, origin
from closedbook.lineage.takedown.notes import Record
from closedbook.lineage.tracing import nearest
from closedbook.lineage.tracing.passage import offsets_of
from closedbook.llm import ledger
from closedbook.util import files
from closedbook.workflow import dvc, leftovers

SKIPPED = (".git", ".venv")
"""`elsewhere` looks into git's objects, which are not ours to remove"""


def certify(record: Record) -> dict:
    """{"document", "files": how many were read, "broken": [{"file", "why", "remedy"}], one a file, "unreachable": lines}."""
    history = History.here_if_any()
    clean, jobs = made_with(record, history)
    results = {*history.maker, *(job.receipt for job in history.jobs.values())}
    traces = [*_in_corpora(record), *((Path(path), "made from it, as its receipt says") for job in jobs for path in job.outputs),
              *_in_ledger(record)]
    broken = [*_planned(record), *_kept(record)]
    searched = list(_searched(record, clean))
    broken += [{"file": str(path), "why": why, "remedy": _remedy(record, path, results)} for path, why in [*traces, *searched] if why]
    first = {trace["file"]: trace for trace in reversed(broken)}
    broken = list(reversed(first.values()))
    return {"document": record.document, "files": len(searched), "broken": broken, "unreachable": elsewhere.lines(record)}


def _planned(record: Record) -> Iterator[dict]:
    """The source that would bring it back with the next run."""
    found = origin.of(record.document)
    if found and found.number:
        for file in found.places or [Path("params.yaml")]:
            yield {"file": str(file), "why": "the source still holds it", "remedy": "; ".join(found.commands())}


def _kept(record: Record) -> Iterator[dict]:
    for name in notes.naming(record):
        yield {"file": dvc.KEPT + name, "why": "names its results in DVC's cache", "remedy": _redact(record)}


def _redact(record: Record) -> str:
    return f"closedbook impact {record.document} --redact"


def _in_corpora(record: Record) -> Iterator[tuple[Path, str]]:
    for index in sorted(layout.CORPORA.glob("*/passages.jsonl")):
        copied, offsets = index.parent / "tokens.npy", offsets_of(index.parent)
        rows = [row for row, passage in enumerate(files.read_json_lines(index)) if passage["document"] == record.document]
        if rows:
            tokens = sum(int(offsets[row + 1] - offsets[row]) for row in rows)
            ranges = ", ".join(f"{offsets[row]} to {offsets[row + 1] - 1}" for row in rows[:3])
            why = f"{tokens:,} of its tokens are of the document: {ranges}{', …' if len(rows) > 3 else ''}"
            yield copied if copied.exists() else index.parent / "passages.npy", why  # older corpora hold tokens of their own


def _in_ledger(record: Record) -> Iterator[tuple[Path, str]]:
    """Calls about it whose texts were not struck, be they too short to be found by their words."""
    for segment in sorted(ledger.root().glob(f"*/{record.document}.jsonl")):
        if any(name in call for _, call, _ in ledger.verified(segment) for name in ledger.TEXTS):
            yield segment, "holds texts of calls about it"


def made_with(record: Record, history: History) -> tuple[set[str], list[Job]]:
    """Hashes of the results that are made without the document, and the jobs that made some with it, by their receipts."""
    clean, jobs = set(), []
    for job in history.ancestors(history.jobs.values()):
        inputs = {sha256 for sha256 in job.inputs.values() if sha256 in record.files and sha256 not in clean}
        if inputs or record.document in files.canonical([job.recipe, job.inputs]):
            jobs.append(job)
        else:
            clean |= set(job.outputs.values())
    return clean, jobs


def _searched(record: Record, clean: set[str]) -> Iterator[tuple[Path, str | None]]:
    """Each file, and what it holds of the document, in words. One content is searched once, wherever else it lies."""
    wanted, known, paths, digests = record.wanted(), {}, list(_everything()), Digests()
    digests.read((path, "sha256") for path in paths)
    for path in paths:
        sha256 = digests.sha256(path)
        if sha256 not in known:
            known[sha256] = notes.words_or_id(record.document, path, wanted)
        if path.is_relative_to("ledger"):  # keeps its hashes and its id, not its words
            yield path, known[sha256] if known[sha256] == notes.WORDS else None
        elif sha256 in record.files and sha256 not in clean:
            yield path, f"is {record.files[sha256]} as it was with the document"
        elif path.is_relative_to(notes.CHECKPOINTS) and not path.is_relative_to(notes.CHECKPOINTS / "base"):
            yield path, "left by a training that did not end: may have been trained on it"
        elif path.is_relative_to(nearest.KEPT) and not (path.parent / "passages.json").exists():
            yield path, "left of an index of passages; which passages is not recorded"
        else:
            yield path, known[sha256] or ("is called after it" if record.document in str(path) else None)


def _everything() -> Iterator[Path]:
    """All files of the project's folder, and of DVC's cache where that is elsewhere."""
    caches = [versioned.cache()] if dvc.is_here() else []
    for root in [Path("."), *(cache for cache in caches if not cache.resolve().is_relative_to(Path.cwd()))]:
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in SKIPPED)
            yield from (path for path in (Path(folder) / name for name in sorted(names)) if path.is_file())


def _remedy(record: Record, path: Path, results: set[str]) -> str:
    """The command that removes a trace; `results` are the files that receipts name: others among them are somebody's own."""
    top, *rest = path.parts
    if str(path) in results:
        return f"snakemake --cores all && {_redact(record)}"
    if top in (".closedbook", ".snakemake", "ledger") or path == leftovers.IGNORED or leftovers.is_unfinished(path):
        return _redact(record)
    if ".dvc" in path.parts and "tmp" not in rest or path.is_absolute():
        return "dvc gc --workspace"
    if top == "mlartifacts" and len(rest) > 1:
        store = "--tracking-uri sqlite:///mlflow.db --backend-store-uri sqlite:///mlflow.db"
        return f"mlflow runs delete --run-id {rest[0]} && mlflow gc {store} --run-ids {rest[0]}"
    if top == "mlflow.db":
        vacuum = "import sqlite3; sqlite3.connect('mlflow.db').execute('VACUUM')"
        return f'delete the run that holds it (mlflow ui), then: python -c "{vacuum}"'
    return origin.remove(path, [])
