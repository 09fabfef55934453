"""Has anything changed? Everything is hashed anew and compared with everything that says what it should be."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from closedbook.lineage import sealed, unproved
from closedbook.lineage.checks import results, tools
from closedbook.lineage.checks.state import Break, Digests, State
from closedbook.lineage.history import Job
from closedbook.llm import ledger
from closedbook.util.errors import UserError
from closedbook.workflow import leftovers
from closedbook.workflow.plan import Plan, make

SHOWN = 3


def answer(options: argparse.Namespace) -> dict:
    """Audit what is here, alone or against a seal, or a commit as DVC's cache holds it.

    Raises UserError for a name that is neither, and where there is nothing to audit.
    """
    if options.revision is None:
        return of(state := State.here(), planned(state))
    name = options.revision.removeprefix(sealed.PREFIX)  # as its tag is called
    if sealed.exists(name):
        asked = planned(state := State.here())
        return of(state, asked, sealed.compared(name, asked[0]))
    return of(state := State.at(options.revision), planned(state))


def of(state: State, asked: tuple[Plan | None, list[str]], beside: Iterable[Break | str] = ()) -> dict:
    """What is broken ({"file", "expected", "found", "untrusted": jobs}), stale ({job: why}), there and not planned, what could not be
    asked, how much was hashed, and what can't be proved anyway. `asked`: what `planned` says of the state; `beside`: breaks and notes of a
    comparison with something else."""
    digests, notes = Digests(), list(beside)
    plan, problem = asked
    digests.read(_wanted(state))
    found = list(_checks(state, plan, digests))
    broken: dict[str, dict] = {}
    for one in [one for one in [*found, *notes] if isinstance(one, Break)]:
        known = broken.setdefault(one.file, asdict(one))  # the first of each file says enough, but for what is made from it
        known["untrusted"] = list(dict.fromkeys([*known["untrusted"], *one.untrusted]))
    return {
        "revision": state.revision,
        "jobs": len(state.history.jobs),
        "broken": list(broken.values()),
        "stale": results.stale_here(state, plan, digests) if plan else results.stale_at(state),
        "unplanned": results.unplanned(state, plan) if plan else [],
        "unasked": [*problem, *(one for one in found if isinstance(one, str))],
        "notes": [one for one in notes if isinstance(one, str)],
        "hashed": {"files": digests.num_files, "bytes": digests.num_bytes},
        "unproved": unproved.of(_readable(state, digests)),
    }


def lines(answer: dict) -> list[str]:
    broken, hashed = answer["broken"], answer["hashed"]
    told = [f"{answer['jobs']:,} jobs, {hashed['files']:,} files with {hashed['bytes']:,} bytes hashed: {len(broken) or 'nothing'} broken"]
    for one in broken:
        told += [f"broken: {one['file']}", f"    expected     {one['expected']}", f"    found        {one['found']}",
                 f"    not trusted  {', '.join(one['untrusted']) or 'nothing is made from it'}"]
    reasons: dict[str, list[str]] = {}
    for job, reason in answer["stale"].items():
        reasons.setdefault(reason, []).append(job)
    told += [f"stale: {_some(jobs)}: {reason}" for reason, jobs in reasons.items()]
    told += [f"not planned: {_some(answer['unplanned'])}"] if answer["unplanned"] else []
    told += [f"not asked: {line}" for line in answer["unasked"]]
    return [*told, *answer["notes"], *(f"not proved: {line}" for line in answer["unproved"])]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def planned(state: State) -> tuple[Plan | None, list[str]]:
    """What params.yaml asks for, or why that is not known; of a commit, the plan would need its code and its documents."""
    if state.revision:
        return None, [f"recipes of {state.revision}: they need a checkout of it"]
    try:
        return make(write=False, anew=True), []
    except UserError as error:
        return None, [f"recipes, and what is stale, for nothing can be planned: {error}"]


def _wanted(state: State) -> Iterator[tuple[Path, str]]:
    """All that will be compared, to be hashed at once; by MD5 only what no receipt names."""
    made = state.history.maker
    if state.revision is None:
        yield from ((Path(path), "sha256") for path in {**made, **state.history.readers})
        kept = [*results.planned_files(), *ledger.root().glob("texts/*"), *tools.artefacts(), *tools.crate_files()]
        yield from ((path, "sha256") for path in kept)
    if state.held:
        named = {state.held.place(path): path for path in state.held.md5}
        places = named if state.revision else state.held.objects()
        yield from ((place, "sha256" if named.get(place) in made else "md5") for place in places)
        yield from ((Path(path), "md5") for path in state.held.md5 if path not in made and state.revision is None)


def _readable(state: State, digests: Digests) -> list[Job]:
    """The jobs whose results may be read where they lie: an edited one says nothing, and may be no JSON at all."""
    return [job for job in state.history.jobs.values()
            if all(digests.sha256(Path(path)) in (job.outputs[path], None) for path in job.outputs if path.endswith(".json"))]


def _checks(state: State, plan: Plan | None, digests: Digests) -> Iterator[Break | str]:
    yield from results.of_receipts(state)
    yield from results.of_outputs(state, digests)
    yield from results.of_inputs(state)
    yield from results.of_runs(state, digests)
    if plan:
        yield from results.of_plan(state, plan, digests)
    yield from tools.of_dvc(state, digests, set(leftovers.unplanned(plan)) if plan else set())
    yield from results.of_ledger(state, digests)
    yield from tools.of_mlflow(state, digests)
    if state.revision is None:
        yield from tools.of_crate(state, digests)
