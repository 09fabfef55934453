"""Jobs: a stage's function run on its files, between its recipe and its receipt; one job, or many of a stage in one process."""

import asyncio
import fcntl
import inspect
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from closedbook import params
from closedbook.llm import bulk
from closedbook.util import files, terminal
from closedbook.util.errors import UserError
from closedbook.util.fingerprint import EXTRACTIVE
from closedbook.workflow import devices, earlier, machine, receipts, registry
from closedbook.workflow.receipts import LIMITS, WORK
from closedbook.workflow.registry import STEPS, Job

SIDE_BY_SIDE = 64
"""documents under way at a time: each holds a few files open, of which a process may have about a thousand"""
SECONDS_BETWEEN_SAVES = 5
"""of the memory of hashes, which waits for the disk"""


def run(names: list[str], processes: int = 1) -> None:
    """Run jobs of one stage, each unless its receipt proves that it would make the same again.

    Those that ask a model are worked on side by side in this process; others one after the other, in `processes` processes. A receipt is
    written as soon as its job is done, so what a kill leaves is taken up document by document. Raises UserError where a job can't be done,
    after the others that have begun.
    """
    try:
        _run_all(names, processes)
    finally:
        receipts.Hashes.here().save()


def _run_all(names: list[str], processes: int) -> None:
    recipes = _recipes(names)
    left = {name: registry.job(name, recipes[name]) for name in names}
    asked = any(model not in params.OWN_MODELS for model in STEPS[left[names[0]].stage].asks(recipes[names[0]]["params"]))
    if asked and params.limits(LIMITS).batch and bulk.here() is None:
        from closedbook.llm import batches

        batches.until_answered(partial(_work, left, recipes, processes), params.limits(LIMITS))
    else:
        _work(left, recipes, processes)


def _work(left: dict[str, Job], recipes: dict[str, dict], processes: int) -> None:
    """Run the jobs that are left; what is done is left no more."""
    (*jobs,) = left.values()
    stage = STEPS[jobs[0].stage]
    asks = stage.asks(recipes[jobs[0].name]["params"])
    if asks and inspect.iscoroutinefunction(stage.job()):
        from closedbook import llm

        asyncio.run(llm.side_by_side([_awaited(job, recipes[job.name], left) for job in jobs], SIDE_BY_SIDE, jobs[0].recipe))
    elif processes > 1 and len(jobs) > 1 and not asks:
        with ProcessPoolExecutor(min(processes, len(jobs))) as pool:
            list(pool.map(_run, jobs, [recipes[job.name] for job in jobs]))
    else:
        for job in jobs:
            with suppress(bulk.Postponed):  # the others ask too
                _run(job, recipes[job.name])
                del left[job.name]
        if left:
            raise bulk.Postponed


def _recipes(names: list[str]) -> dict[str, dict]:
    """Of each job. Raises UserError where there is none."""
    paths = {name: WORK / "recipes" / f"{registry.recipe_of(name)}.json" for name in names}
    for name, path in paths.items():
        if not path.exists():
            raise UserError(f"{name}: no such job ({path} is not there): snakemake -n says what is to be done, and a run writes the recipes")
    read = {path: _read(path) for path in set(paths.values())}
    return {name: read[path] for name, path in paths.items()}


def _read(path: Path) -> dict:
    """Raises UserError where the code is not what it was when the recipe was written: the receipt would lie."""
    recipe = files.read_json(path)
    stage = STEPS[recipe["step"]]
    if recipe["code"] not in (stage.code(), stage.code(EXTRACTIVE)):
        raise UserError(f"{path}: the code of the stage {recipe['step']} was changed since the run began: start it again")
    return recipe


def _run(job: Job, recipe: dict) -> None:
    with _only_one(job):
        inputs = _inputs(job)
        if _is_due(job, recipe, inputs) and not _is_back(job, recipe, inputs):
            drafts = _drafts(job)
            with devices.held(devices.needed(recipe)):
                made = STEPS[job.stage].job()(**_arguments(job, recipe), **drafts)
                _finish(job, recipe, inputs, drafts, asyncio.run(made) if inspect.iscoroutine(made) else made)


