"""Where a document may be that no command here can reach: git's history, remotes, providers, copies of models."""

import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

from closedbook.lineage.takedown.notes import Record
from closedbook.util import shingles
from closedbook.util.git import git
from closedbook.workflow import dvc

SHOWN = 5


def lines(record: Record) -> list[str]:
    """One line a place, in plain words."""
    models = {path: sha256 for sha256, path in record.files.items() if path.endswith(".safetensors")}
    return [
        *_history(record),
        *_remotes(),
        *_sent(record.calls),
        *(f"copies of {path}, as published or shared, by SHA-256 {sha256}" for path, sha256 in sorted(models.items())),
        "MLflow: figures of the runs that were trained on it (no text) stay in mlflow.db, and in any store they were copied to",
        *([f"what others say too: {record.shared:,} of its {record.shared + len(record.shingles):,} shingles of eight words are in results made "
           "without it (a quotation, a second copy, a set phrase), and were not looked for"] if record.shared else []),
        "backups, other checkouts, and caches outside this folder",
    ]


def _history(record: Record) -> Iterator[str]:
    """Commits that name its files by their hashes, and what holds its text itself."""
    if not git("rev-parse", "--git-dir"):
        yield "git: no repository here, so no history was looked into"
        return
    by_hash = [commit for commit in git("log", "--all", "--format=%h", "--", "dvc.lock").split()
               if any(md5 in git("show", f"{commit}:./dvc.lock") for md5 in record.folders)]
    if by_hash:
        yield f"git's history: {_commits(by_hash)} its results in dvc.lock, by hashes only"
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
