"""What DVC is given: the stages as it runs them, and what is recorded in dvc.lock; read docs/freshness.md first.

A dvc.lock that is about to be written over, and that no commit holds, is kept under a name: what it recorded can be brought back.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from closedbook.util import plain_yaml
from closedbook.util.errors import UserError
from closedbook.util.git import git
from closedbook.workflow import leftovers, upkeep
from closedbook.workflow.plan import Plan, make
from closedbook.workflow.registry import STAGES, folders

LOCK = Path("dvc.lock")
KEPT = "refs/closedbook/kept/"
"""git's references to each dvc.lock that was kept, by its name"""
OBJECT = re.compile(r"\bmd5: ([0-9a-f]{32}(?:\.dir)?)")


def run_stage(stage: str) -> None:
    """What a DVC stage runs: let Snakemake build what is stale, prove that all is fresh, and list for DVC what it is not to record.

    The plan is made anew before and after, for parameters and code may be edited meanwhile, and DVC records those of the end.
    """
    with upkeep.hold(f"closedbook stage {stage}"):
        plan = make()
        leftovers.clear()
        keep([stage])
        _make_folders(stage)
    if any(job.place == stage for job in plan.jobs.values()):
        for command in (["snakemake", "-s", f"rules/{stage}.smk"], ["closedbook", "verify", stage]):
            status = subprocess.run([sys.executable, "-m", *command]).returncode
            if status:
                raise UserError(f"stage {stage}: {command[0]} stopped with status {status}; what it says is above")
    leftovers.tell_dvc(plan)


def commit(plan: Plan) -> list[str]:
    """Record in dvc.lock and DVC's cache every stage whose results are all fresh; returns what was done, in words.

    Inside a DVC stage, DVC does that itself; outside a git repository it can't. Whoever calls holds the lock of a live run.
    """
    if "DVC_STAGE" in os.environ:
        return ["DVC records this stage"]
    leftovers.clear()
    num_left = leftovers.tell_dvc(plan)
    left = [f"{num_left} files among the results are not planned, and stay: closedbook prune lists them"] if num_left else []
    if not is_here():
        return ["not recorded in dvc.lock: DVC needs a git repository", *left]
    verdicts = upkeep.check(plan)
    stale = {upkeep.stage_of(receipt) for receipt, reason in verdicts.items() if reason}
    done = [stage for stage in STAGES if stage not in stale]
    for stage in done:
        _make_folders(stage)
    done = [stage for stage in done if _has_read(stage)]
    kept, before = keep(done), text()
    if done:
        recorded = subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "--quiet", *done], capture_output=True, text=True)
        if recorded.returncode:
            return [f"not recorded in dvc.lock: dvc commit says: {' '.join(recorded.stderr.split())}", *left]
    if kept and text() == before:
        forget(kept)  # nothing was written over
        kept = None
    return [f"recorded in dvc.lock: {', '.join(done) or 'nothing'}",
            *([f"what dvc.lock said before is in no commit: closedbook restore {kept} brings those results back"] if kept else []), *left]


def keep(stages: list[str]) -> str | None:
    """Give dvc.lock a name if what it says of these stages is neither in a commit nor kept already; returns the new name."""
    lock = text()
    if not is_here() or not (said := _objects(lock, stages)):
        return None
    held = git("log", "--all", "--patch", "--format=", "--", str(LOCK)) + "\n".join(kept().values())
    if said <= set(OBJECT.findall(held)):
        return None
    blob = git("hash-object", "-w", "--stdin", given=lock).strip()
    name = f"{time.strftime('%Y-%m-%d-%H%M%S')}-{blob[:8]}"
    git("update-ref", KEPT + name, blob)
    return name


def kept() -> dict[str, str]:
    """The text of each dvc.lock that was kept, by its name, the newest first."""
    names = git("for-each-ref", "--sort=-refname", "--format=%(refname)", KEPT).split()
    return {name.removeprefix(KEPT): git("cat-file", "blob", name) for name in names}


def forget(name: str) -> None:
    git("update-ref", "-d", KEPT + name)


def is_here() -> bool:
    """Whether DVC can record anything: it needs git too."""
    return Path(".dvc").is_dir() and Path(".git").exists()


def text() -> str:
    """What dvc.lock says; nothing where there is none."""
    return LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""


def _objects(lock: str, stages: list[str]) -> set[str]:
    """What a dvc.lock says of the outs of some stages, by the names of DVC's objects."""
    recorded = plain_yaml.parse(lock, str(LOCK))["stages"] if lock else {}
    return {out["md5"] for stage in stages for out in recorded.get(stage, {}).get("outs", [])}


def _has_read(stage: str) -> bool:
    """Whether the folders that dvc.yaml says a stage reads are here, as DVC wants: in a fresh clone a stage without jobs may lack some."""
    read = plain_yaml.load(Path("dvc.yaml"), "dvc.yaml")["stages"][stage]["deps"]
    return all(Path(path).exists() for path in read if not path.startswith("${"))


def _make_folders(stage: str) -> None:
    """DVC misses a stage's folders where the stage has nothing to do, as judgements where there is no judge."""
    for folder in folders(stage):
        folder.mkdir(parents=True, exist_ok=True)
