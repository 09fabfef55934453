"""Results, receipts, recipes and the ledger's calls against each other; and what is no longer asked for as it was made."""

from collections.abc import Iterator
from pathlib import Path

from closedbook import layout
from closedbook.lineage.checks.state import Break, Digests, State
from closedbook.llm import ledger
from closedbook.params import API
from closedbook.records import carrying
from closedbook.training import tracking
from closedbook.util import files
from closedbook.workflow import leftovers, receipts, registry, versioned
from closedbook.workflow.plan import KEPT, Plan
from closedbook.workflow.receipts import WORK

CARRYING = (f"{layout.ENTITIES}/*.json", f"{layout.PASSAGES}/*/*.json", str(layout.JUDGED), f"{layout.SUMMARIES}/*.json", f"{layout.VERDICTS}/*.json")
"""results that carry calls"""


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
    """The hashes that run.json, assistant.json and base.json hold of the files beside them."""
    for path in [*state.results(f"{layout.RUNS}/*/run.json"), *state.results(f"{layout.ASSISTANTS}/*/assistant.json"), *state.results(str(layout.BASE_FACTS))]:
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
    return sorted(path for folder in (WORK / "recipes", layout.SOURCES) for path in folder.rglob("*.json"))


def _followers(state: State, plan: Plan, path: Path) -> list[str]:
    """The jobs that follow a recipe or read an article, and those after them."""
    recipe = plan.written.get(path)
    jobs = [job for job in state.history.jobs.values() if str(path) in job.inputs or files.canonical(job.recipe) + "\n" == recipe]
    return state.with_after(output for job in jobs for output in job.outputs)


def stale_here(state: State, plan: Plan, digests: Digests) -> dict[str, str]:
    """{job: why it would run again}, which is no break: no record says that it was made otherwise.

    As receipts.stale_reason, but by hashes of now, and of the articles as they are planned: in a clone they are not on disk.
    """
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


def stale_at(state: State) -> dict[str, str]:
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


def of_ledger(state: State, digests: Digests) -> Iterator[Break | str]:
    folder = ledger.root()
    if not folder.is_dir():
        yield f"no {folder}/ here: whether passages carry the answers that were given was not asked"
        return
    answers: dict[Path, dict[str, set[str]]] = {}
    for segment in sorted(folder.glob("*/*.jsonl")):
        yield from _segment(state, segment, answers.setdefault(segment, {}))
        yield from _texts(state, segment, digests)
    yield from _carried(state, digests, answers)


def _result(segment: Path) -> str:
    """What a segment's calls were made for."""
    step = segment.parent.name
    if step.startswith(ledger.API_MODELS):
        return str(layout.score(f"{API}{step.removeprefix(ledger.API_MODELS)}"))
    if step.startswith(ledger.VERDICTS):
        return str(layout.verdicts(step.removeprefix(ledger.VERDICTS)))
    made_for = {"judgements": layout.JUDGED, "retrieval": layout.RETRIEVAL / "retrieval.json", "pairs": layout.pairs(segment.stem),
                "entities": layout.entities(segment.stem)}
    return str(made_for.get(step) or layout.passages(step, segment.stem))


def _step(path: Path, call: dict) -> str:
    """Under which step the ledger has a call that a result carries."""
    if path.parent == layout.SUMMARIES:
        return f"{ledger.API_MODELS}{path.stem.removeprefix(API)}"
    if path.parent == layout.VERDICTS:
        return f"{ledger.VERDICTS}{path.stem}"
    return "entities" if call["prompt"] == "entities" else path.parent.name  # a passage that is a summary carries the call of its entity list


def _segment(state: State, segment: Path, answers: dict[str, set[str]]) -> Iterator[Break]:
    """Fills `answers`: {key: SHA-256 of what was answered}."""
    for number, record, problem in ledger.verified(segment):
        if problem:
            yield Break(file=f"{segment}:{number}", expected="a call as it was written, chained to the line before", found=problem,
                        untrusted=state.with_after([_result(segment)]))
        if "key" in record:
            answers.setdefault(record["key"], set()).add(ledger.answered(record))


def _texts(state: State, segment: Path, digests: Digests) -> Iterator[Break]:
    for sha256 in sorted(ledger.stored_texts(segment)):
        place = ledger.root() / "texts" / f"{sha256}.txt"
        if (found := digests.sha256(place)) != sha256:
            yield Break(file=str(place), expected=f"SHA-256 {sha256}, its name", found=f"SHA-256 {found}" if found else "no file",
                        untrusted=state.with_after([_result(segment)]))


def _carried(state: State, digests: Digests, answers: dict[Path, dict[str, set[str]]]) -> Iterator[Break | str]:
    elsewhere = set()
    for path in [path for kind in CARRYING for path in state.results(kind)]:
        record = state.read(path, digests) or {}
        for one in [one for one in carrying(record) if one.get("call")]:
            call = one["call"]
            segment = ledger.root() / _step(Path(path), call) / f"{one['document']}.jsonl"
            found = answers.get(segment, {}).get(call["key"], set())
            if segment not in answers:
                elsewhere.add(path)
            elif call["response_sha256"] not in found:
                yield Break(file=path, expected=f"call {call['key']} in {segment}, answered with SHA-256 {call['response_sha256']}",
                            found=f"an answer with SHA-256 {min(found)}" if found else "no such call: a line of the ledger is gone",
                            untrusted=state.with_after([path]))
    if elsewhere:
        yield f"no segment of the ledger here for the calls in {len(elsewhere)} entity lists, passage files, judgements and summaries: they were made elsewhere"
