"""What DVC holds of a state: the files that its dvc.lock names, and where their contents lie in the cache, by MD5."""

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from closedbook.util import plain_yaml
from closedbook.util.errors import UserError
from closedbook.util.git import git
from closedbook.workflow import dvc

LOCK = str(dvc.LOCK)


def at(revision: str, path: str) -> str:
    """A file's text at a commit. Raises UserError where git does not know the commit, or the commit the file."""
    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    if not commit:
        raise UserError(f"{revision}: git knows no such commit, tag or branch here: git log --oneline lists commits")
    text = git("show", f"{commit}:./{path}")
    if not text:
        raise UserError(f"{revision}: this commit has no {path}, so it names no results: take one made after a run")
    return text


def params(revision: str) -> dict:
    """The params.yaml of a commit, as far as it can be read. Raises UserError as `at` does, and for one that holds no parameters."""
    data = plain_yaml.parse(at(revision, "params.yaml"), f"{revision}:params.yaml")
    if not isinstance(data, dict):
        raise UserError(f"{revision}:params.yaml: holds no parameters: take a commit that was made after a run")
    return data


def named(name: str) -> str:
    """The text of the dvc.lock that closedbook kept under a name, or that a commit holds. Raises UserError where neither is known."""
    kept = dvc.kept()
    if name not in kept and not git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"):
        raise UserError(f"{name}: no results are kept under this name, and git knows no such commit; kept: {', '.join(kept) or 'none'}")
    return kept.get(name) or at(name, LOCK)


def states() -> Iterator[tuple[str, "Held"]]:
    """All states of results with what DVC holds of each, the newest first: what closedbook kept, then the commits that changed dvc.lock. A commit
    whose dvc.lock is none, as after a merge gone wrong, is passed over."""
    kept, listed = dvc.kept(), {}
    for name in [*kept, *git("log", "--all", "--diff-filter=AM", "--format=%h", "--", LOCK).split()]:
        try:
            held = Held(kept.get(name) or at(name, LOCK), name, listed)
        except UserError:
            continue
        yield name, held


def first_commits() -> list[str]:
    """Those that the history here begins with, as it does in every clone: they say which project this is."""
    return sorted(git("rev-list", "--max-parents=0", "HEAD").split())


class Held:
    """The outs of a dvc.lock, folders opened up. `md5`: {path: MD5 as recorded}; `folders`: {path of a folder: its object's MD5};
    `unread`: folders whose object is not in the cache or not what its name says, so that what was in them is not known;
    `params`: {stage: {dotted name: value}}, the parameters that each stage was recorded with."""

    def __init__(self, lock: str, name: str = LOCK, listed: dict[str, dict[str, str] | None] | None = None):
        """`lock` is the text of a dvc.lock; `name` says in errors which one; states that are read one after the other share `listed`, what is known of
        folders' objects. Raises UserError where it is none."""
        self.cache = cache()
        self._listed = {} if listed is None else listed
        self.md5: dict[str, str] = {}
        self.folders: dict[str, str] = {}
        self.unread: list[str] = []
        outs, self.params = _read(lock, name)
        for path, md5 in outs:
            if md5.endswith(".dir"):
                self._open(path, md5)
            else:
                self.md5[path] = md5

    def _open(self, folder: str, md5: str) -> None:
        self.folders[folder] = md5
        if md5 not in self._listed:
            place = self.object(md5)
            content = place.read_bytes() if place.is_file() else b""
            self._listed[md5] = {entry["relpath"]: entry["md5"] for entry in json.loads(content)} if folder_name(content) == md5 else None
        if self._listed[md5] is None:
            self.unread.append(folder)
        else:
            self.md5 |= {f"{folder}/{name}": its for name, its in self._listed[md5].items()}

    def object(self, md5: str) -> Path:
        return self.cache / md5[:2] / md5[2:]

    def place(self, path: str) -> Path:
        """Where the content of a file lies in the cache; a path where nothing is, if dvc.lock does not name it."""
        return self.object(self.md5.get(path, "no object"))

    def objects(self) -> list[Path]:
        """All that the cache holds, for whichever commit."""
        return sorted(path for path in self.cache.glob("??/*") if path.is_file())


def folder_name(content: bytes) -> str:
    """The name of the object that lists a folder's files, as DVC gives it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir"


def _read(lock: str, name: str) -> tuple[list[tuple[str, str]], dict[str, dict]]:
    try:
        stages = plain_yaml.parse(lock, name)["stages"]
        outs = [(out["path"], str(out["md5"])) for stage in stages.values() for out in stage.get("outs", [])]
        return outs, {stage: entry.get("params", {}).get("params.yaml", {}) for stage, entry in stages.items()}
    except (UserError, KeyError, TypeError, AttributeError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{name}: not a dvc.lock ({problem}): git checkout {LOCK} brings the last good one back") from None


def cache() -> Path:
    """The folder of DVC's objects, wherever DVC is configured to keep them. Raises UserError where the project is not under DVC."""
    return _cache(Path.cwd())


@functools.cache
def _cache(project: Path) -> Path:
    """Asked once: DVC is slow to say it."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo(project) as repo:
            return Path(repo.cache.local.path)
    except NotDvcRepoError:
        raise UserError("no .dvc here: this project is not under DVC, so no older state is kept") from None
    except SCMError:
        raise UserError("no git repository here, which DVC needs to find its cache: git init, or bring .git back") from None
