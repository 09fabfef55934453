"""One job: a step run on given files, between its recipe and its receipt."""

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from closedbook import files, params, terminal
from closedbook.errors import UserError
from closedbook.freshness import code, machine, receipts
from closedbook.freshness.receipts import LIMITS, WORK
from closedbook.steps import Step


def run(step: Step, options: dict) -> None:
    """Run a step unless its receipt proves that it would make the same again; `options` are the command line's, by name.

    Inputs are hashed before the step reads them. A job that has nothing to do takes its results' times forward, so that Snakemake,
    which sent it because something before it ran, is content.
    """
    recipe, receipt = _recipe(options["recipe"]), options["receipt"]
    with _only_one(receipt):
        _run(step, options, recipe, receipt)


def _run(step: Step, options: dict, recipe: dict, receipt: Path) -> None:
    given, read = _inputs(step, options, recipe)
    hashes = receipts.Hashes()
    inputs = {str(path): hashes.sha256(path) for path in read}
    outputs = [options[name] for name in step.outputs]
    unchanged = receipts.stale_reason(receipt, recipe, hashes, inputs) is None
    hashes.save()
    if unchanged:
        terminal.note(f"{receipt}: its inputs are as they were, nothing to do (delete this file to do it all the same)")
        for path in [*files.read_json(receipt)["outputs"], receipt]:
            os.utime(path)
        return
    values = {name: options[name] for name in (*step.outputs, *step.work, *step.values)}
    facts = step.run(params.typed(recipe["params"]), params.limits(LIMITS), **given, **values)
    receipts.write(receipt, recipe=recipe, inputs=inputs, outputs=outputs, facts={**(facts or {}), **machine.of(recipe)})
    for name in step.work:
        shutil.rmtree(options[name], ignore_errors=True)  # not before: a kill in between would cost the work again


def _recipe(path: Path) -> dict:
    """Raises UserError where there is none, and where the code is not what it was when the recipe was written: the receipt would lie."""
    if not path.exists():
        raise UserError(f"{path}: no such recipe: snakemake --dry-run writes the recipes of params.yaml")
    recipe = files.read_json(path)
    if recipe["code"] not in (code.of_step(recipe["step"]), code.of_step(recipe["step"], code.WRITER)):
        raise UserError(f"{path}: the code of the step {recipe['step']} was changed since the run began: start it again")
    return recipe


@contextmanager
def _only_one(receipt: Path):
    """Where snakemake was killed and its jobs live on, the same job of the next run waits for them, and then has nothing to do."""
    path = WORK / "locks" / str(receipt).replace("/", "-")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _inputs(step: Step, options: dict, recipe: dict) -> tuple[dict, list[Path]]:
    """What the step is given by option, and all files behind it."""
    given = {name: options[name] for name in (*step.inputs, *step.lists)}
    for name in step.per_document:
        given[name] = [folder / f"{document}.json" for folder in options[name] for document in recipe["documents"]]
    read = [path for value in given.values() for path in (value if isinstance(value, list) else [value])]
    return given, [file for path in read for file in (sorted(filter(Path.is_file, path.rglob("*"))) if path.is_dir() else [path])]
