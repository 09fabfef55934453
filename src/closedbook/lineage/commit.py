"""Which commit holds the code that made a result: proved by its digest, since receipts name no commit.

A receipt that named the commit would have other bytes in another history, and could only claim it. Here the code of each commit is
digested as the working tree's is (util/fingerprint.py), never run.
"""

import ast
import io
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from closedbook.lineage.history import Job
from closedbook.util import files, fingerprint
from closedbook.util.git import git
from closedbook.workflow import receipts

PACKAGE = "src/closedbook"
REGISTRY = "*/registry.py"
KNOWN = receipts.CACHE.parent / "code"
SEARCHED = 200
"""commits that changed the code, the newest ones: each takes a tenth of a second the first time"""
NOT_FOUND = f"is in none of the newest {SEARCHED} commits that changed it, nor in this folder"


def code_of(job: Job) -> str:
    """The digest of the code that made a result: where a later one was accepted, the first one of all."""
    return job.accepted[0]["code_before"] if job.accepted else job.recipe["code"]


def holding(digests: Iterable[str]) -> dict[str, str | None]:
    """The commit whose code has a digest: HEAD, else the newest one; "" where only the working tree has it, None where none was found."""
    wanted, found = set(digests), {}
    for commit, tree in _commits():
        for digest in (wanted - found.keys()).intersection(_known(tree)):
            found[digest] = commit
        if wanted <= found.keys():
            return found
    here = _digests(fingerprint.PACKAGE)
    return {digest: found.get(digest, "" if digest in here else None) for digest in wanted}


def _commits() -> Iterator[tuple[str, str]]:
    """(commit, the tree of its code), HEAD first, then those that changed the code, newest first."""
    for commit in chain(git("rev-parse", "--verify", "--quiet", "HEAD").split(), _changing()):
        tree = git("rev-parse", "--verify", "--quiet", f"{commit}:./{PACKAGE}").strip()
        if tree:
            yield commit, tree


def _changing() -> Iterator[str]:
    yield from git("log", "--format=%H", f"--max-count={SEARCHED}", "--", PACKAGE).split()


def _known(tree: str) -> list[str]:
    """The digests of the steps of a tree of git's, remembered under its name and that of the way they are taken."""
    place = KNOWN / files.sha256_file(Path(fingerprint.__file__))[:12] / f"{tree}.json"
    if not place.exists():
        import tarfile

        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(["git", "archive", tree], capture_output=True, check=True).stdout
            tarfile.open(fileobj=io.BytesIO(archive)).extractall(folder, filter="data")
            files.write_json(place, sorted(_digests(Path(folder))))
    return files.read_json(place)


def _digests(package: Path) -> set[str]:
    """Of every stage, in each form that a recipe may name."""
    try:
        return {fingerprint.of_stage(*stage, without, package) for stage in _stages(package) for without in (frozenset(), fingerprint.EXTRACTIVE)}
    except (SyntaxError, AttributeError, KeyError):
        return set()  # code that can't be read, or is not all there, has made nothing


def _stages(package: Path) -> Iterator[tuple[str, str]]:
    """(module, where it is said which files it is given) of each entry of a package's registry, which is read, not run; nothing where it
    has none."""
    for path in package.glob(REGISTRY):
        where = ".".join(("closedbook", *path.relative_to(package).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Stage":
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                yield given["module"].value, f"{where}:{given['files'].id}"
