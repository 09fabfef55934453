"""Has anything changed? Everything is hashed anew and compared with everything that says what it should be."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from closedbook import files, ledger, tracking
from closedbook.errors import UserError
from closedbook.freshness import plan, receipts
from closedbook.lineage import breaks, seal, stores, unproved
from closedbook.lineage.digests import Digests
from closedbook.lineage.state import Break, State


def answer(options: argparse.Namespace) -> dict:
    """Audit what is here, a commit as DVC's cache holds it, or what is here against a seal.

    Raises UserError for a name that is neither, and where there is nothing to audit.
    """
    if options.revision is None:
        return of(State.here())
    if seal.exists(options.revision):
        found = of(State.here())
        return seal.checked(options.revision, found)
    return of(State.at(options.revision))


def of(state: State) -> dict:
    """{"broken": [{"file", "expected", "found", "untrusted"}], "stale": {job: why}, "strays": paths that nothing made or planned,
    "unasked": what could not be, "read": {"files", "bytes"}, "unproved"}"""
    digests = Digests()
    planned, problem = _planned(state)
    digests.read(_wanted(state))
    found = list(_checks(state, planned, digests))
    broken = {one.file: one for one in reversed([one for one in found if isinstance(one, Break)])}  # the first of each file
    return {
        "revision": state.revision,
        "jobs": len(state.history.jobs),
        "broken": [asdict(one) for one in reversed(broken.values())],
        "stale": _stale(state, planned, digests) if planned else {},
        "strays": _strays(state, planned) if planned else [],
        "unasked": [*problem, *(one for one in found if isinstance(one, str))],
        "read": {"files": digests.num_files, "bytes": digests.num_bytes},
        "unproved": unproved.of(state.history.jobs.values()),
    }


def lines(answer: dict) -> list[str]:
    broken, read = answer["broken"], answer["read"]
    told = [f"{answer['jobs']:,} jobs; {read['files']:,} files, {read['bytes']:,} bytes hashed: "
            + (f"{len(broken)} things are not what they should be" if broken else "nothing is broken")]
    for one in broken:
        told += [f"broken: {one['file']}", f"    expected  {one['expected']}", f"    found     {one['found']}",
                 f"    no longer trusted: {', '.join(one['untrusted']) or 'nothing is made from it'}"]
    told += [f"stale: {job}: {why}" for job, why in answer["stale"].items()]
    told += [f"not planned: {path}" for path in answer["strays"]]
    told += [f"not asked: {line}" for line in answer["unasked"]]
    return [*told, *answer.get("sealed", []), *(f"not proved: {line}" for line in answer["unproved"])]


def _planned(state: State) -> tuple[plan.Plan | None, list[str]]:
    """What params.yaml asks for; of a commit, the plan would need the code and documents of then."""
    if state.revision:
        return None, [f"recipes, and what of {state.revision} was stale: that needs a checkout of it"]
    try:
        return plan.make(write=False), []
    except UserError as error:
        return None, [f"recipes, and what is stale, for nothing can be planned: {error}"]


def _wanted(state: State) -> Iterator[tuple[Path, str]]:
    """All that will be compared, to be hashed at once; by MD5 only what no receipt names."""
    made = state.history.maker
    if state.revision is None:
        yield from ((Path(path), "sha256") for path in [*made, *state.history.readers])
        for paths in (breaks.planned_files(), ledger.root().glob("texts/*"), (tracking.root() / "mlartifacts").rglob("*"), stores.crate_files()):
            yield from ((path, "sha256") for path in paths)
    if state.held:
        named = {state.held.place(path): path for path in state.held.md5}
        objects = named if state.revision else stores.objects(state)
        yield from ((place, "sha256" if named.get(place) in made else "md5") for place in objects)
        yield from ((Path(path), "md5") for path in state.held.md5 if path not in made and state.revision is None)


def _checks(state: State, planned: plan.Plan | None, digests: Digests) -> Iterator[Break | str]:
    yield from breaks.of_receipts(state)
    yield from breaks.of_results(state, digests)
    yield from breaks.of_inputs(state)
    yield from breaks.of_runs(state, digests)
    if planned:
        yield from breaks.of_plan(state, planned, digests)
    yield from stores.of_dvc(state, digests)
    yield from stores.of_ledger(state, digests)
    yield from stores.of_mlflow(state, digests)
    if state.revision is None:
        yield from stores.of_crate(state, digests)


def _stale(state: State, planned: plan.Plan, digests: Digests) -> dict[str, str]:
    """Jobs that would run again: what is asked for is no longer what was made. That is no break: nobody says otherwise."""
    reasons = {}
    for receipt, recipe in planned.receipts().items():
        name = str(receipt.relative_to(receipts.FOLDER).with_suffix(""))
        if str(receipt) not in state.unread and (reason := _reason(state, planned, digests, name, recipe)):
            reasons[name] = reason
    return reasons


def _reason(state: State, planned: plan.Plan, digests: Digests, name: str, recipe: dict) -> str | None:
    job = state.history.jobs.get(name)
    if job is None:
        return "not made yet"
    if files.canonical(job.recipe) != files.canonical(recipe):
        return receipts.difference(job.recipe, recipe)
    own = {path: sha256 for path, sha256 in job.inputs.items() if path not in state.history.maker}
    for path, sha256 in own.items():
        written = planned.written.get(Path(path))
        if sha256 != (files.sha256_text(written) if written else digests.sha256(Path(path))):
            return f"input {path} changed"
    return None


def _strays(state: State, planned: plan.Plan) -> list[str]:
    known = {*state.history.maker, *map(str, planned.receipts()), *state.unread, *(state.held.md5 if state.unread and state.held else ())}
    unplanned = {path for job in state.history.jobs.values() if Path(job.receipt) not in planned.receipts() for path in job.outputs}
    return sorted(str(path) for path in Path("results").rglob("*") if path.is_file() and (str(path) not in known or str(path) in unplanned))
