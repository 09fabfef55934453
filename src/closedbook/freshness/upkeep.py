"""What is fresh, by content; and what DVC is told of it. Read docs/freshness.md first."""

import fcntl
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from closedbook import files, terminal
from closedbook.errors import UserError
from closedbook.freshness import receipts
from closedbook.freshness.plan import Plan, make
from closedbook.freshness.receipts import WORK
from closedbook.freshness.registry import STAGES, folders

def hold(command: str):
    """The lock that a live run holds, given back by the kernel however the run ends. Raises UserError that names the holder.

    Whoever holds it knows that no other run is alive, so Snakemake's own locks are left over from a crash and are removed.
    """
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


def check(plan: Plan, stage: str | None = None) -> dict[Path, str | None]:
    """Each planned receipt and why its job must run (None: it need not)."""
    hashes = receipts.Hashes.here()
    verdicts = {receipt: receipts.stale_reason(receipt, recipe, hashes, planned=plan.written)
                for receipt, recipe in plan.receipts().items() if stage in (None, stage_of(receipt))}
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


def prune(plan: Plan, stage: str | None = None) -> list[str]:
    """Remove what no receipt of a planned job names: results that are not wanted any more, strays of killed jobs; returns the paths."""
    planned = plan.receipts()
    kept = {str(receipt) for receipt in planned}
    for receipt in planned:
        kept |= _outputs(receipt) if receipt.exists() else set()
    gone = [str(path) for folder in _folders(stage) for path in sorted(folder.rglob("*"))
            if (path.is_file() or path.is_symlink()) and str(path) not in kept]
    for path in gone:
        os.unlink(path)
    for folder in sorted({parent for path in gone for parent in Path(path).parents if parent.is_dir()}, reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return gone


def verify(plan: Plan, stage: str) -> None:
    """Raise UserError unless every job of a stage has left what it should and nothing has changed since."""
    bad = {str(receipt): reason for receipt, reason in check(plan, stage).items() if reason}
    if bad:
        shown = "\n".join(f"  {receipt}: {reason}" for receipt, reason in list(bad.items())[:10])
        raise UserError(f"stage {stage}: {len(bad)} results are not what they should be:\n{shown}")


def run_stage(stage: str) -> None:
    """What a DVC stage runs: drop what is not planned any more, let Snakemake build what is stale, prove that all is fresh.

    The plan is made anew before and after, for parameters and code may be edited meanwhile, and DVC records those of the end.
    """
    with hold(f"closedbook stage {stage}"):
        plan = make()
        for path in prune(plan, stage):
            terminal.note(f"removed {path}, which is not planned any more")
        _make_folders(stage)
    if stage not in map(stage_of, plan.receipts()):
        return
    for command in (["snakemake", "-s", f"rules/{stage}.smk"], ["closedbook", "verify", stage]):
        status = subprocess.run([sys.executable, "-m", *command]).returncode
        if status:
            raise UserError(f"stage {stage}: {command[0]} stopped with status {status}; what it says is above")


def commit(plan: Plan) -> str:
    """Remove what nothing wants, and record in dvc.lock and DVC's cache every stage whose results are all fresh; returns what was done, in
    words.

    Inside a DVC stage, DVC does that itself; outside a git repository it can't.
    """
    if "DVC_STAGE" in os.environ:
        return "DVC records this stage"
    for path in prune(plan):
        terminal.note(f"removed {path}, which is not planned any more")
    if not (Path(".dvc").is_dir() and Path(".git").exists()):
        return "not recorded in dvc.lock: DVC needs a git repository"
    verdicts = check(plan)
    done = [stage for stage in STAGES if not any(reason for receipt, reason in verdicts.items() if stage_of(receipt) == stage)]
    for stage in done:
        _make_folders(stage)
    if done and subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "--quiet", *done]).returncode:
        return "not recorded in dvc.lock: DVC says why above; dvc commit records it later"
    return f"recorded in dvc.lock: {', '.join(done) or 'nothing'}"


def _folders(stage: str | None) -> list[Path]:
    if stage:
        return folders(stage)
    return [folder for path in Path("results").glob("*") if path.name != "receipts" for folder in (path, receipts.FOLDER / path.name)]


def _make_folders(stage: str) -> None:
    """DVC misses a stage's folders where the stage has nothing to do, as judgements where there is no judge."""
    for folder in _folders(stage):
        folder.mkdir(parents=True, exist_ok=True)


def _outputs(receipt: Path) -> set[str]:
    try:
        return set(files.read_json(receipt)["outputs"])
    except (UserError, KeyError, TypeError):
        return set()  # not a receipt: its job is stale, and says so
