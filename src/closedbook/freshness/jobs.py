"""One job: a step run on given files, between its recipe and its receipt."""

import os
import shutil
import sys
from pathlib import Path

from closedbook import files, params
from closedbook.freshness import receipts
from closedbook.steps import Step


def run(step: Step, options: dict) -> None:
    """Run a step unless its receipt proves that it would make the same again; `options` are the command line's, by name.

    Inputs are hashed before the step reads them. A job that has nothing to do takes its results' times forward, so that Snakemake,
    which sent it because something before it ran, is content.
    """
    recipe, receipt = files.read_json(options["recipe"]), options["receipt"]
    given, read = _inputs(step, options, recipe)
    hashes = receipts.Hashes()
    inputs = {str(path): hashes.sha256(path) for path in read}
    outputs = [options[name] for name in step.outputs]
    unchanged = receipts.stale_reason(receipt, recipe, hashes, inputs) is None
    hashes.save()
    if unchanged:
        print(f"{receipt}: its inputs are as they were, nothing to do", file=sys.stderr)
        for path in [*files.read_json(receipt)["outputs"], receipt]:
            os.utime(path)
        return
    values = {name: options[name] for name in (*step.outputs, *step.work, *step.values)}
    facts = step.run(params.typed(recipe["params"]), params.load().limits, **given, **values)
    receipts.write(receipt, recipe=recipe, inputs=inputs, outputs=outputs, facts=facts or {})
    for name in step.work:
        shutil.rmtree(options[name], ignore_errors=True)  # not before: a kill in between would cost the work again


def _inputs(step: Step, options: dict, recipe: dict) -> tuple[dict, list[Path]]:
    """What the step is given by option, and all files behind it."""
    given = {name: options[name] for name in (*step.inputs, *step.lists)}
    given |= {name: [options[name] / f"{document}.json" for document in recipe["documents"]] for name in step.per_document}
    read = [path for value in given.values() for path in (value if isinstance(value, list) else [value])]
    return given, [file for path in read for file in (sorted(filter(Path.is_file, path.rglob("*"))) if path.is_dir() else [path])]
