"""What lies among the results and is not planned: results of an older plan, and files that closedbook did not write.

A run removes neither. `closedbook prune` does, of the first kind, what can be brought back (lineage/prune.py).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from closedbook import layout
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts
from closedbook.workflow.plan import Plan
from closedbook.workflow.registry import STAGES, folders

IGNORED = layout.RESULTS / ".dvcignore"
"""for DVC, which neither records nor removes what is listed there; beside the stages' folders, since DVC allows none in them"""


def unplanned(plan: Plan) -> list[Path]:
    """All files and links in the stages' folders that no planned job wrote or will write, but for what a job is at work on."""
    known = set()
    for job in plan.jobs.values():
        known |= {str(job.receipt), *receipts.outputs(job.receipt), *map(str, job.files.writes)}
    return sorted(path for path in (Path(name) for name in _names() if name not in known) if not is_unfinished(path))


def made(plan: Plan) -> dict[str, list[Path]]:
    """The results among them, by the job of a plan of before: its files, and last its receipt; none of a job of which one was edited."""
    left, hashes, found = set(unplanned(plan)), receipts.Hashes(), {}
    for receipt in sorted(path for path in left if path.is_relative_to(receipts.FOLDER) and path.suffix == ".json"):
        its = [path for path in map(Path, receipts.outputs(receipt)) if path in left]
        if its and its == as_made(receipt, hashes):
            found[receipts.name(receipt)] = [*its, receipt]
    hashes.save()
    return found


def as_made(receipt: Path, hashes: receipts.Hashes) -> list[Path]:
    """The files of a job that are here as its receipt says."""
    return [Path(path) for path, sha256 in receipts.outputs(receipt).items() if Path(path).is_file() and hashes.sha256(path) == sha256]


def tell_dvc(plan: Plan) -> int:
    """List for DVC what is not planned, so that the same results are recorded alike whatever lies among them; returns how many files."""
    found = unplanned(plan)
    if found:
        files.write_text(IGNORED, "".join(f"{line}\n" for line in dict.fromkeys(_patterns(found))))
    else:
        IGNORED.unlink(missing_ok=True)
    return len(found)


def clear() -> None:
    """Remove temporary files of jobs that were killed, and no others."""
    for path in _files():
        if path.name.startswith(files.TEMPORARY) and files.is_abandoned(path):
            path.unlink()


def remove(paths: list[Path]) -> None:
    """Remove files, and the folders that this leaves empty, up to the stages' own."""
    for path in paths:
        path.unlink()
    stages = {folder for stage in STAGES for folder in folders(stage)}
    for folder in sorted({parent for path in paths for parent in path.parents if stages.intersection(parent.parents)}, reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def is_unfinished(path: Path) -> bool:
    """Whether a job is at work on it, or was when it was killed; .dvcignore names such files too."""
    return receipts.UNFINISHED in path.parts or path.name.startswith(files.TEMPORARY)


def drafts() -> list[Path]:
    """The folders in which jobs were at work, or are."""
    return sorted(layout.RESULTS.rglob(receipts.UNFINISHED))


def _files() -> list[Path]:
    return sorted(map(Path, _names()))


def _names() -> Iterator[str]:
    """The paths of all files and links in the stages' folders, as text: of a hundred thousand files, nearly all are only compared."""
    waiting = [str(folder) for stage in STAGES for folder in folders(stage) if folder.is_dir()]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_file() or entry.is_symlink():
                    yield entry.path
                elif entry.is_dir():
                    waiting.append(entry.path)


def _patterns(found: list[Path]) -> Iterator[str]:
    """A line each, but one for a folder with nothing else in it: DVC tries every line on every file."""
    left, stages = set(found), {folder for stage in STAGES for folder in folders(stage)}
    mixed = {parent for path in _files() if path not in left for parent in path.parents}
    for path in found:
        whole = [parent for parent in path.parents if parent not in mixed and stages.intersection(parent.parents)]
        yield f"{_pattern(whole[-1])}/" if whole else _pattern(path)


def _pattern(path: Path) -> str:
    """As .gitignore has it. Raises UserError for a name that no line can hold, nor DVC's records."""
    name = str(path.relative_to(layout.RESULTS))
    if not name.isprintable():
        raise UserError(f"{path}: DVC can't read a folder with a file of such a name: rename it")
    escaped = re.sub(r"[\\*?\[\]]", lambda match: f"\\{match[0]}", name)
    return f"/{escaped[:-1]}[ ]" if escaped.endswith(" ") else f"/{escaped}"
