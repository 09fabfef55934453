"""Keeping a result over a change of code that can't have mattered: said by a person, with a reason, in the receipt for good."""

from pathlib import Path

from closedbook import files
from closedbook.errors import UserError
from closedbook.freshness import receipts
from closedbook.freshness.plan import Plan


def accept(plan: Plan, path: Path, why: str) -> Path:
    """Let the receipt of a result (or the receipt itself) name the code of now; returns the receipt.

    Raises UserError where the path is no planned result, and where more than the code of its step has changed; then nothing is written.
    """
    receipt, recipe = _planned(plan, path)
    known = files.read_json(receipt)
    reason = receipts.stale_reason(receipt, known["recipe"], receipts.Hashes())
    if reason:
        raise UserError(f"{path}: {reason}, whatever its code: it must be made again")
    before = known["recipe"]["code"]
    known["recipe"]["code"] = recipe["code"]
    if before == recipe["code"]:
        raise UserError(f"{path}: the code of its step has not changed; closedbook fresh tells what else may be stale")
    if files.canonical(known["recipe"]) != files.canonical(recipe):
        raise UserError(f"{path}: more than code has changed ({receipts.difference(known['recipe'], recipe)}), so it must be made again")
    known.setdefault("accepted", []).append({"why": why, "code_before": before, "code_after": recipe["code"]})
    receipts.keep(receipt, known)
    return receipt


def _planned(plan: Plan, path: Path) -> tuple[Path, dict]:
    for receipt, recipe in plan.receipts().items():
        if receipt.exists() and (path == receipt or str(path) in files.read_json(receipt)["outputs"]):
            return receipt, recipe
    raise UserError(f"{path}: not a result of this plan: give the path of a file under results/, as closedbook fresh names them")
