"""Keeping results over a change of code that can't have mattered: said by a person, with a reason, in the receipts for good."""

from fnmatch import fnmatchcase
from pathlib import Path

from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts
from closedbook.workflow.plan import Plan
from closedbook.workflow.registry import Job


def accept(plan: Plan, what: str, why: str) -> list[Path]:
    """Let the receipts of some results name the code of now; returns those that did not yet.

    `what` is a result's path, a receipt's, a stage ("runs"), or a pattern of job names ("runs/raw-*"). Raises UserError where it is
    nothing planned, where no code has changed, and where more than code has changed of one of them; then nothing is written.
    """
    chosen = [(job.receipt, plan.recipes[job.recipe]) for job in _chosen(plan, what)]
    if not chosen:
        raise UserError(f"{what}: not a result of this plan: give a file under results/, a stage, or a pattern of jobs as closedbook fresh names them")
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
    if Path(what).is_relative_to("results"):
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
