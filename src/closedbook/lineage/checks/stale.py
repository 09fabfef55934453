"""What is no longer asked for as it was made. That is no break: no record says that it was made otherwise."""

from pathlib import Path

from closedbook.lineage import versioned
from closedbook.lineage.checks.digests import Digests
from closedbook.lineage.checks.state import State
from closedbook.training import tracking
from closedbook.util import files
from closedbook.workflow import leftovers, receipts
from closedbook.workflow.plan import Plan


def here(state: State, plan: Plan, digests: Digests) -> dict[str, str]:
    """{job: why it would run again}. As receipts.stale_reason, but by hashes of now, and of the articles as they are planned: in a clone
    they are not on disk."""
    reasons = {}
    for planned in plan.jobs.values():
        receipt, recipe = planned.receipt, plan.recipes[planned.recipe]
        job = state.history.jobs.get(receipts.name(receipt))
        if job is None:
            reasons[receipts.name(receipt)] = "its receipt is broken" if str(receipt) in state.unread else "not made yet"
        elif files.canonical(job.recipe) != files.canonical(recipe):
            reasons[job.name] = receipts.difference(job.recipe, recipe)
        elif lacking := [path for path in map(str, planned.files.writes) if path not in job.outputs]:
            reasons[job.name] = f"{lacking[0]} is not among what it wrote"
        elif changed := [path for path in job.inputs if path not in state.history.maker and job.inputs[path] != _now(path, plan, digests)]:
            reasons[job.name] = f"input {changed[0]} changed"
    return reasons


def _now(path: str, plan: Plan, digests: Digests) -> str | None:
    """The SHA-256 of what no job made: an article, or a file of one's own."""
    written = plan.written.get(Path(path))
    return files.sha256_text(written) if written else digests.sha256(Path(path))


def at(state: State) -> dict[str, str]:
    """{stage: the first parameter that the commit's params.yaml gives otherwise than its dvc.lock}; of what is here, nothing."""
    if state.revision is None:
        return {}
    now = dict(tracking.flat(versioned.params(state.revision)))
    reasons = {}
    for stage, params in state.held.params.items():
        then = dict(tracking.flat(params))
        changed = [name for name in then if files.canonical(then[name]) != files.canonical(now.get(name))]
        if changed:
            reasons[stage] = f"parameter {changed[0]} was {then[changed[0]]}, and params.yaml says {now.get(changed[0])}"
    return reasons


def unplanned(state: State, plan: Plan) -> list[str]:
    """Files among the results that no planned job left."""
    known = state.held.md5 if state.unread and state.held else ()  # a broken receipt does not say what it named
    return [str(path) for path in leftovers.unplanned(plan) if str(path) not in known]
