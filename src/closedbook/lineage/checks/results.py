"""Results and receipts against each other, and recipes against the plan."""

from collections.abc import Iterator
from pathlib import Path

from closedbook import layout
from closedbook.lineage.checks.digests import Digests
from closedbook.lineage.checks.state import Break, State
from closedbook.util import files
from closedbook.workflow import receipts, registry
from closedbook.workflow.plan import KEPT, Plan
from closedbook.workflow.receipts import WORK


def of_receipts(state: State) -> Iterator[Break]:
    """Those that are no receipts, or whose own digest does not hold."""
    known = {*state.history.readers, *(state.held.md5 if state.held else ())}
    for path, problem in state.unread.items():
        name = receipts.name(path)
        its = [result for result in known if result.startswith(registry.places(name))]
        yield Break(file=path, expected="a receipt as its job left it", found=problem, untrusted=sorted({name, *state.after(*its)}))


def of_outputs(state: State, digests: Digests) -> Iterator[Break | str]:
    """Every file against the receipt of the job that made it."""
    gone = []
    for job, path, sha256 in [(job, *output) for job in state.history.jobs.values() for output in job.outputs.items()]:
        found = digests.sha256(state.place(path))
        if found is None and state.revision:
            gone.append(path)
        elif found != sha256:
            yield Break(file=path, expected=f"SHA-256 {sha256}, by {job.receipt}", found=f"SHA-256 {found}" if found else "no file",
                        untrusted=state.after(path))
    if gone:
        yield f"{len(gone)} files of {state.revision} are not in DVC's cache (dvc fetch --all-commits): {', '.join(gone)}"


def of_inputs(state: State) -> Iterator[Break]:
    """What a job read must be what the job that made it wrote."""
    for job in state.history.jobs.values():
        for path, sha256 in job.inputs.items():
            maker = state.history.maker.get(path)
            if maker and maker.outputs[path] != sha256:
                yield Break(file=job.receipt, expected=f"{path} read with SHA-256 {maker.outputs[path]}, by {maker.receipt}",
                            found=f"SHA-256 {sha256}: it was made again since, or one of the two receipts was written by hand",
                            untrusted=state.with_after(job.outputs))


def of_runs(state: State, digests: Digests) -> Iterator[Break]:
    """The hashes that run.json and base.json hold of the files beside them."""
    for path in [*state.results(f"{layout.RUNS}/*/run.json"), *state.results(f"{layout.BASE}/base.json")]:
        record = state.read(path, digests) or {"sha256": {}}
        folder = record.get("load", str(Path(path).parent))  # a base of one's own stays where it is
        for beside, sha256 in {f"{folder}/{name}": sha256 for name, sha256 in record["sha256"].items()}.items():
            maker = state.history.maker.get(beside)
            if maker and maker.outputs[beside] != sha256:
                yield Break(file=beside, expected=f"SHA-256 {sha256}, by {path}", untrusted=state.after(beside),
                            found=f"SHA-256 {maker.outputs[beside]}, by {maker.receipt}")


def of_plan(state: State, plan: Plan, digests: Digests) -> Iterator[Break]:
    """Recipes and articles under .closedbook/ are those that are planned now, those that results were made with, or as the last plan left
    them."""
    jobs, kept = state.history.jobs.values(), files.read_json(KEPT) if KEPT.is_file() else {}
    used = {files.sha256_text(files.canonical(job.recipe) + "\n") for job in jobs} | {sha for job in jobs for sha in job.inputs.values()}
    for path in planned_files():
        planned = files.sha256_text(plan.written[path]) if path in plan.written else None
        found = digests.sha256(path)
        if found not in used | {planned, kept.get(str(path))}:
            yield Break(file=str(path), expected=f"SHA-256 {planned}, as planned" if planned else "no such file: it is not planned",
                        found=f"SHA-256 {found}, and no result was made with it (the next run that has something to do writes it anew)",
                        untrusted=_followers(state, plan, path))


def planned_files() -> list[Path]:
    return sorted(path for folder in ("recipes", "sources") for path in (WORK / folder).rglob("*.json"))


def _followers(state: State, plan: Plan, path: Path) -> list[str]:
    """The jobs that follow a recipe or read an article, and those after them."""
    recipe = plan.written.get(path)
    jobs = [job for job in state.history.jobs.values() if str(path) in job.inputs or files.canonical(job.recipe) + "\n" == recipe]
    return state.with_after(output for job in jobs for output in job.outputs)
