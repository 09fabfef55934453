"""What is fresh, by content; what of it is recorded for DVC; and keeping results over a change of code. Read docs/freshness.md first."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

from closedbook import layout
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts
from closedbook.workflow.plan import Plan
from closedbook.workflow.receipts import WORK
from closedbook.workflow.registry import Job

LOCK = WORK / "live.lock"
HELD = "CLOSEDBOOK_LOCK"
"""environment variable: the number of a file by which a run shares its lock with a command that it starts"""


def last_held() -> str:
    """Who was the last to hold the lock, and since when: it changes whenever the lock is taken."""
    return LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""


def hold(command: str, planned_after: str | None = None):
    """The lock that a live run holds, given back by the kernel however the run ends. Raises UserError that names the holder, and where somebody
    else has held it since `last_held` said `planned_after`, so that what was planned then may be out of date.

    Whoever holds it knows that no other run is alive, so Snakemake's own locks are left over from a crash and are removed. A command
    that a run starts by `under` holds the run's own.
    """
    if shared := os.environ.pop(HELD, None):
        return os.fdopen(int(shared), "a+", encoding="utf-8")
    WORK.mkdir(exist_ok=True)
    lock = open(LOCK, "a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise UserError(f"another run is at work in this folder: {lock.read().strip()}; wait for it, or stop it") from None
    lock.seek(0)
    if planned_after is not None and lock.read() != planned_after:
        lock.close()
        raise UserError("another run has just ended in this folder, so this one's plan is out of date: run the same command again")
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {socket.gethostname()} ({command}) since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
    lock.flush()
    for leftover in Path(".snakemake/locks").glob("*"):
        leftover.unlink()
    return lock


def under(lock, *command: str) -> int:
    """Run a command of closedbook in a process of its own, which shares the lock; returns its exit status."""
    environment = {**os.environ, "PYTHONPATH": "src", HELD: str(lock.fileno())}
    return subprocess.run([sys.executable, "-m", "closedbook", *command], env=environment, pass_fds=[lock.fileno()]).returncode


def check(plan: Plan, stage: str | None = None) -> dict[Path, str | None]:
    """Each planned receipt and why its job must run (None: it need not), by the source as it is now: planning may not have written it."""
    hashes = receipts.Hashes(planned={str(path): files.sha256_text(text) for path, text in plan.written.items()}, once=True)
    wanted = {name: receipts.recipe_digest(recipe) for name, recipe in plan.recipes.items()}
    hashes.look_up(receipts=(job.receipt for job in plan.jobs.values() if stage in (None, job.place)))
    verdicts = {job.receipt: receipts.stale_reason(job.receipt, plan.recipes[job.recipe], hashes, written=job.files.writes, wanted=wanted[job.recipe])
                for job in plan.jobs.values() if stage in (None, job.place)}
    hashes.save()
    return verdicts


def stage_of(receipt: Path) -> str:
    return receipt.relative_to(receipts.FOLDER).parts[0]


def report(plan: Plan, strict: bool) -> tuple[list[str], bool]:
    """A line for each stale result, for each change of versions, for each accepted result, and a count; and whether any is stale.

    Versions alone make nothing stale, unless `strict`.
    """
    verdicts, lines, changed = check(plan), [], Counter()
    for receipt, reason in verdicts.items():
        record = files.read_json(receipt) if reason is None else {}
        versions = receipts.changed_versions(record["versions"]) if record else []
        changed.update(versions)
        verdicts[receipt] = reason or (versions[0] if strict and versions else None)
        name = receipts.name(receipt)
        if verdicts[receipt]:
            lines.append(f"{name}: {verdicts[receipt]}")
        elif accepted := record.get("accepted"):
            lines.append(f"{name}: fresh, for its code was accepted: {accepted[-1]['why']}")
    lines += [f"{change} since {count} results were made" for change, count in changed.items()]
    fresh = sum(reason is None for reason in verdicts.values())
    return [*lines, f"{fresh} of {len(verdicts)} results are fresh"], fresh < len(verdicts)


def verify(plan: Plan, stage: str) -> None:
    """Raise UserError unless every job of a stage has left what it should and nothing has changed since."""
    bad = {str(receipt): reason for receipt, reason in check(plan, stage).items() if reason}
    if bad:
        shown = "\n".join(f"  {receipt}: {reason}" for receipt, reason in list(bad.items())[:10])
        raise UserError(f"stage {stage}: {len(bad)} results are not what they should be:\n{shown}")


def accept(plan: Plan, what: str, why: str) -> list[Path]:
    """Let the receipts of some results name the code of now; returns those that did not yet.

    `what` is a result's path, a receipt's, a stage ("runs"), or a pattern of job names ("runs/raw-*"). Raises UserError where it is
    nothing planned, where no code has changed, and where more than code has changed of one of them; then nothing is written.
    """
    chosen = [(job.receipt, plan.recipes[job.recipe]) for job in _chosen(plan, what)]
    if not chosen:
        raise UserError(f"{what}: not a result of this plan: give a file under {layout.RESULTS}/, a stage, or a pattern of jobs as "
                        "closedbook fresh names them")
    changed = {receipt: known for receipt, recipe in chosen if (known := _accepted(receipt, recipe, why))}
    if not changed:
        raise UserError(f"{what}: the code of its stage has not changed; closedbook fresh says what else may be stale")
    for receipt, known in changed.items():
        receipts.keep(receipt, known)
    return list(changed)


def _chosen(plan: Plan, what: str) -> list[Job]:
    made = {str(job.receipt): job for job in plan.jobs.values() if job.receipt.exists()}
    if what in made:
        return [made[what]]
    if Path(what).is_relative_to(layout.RESULTS):
        return [job for job in made.values() if what in receipts.outputs(job.receipt)]
    return [job for job in made.values() if job.place == what or fnmatchcase(job.name, what)]


def _accepted(receipt: Path, recipe: dict, why: str) -> dict | None:
    """A receipt's record with the code of now; None where it has that already."""
    known = receipts.read(receipt)
    if reason := receipts.stale_reason(receipt, known["recipe"], receipts.Hashes.here()):
        raise UserError(f"{receipt}: {reason}, whatever its code: it must be made again")
    before, known["recipe"]["code"] = known["recipe"]["code"], recipe["code"]
    if files.canonical(known["recipe"]) != files.canonical(recipe):
        raise UserError(f"{receipt}: more than code has changed ({receipts.difference(known['recipe'], recipe)}), so it must be made again")
    if before == recipe["code"]:
        return None
    known.setdefault("accepted", []).append({"why": why, "code_before": before, "code_after": recipe["code"]})
    return known
