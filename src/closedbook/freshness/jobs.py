"""One job: a step run on given files, between its recipe and its receipt."""

import fcntl
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from closedbook import files, params
from closedbook.errors import UserError
from closedbook.freshness import code, receipts
from closedbook.freshness.receipts import LIMITS, WORK
from closedbook.steps import Step

COMPUTED = ("base", "runs", "retrieval", "scores")
"""steps whose bits hang on the kind of processor"""


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
    unchanged = receipts.stale_reason(receipt, recipe, hashes, inputs) is None
    hashes.save()
    if unchanged:
        print(f"{receipt}: its inputs are as they were, nothing to do (delete this file to do it all the same)", file=sys.stderr)
        for path in [*files.read_json(receipt)["outputs"], receipt]:
            os.utime(path)
        return
    values = {name: options[name] for name in (*step.outputs, *step.work, *step.values)}
    drafts = {name: _draft(options[name]) for name in step.folders}
    facts = step.run(params.typed(recipe["params"]), params.Limits(**files.read_json(LIMITS)), **given, **values, **drafts)
    where = {"cpu": receipts.cpu()} if recipe["step"] in COMPUTED else {}
    outputs = [options[name] for name in step.outputs]
    for name, draft in drafts.items():
        outputs += _take_place(draft, options[name], receipts.outputs(receipt))
    receipts.write(receipt, recipe=recipe, inputs=inputs, outputs=outputs, facts={**(facts or {}), **where})
    for name in step.work:
        shutil.rmtree(options[name], ignore_errors=True)  # not before: a kill in between would cost the work again


def _draft(folder: Path) -> Path:
    """An empty folder of the same name, to write in while what was made before stays whole."""
    draft = folder.parent / receipts.UNFINISHED / folder.name
    shutil.rmtree(draft, ignore_errors=True)  # of a job that was killed
    draft.mkdir(parents=True)
    return draft


def _take_place(draft: Path, folder: Path, before: dict[str, str]) -> list[Path]:
    """Move the files of a draft to their folder and return their paths there. What the job made `before` (hash by path) goes first, so that
    nothing old lies beside anything new; whatever else is in the folder is somebody's own and stays."""
    made = {folder / path.relative_to(draft): path for path in sorted(draft.rglob("*")) if path.is_file()}
    for path, sha256 in ((Path(name), sha256) for name, sha256 in before.items()):
        if path in made or path.is_file() and files.sha256_file(path) == sha256:
            path.unlink(missing_ok=True)
    for path, drafted in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(drafted, path)
    shutil.rmtree(draft)
    return list(made)


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
    return given, [file for path in read for file in (receipts.files_of(path) if path.is_dir() else [path])]