async def _awaited(job: Job, recipe: dict, left: dict[str, Job]) -> None:
    with _only_one(job):
        inputs = _inputs(job)
        if _is_due(job, recipe, inputs) and not _is_back(job, recipe, inputs):
            drafts = _drafts(job)
            _finish(job, recipe, inputs, drafts, await STEPS[job.stage].job()(**_arguments(job, recipe), **drafts))
    del left[job.name]


@contextmanager
def _only_one(job: Job) -> Iterator[None]:
    """Where snakemake was killed and its jobs live on, the same job of the next run waits for them, and then has nothing to do."""
    path = _lock(job.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(os.environ.get(devices.SLURM, ""))
        lock.flush()
        yield


def holder(name: str) -> str:
    """The number of Slurm's job that was the last to run a job; nothing where it ran elsewhere or never."""
    path = _lock(name)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _lock(name: str) -> Path:
    return WORK / "locks" / name.replace("/", "-")


def _inputs(job: Job) -> dict[str, str]:
    """SHA-256 of all files that the job reads, taken before it does."""
    hashes = receipts.Hashes.here()
    found = [file for path in job.files.read() for file in (receipts.files_of(path) if path.is_dir() else [path])]
    hashes.look_up(found)
    inputs = {str(path): hashes.sha256(path) for path in found}
    hashes.save(SECONDS_BETWEEN_SAVES)
    return inputs


def _is_due(job: Job, recipe: dict, inputs: dict[str, str]) -> bool:
    hashes = receipts.Hashes.here()
    due = receipts.stale_reason(job.receipt, recipe, hashes, inputs, job.files.writes) is not None
    hashes.save(SECONDS_BETWEEN_SAVES)
    if not due:
        terminal.note(f"{job.receipt}: its inputs are as they were, nothing to do (delete this file to do it all the same)")
    return due


def _is_back(job: Job, recipe: dict, inputs: dict[str, str]) -> bool:
    """Bring back what was made before from the same, if it was kept; returns whether it was."""
    found = earlier.same(job, recipe, inputs)
    if found is None:
        return False
    drafts = _drafts(job)
    for path, place in found.files.items():
        inside = [name for name, folder in job.files.folders.items() if Path(path).is_relative_to(folder)]
        target = drafts[inside[0]] / Path(path).relative_to(job.files.folders[inside[0]]) if inside else Path(path)
        with open(place, "rb") as source, files.whole_file(target, "wb") as copy:
            shutil.copyfileobj(source, copy)
    _placed(job, drafts)
    receipts.keep(job.receipt, found.receipt)
    _clear(job)
    terminal.note(f"{job.receipt}: made before from the same, and brought back (delete this file to have it made anew)")
    return True


def _arguments(job: Job, recipe: dict) -> dict:
    return {"params": params.typed(recipe["params"]), "limits": params.limits(LIMITS), **job.files.inputs, **job.files.outputs, **job.files.work,
            **job.files.asides}


def _drafts(job: Job) -> dict[str, Path]:
    """For each of a job's folders an empty one of the same name, to write in while what was made before stays whole."""
    drafts = {name: folder.parent / receipts.UNFINISHED / folder.name for name, folder in job.files.folders.items()}
    for draft in drafts.values():
        shutil.rmtree(draft, ignore_errors=True)  # of a job that was killed
        draft.mkdir(parents=True)
    return drafts


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


def _finish(job: Job, recipe: dict, inputs: dict[str, str], drafts: dict[str, Path], facts: dict | None) -> None:
    where = machine.of(recipe) if STEPS[job.stage].computed else {}
    outputs = [*job.files.outputs.values(), *_placed(job, drafts)]
    receipts.write(job.receipt, recipe=recipe, inputs=inputs, outputs=outputs, facts={**(facts or {}), **where})
    _clear(job)


def _placed(job: Job, drafts: dict[str, Path]) -> list[Path]:
    """Have the drafts take the places of what was there before; returns the paths of their files."""
    before = receipts.outputs(job.receipt)
    return [path for name, draft in drafts.items() for path in _take_place(draft, job.files.folders[name], before)]


def _clear(job: Job) -> None:
    """Away with what was half done, once the receipt is there: a kill in between would cost the work again."""
    for folder in job.files.work.values():
        shutil.rmtree(folder, ignore_errors=True)
