"""What is fresh, by content; and what of it is recorded for DVC. Read docs/freshness.md first."""

import fcntl
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts
from closedbook.workflow.plan import Plan
from closedbook.workflow.receipts import WORK

HELD = "CLOSEDBOOK_LOCK"
"""environment variable: the number of a file by which a run shares its lock with a command that it starts"""


def hold(command: str):
    """The lock that a live run holds, given back by the kernel however the run ends. Raises UserError that names the holder.

    Whoever holds it knows that no other run is alive, so Snakemake's own locks are left over from a crash and are removed. A command
    that a run starts by `under` holds the run's own.
    """
    if shared := os.environ.pop(HELD, None):
        return os.fdopen(int(shared), "a+", encoding="utf-8")
    WORK.mkdir(exist_ok=True)
    lock = open(WORK / "live.lock", "a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise UserError(f"another run is at work in this folder: {lock.read().strip()}; wait for it, or stop it") from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()} ({command}) since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
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
    hashes = receipts.Hashes(planned={str(path): files.sha256_text(text) for path, text in plan.written.items()})
    verdicts = {job.receipt: receipts.stale_reason(job.receipt, plan.recipes[job.recipe], hashes, written=job.files.writes)
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
        versions = receipts.changed_versions(receipt) if reason is None else []
        changed.update(versions)
        verdicts[receipt] = reason or (versions[0] if strict and versions else None)
        name = receipts.name(receipt)
        if verdicts[receipt]:
            lines.append(f"{name}: {verdicts[receipt]}")
        elif accepted := files.read_json(receipt).get("accepted"):
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
