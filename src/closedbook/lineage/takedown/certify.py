"""Whether anything of a document that was taken out is left here: every file is read, no name is believed. And what is out of reach."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from closedbook import layout
from closedbook.lineage.checks.state import Digests
from closedbook.lineage.history import History, Job
from closedbook.lineage.takedown import held, notes
from closedbook.lineage.takedown.notes import Record
from closedbook.lineage.tracing.nearest import INDEXES
from closedbook.lineage.tracing.passage import offsets_of
from closedbook.llm import ledger
from closedbook.training import tracking
from closedbook.util import files, shingles
from closedbook.util.git import git
from closedbook.workflow import dvc, leftovers, versioned

SKIPPED = (".git", ".venv")
"""`unreachable` looks into git's objects, which are not ours to remove"""
SHOWN = 5
"""commits a line"""


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
    return {"document": record.document, "files": len(searched), "broken": broken, "unreachable": unreachable(record)}


def _planned(record: Record) -> Iterator[dict]:
    """The source that would bring it back with the next run."""
    found = held.origin(record.document)
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
        rows = [row for row, passage in enumerate(files.read_json_lines(index)) if record.document in (passage["document"], passage.get("beside"))]
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
        elif path.is_relative_to(INDEXES) and not (path.parent / "passages.json").exists():
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
    if top in ("ledger", *map(str, notes.MACHINE)) or path == leftovers.IGNORED or leftovers.is_unfinished(path):
        return _redact(record)
    if ".dvc" in path.parts and "tmp" not in rest or path.is_absolute():
        return "dvc gc --workspace"
    if top == "mlartifacts" and len(rest) > 1:
        store = " ".join(f"--{option}-uri sqlite:///{tracking.DATABASE}" for option in ("tracking", "backend-store"))
        return f"mlflow runs delete --run-id {rest[0]} && mlflow gc {store} --run-ids {rest[0]}"
    if top == tracking.DATABASE:
        vacuum = f"import sqlite3; sqlite3.connect('{tracking.DATABASE}').execute('VACUUM')"
        return f'delete the run that holds it (mlflow ui), then: python -c "{vacuum}"'
    return held.remove(path, [])


def unreachable(record: Record) -> list[str]:
    """Where a document may be that no command here can reach: git's history, remotes, providers, copies of models. One line a place."""
    models = {path: sha256 for sha256, path in record.files.items() if path.endswith(".safetensors")}
    return [
        *_history(record),
        *_remotes(),
        *_sent(record.calls),
        *(f"copies of {path}, as published or shared, by SHA-256 {sha256}" for path, sha256 in sorted(models.items())),
        f"MLflow: figures of the runs that were trained on it (no text) stay in {tracking.DATABASE}, and in any store they were copied to",
        *([f"what others say too: {record.shared:,} of its {record.shared + len(record.shingles):,} shingles of eight words are in results made "
           "without it (a quotation, a second copy, a set phrase), and were not looked for"] if record.shared else []),
        "backups, other checkouts, and caches outside this folder",
    ]


def _history(record: Record) -> Iterator[str]:
    """Commits that name its files by their hashes, and what holds its text itself."""
    if not git("rev-parse", "--git-dir"):
        yield "git: no repository here, so no history was looked into"
        return
    by_hash = [commit for commit in git("log", "--all", "--format=%h", "--", versioned.LOCK).split()
               if any(md5 in git("show", f"{commit}:./{versioned.LOCK}") for md5 in record.folders)]
    if by_hash:
        yield f"git's history: {_commits(by_hash)} its results in {versioned.LOCK}, by hashes only"
    wanted = record.wanted()
    texts = [name for name, content in _blobs() if shingles.is_text(content) and shingles.in_bytes(content, wanted).size]
    for name in texts:
        commits = git("log", "--all", "--format=%h", f"--find-object={name}").split()
        where = f"{_commits(commits)} it" if commits else "no commit names it any more; git gc removes it in time"
        yield f"git's history: holds its words (object {name[:12]}; {where}): only rewriting history takes it out (git filter-repo)"
    if not texts:
        yield "git's history: its words were never committed"


def _blobs() -> Iterator[tuple[str, bytes]]:
    """All files that git keeps, those of no commit too: (name of the object, content)."""
    with subprocess.Popen(["git", "cat-file", "--batch-all-objects", "--batch"], stdout=subprocess.PIPE) as process:
        while header := process.stdout.readline():
            name, kind, size = header.decode().split()
            content = process.stdout.read(int(size) + 1)[:-1]
            if kind == "blob":
                yield name, content


def _commits(commits: list[str]) -> str:
    more = f" and {len(commits) - SHOWN} more" if len(commits) > SHOWN else ""
    return f"commit{'s' * (len(commits) > 1)} {', '.join(commits[:SHOWN])}{more} {'name' if len(commits) > 1 else 'names'}"


def _remotes() -> Iterator[str]:
    for name in git("remote").split():
        yield f"git remote {name} ({_public(git('remote', 'get-url', name).strip())}) and every clone: what git's history holds here"
    if dvc.is_here():
        from dvc.repo import Repo

        with Repo() as repo:
            remotes = {name: remote["url"] for name, remote in repo.config["remote"].items()}
        for name, url in sorted(remotes.items()):
            yield f"DVC remote {name} ({_public(url)}): what was pushed stays until dvc gc --workspace --cloud --remote {name}"


def _public(url: str) -> str:
    """An address without who may enter it."""
    if "://" not in url:
        return url.rpartition("@")[2]  # user@host:path, as ssh has it
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _sent(calls: list[dict]) -> Iterator[str]:
    for call in calls:
        if call["model"].startswith("miniature/"):
            continue  # code of ours, in this process
        days = f" from {call['first']} to {call['last']}" if call["first"] else ""
        at = f" at {_public(call['api_base'])}" if call["api_base"] else ""
        yield f"provider of {call['model']}{at}: was sent its text in {call['calls']:,} calls{days}; ask there for its deletion"
