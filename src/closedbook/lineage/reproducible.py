"""What of an arm can be made again from what is here, bit by bit, and what for; and the proof, by making it again in a scratch folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from closedbook import layout, llm, params
from closedbook.generation import sections
from closedbook.generation.strategies import Wanted
from closedbook.lineage import unproved
from closedbook.lineage.history import History, Job
from closedbook.lineage.tracing.passage import here
from closedbook.llm import ledger, prompts
from closedbook.llm.errors import TOO_LONG
from closedbook.llm.refusals import Refusals
from closedbook.llm.requests import found
from closedbook.records import Document, EntityList, Passages
from closedbook.stages.entities import Answer
from closedbook.util import files, fingerprint
from closedbook.util.errors import UserError
from closedbook.util.git import git
from closedbook.util.tables import aligned
from closedbook.workflow import machine, named, receipts
from closedbook.workflow import plan as planning
from closedbook.workflow.receipts import WORK
from closedbook.workflow.registry import STEPS, recipe_of

CLAIMS = {
    "rebuilding": "bit-identical by rebuilding here",
    "ledger": "replayable from the ledger without a provider",
    "provider": "needs a provider",
}
FINDS_OR_ANSWERS = ("pairs", "retrieval", "api_models")
"""steps whose calls no result carries"""


def answer(options: Namespace) -> dict:
    """{"arm", "artefacts": [{"job", "by", "calls_missing", "against"}], "unproved"}; `by` is a key of CLAIMS, which is claimed where
    nothing is `against`.

    With --prove each artefact also says what came of rebuilding it, and "broken" lists the claims that were wrong.
    Raises UserError for an unknown arm, and for --prove outside a git checkout.
    """
    history = History.here()
    scored = {job.name.partition("/")[2]: job for job in history.jobs.values() if job.place == "scores"}
    scores = [scored[run] for run in named.runs(options.arm, scored)]
    jobs = history.ancestors(scores)
    plan = planning.make(write=False) if Path(params.load().documents.path).exists() else None
    artefacts = [{"job": job.name, **_claim(job), "against": list(_against(job, plan))} for job in jobs]
    found = {"arm": options.arm, "artefacts": artefacts, "unproved": unproved.about(history, scores)}
    return {**found, **prove(jobs, scores, artefacts)} if options.prove else found


def _claim(job: Job) -> dict:
    if not unproved.providers(job):
        return {"by": "rebuilding", "calls_missing": 0}
    if job.step in ("judgements", "verdicts", "api_summaries"):  # which calls stand behind these is not looked for
        return {"by": "provider", "calls_missing": 0}
    missing = len(_not_asked_about(job)) if job.step in FINDS_OR_ANSWERS else _missing(job)
    return {"by": "provider" if missing else "ledger", "calls_missing": missing}


def _missing(job: Job) -> int:
    known = _ledger(job)
    return sum(key not in known for key in _keys(job, known))


def _not_asked_about(job: Job) -> set[str]:
    """The documents that the ledger has no answer about, each of which takes a call or more: all of them where texts are embedded, else
    those whose questions were reranked or answered."""
    name = Path(job.name).name
    folder = ledger.root() / (name.replace(params.API, ledger.API_MODELS, 1) if job.step == "api_models" else name)
    known = {path.stem for path in folder.glob("*.jsonl") if any(ledger.decided(record) for _, record, _ in ledger.verified(path))}
    if job.step == "pairs" or job.step == "retrieval" and job.recipe["params"]["retrieval"]["embedder"]["model"]:
        return {Path(path).stem for path in job.inputs if path.startswith(f"{layout.DOCUMENTS}/")} - known
    rows = files.read_json_lines(here(next(path for path in job.outputs if path.endswith(".jsonl")), job))
    return {row["document"] for row in rows if row.get("chunks") != []} - known


def _ledger(job: Job) -> dict[str, dict]:
    """The answers that the ledger has for a job, by key, and under "" how often failed ones may be asked again."""
    document, step = Path(job.name).name, "entities" if job.step == "entities" else Path(job.name).parent.name
    segment = ledger.root() / step / f"{document}.jsonl"
    records = [record for _, record, _ in ledger.verified(segment)] if segment.exists() else []
    return {"": {"reopened": max((record.get("reopened", 0) for record in records), default=0)},
            **{record["key"]: record for record in records if "key" in record and ledger.decided(record)}}


def _keys(job: Job, known: dict[str, dict]) -> Iterator[str]:
    """The key of each answer that it takes to make a list or a passage file again under its own parameters and the prompts of here:
    those that it holds, and before them those that were of no use."""
    settings = params.typed(job.recipe["params"])
    document = Document.read(layout.document(Path(job.name).name))
    attempts = (settings.entities if job.step == "entities" else settings.passages).attempts
    shown = sections.split(document, job.recipe["params"]["llm"].get("sections"))
    refused = Refusals(ledger.root(), settings.llm).known()
    for section, prompt, fields, sample, tries, schema in _requests(job, settings, 1 + known[""]["reopened"]):
        messages, over = prompts.messages(prompt, shown[section], **fields), None
        for attempt in range(tries):
            if attempt // attempts == over:
                continue  # a document found too long ended this round
            whole = llm.asked(settings.llm, settings.seed, prompt, messages, sample=sample, attempt=attempt, schema=schema)
            line = found(whole, refused, known.get) or whole
            yield line["key"]
            if line.get("error.type") == TOO_LONG:
                over = attempt // attempts


def _requests(job: Job, settings, rounds: int) -> Iterator[tuple]:
    """(section, prompt, its fields, sample, tries, schema) of all that was asked for a job's result."""
    if job.step == "entities":
        for made in EntityList.read(here(next(iter(job.outputs)), job)).made:
            tries = made.call["attempt"] + 1 if made.call else rounds * settings.entities.attempts
            yield made.section, "entities", {"max": settings.entities.max}, 0, tries, Answer
        return
    made = Passages.read(here(next(iter(job.outputs)), job))
    asked = [(vars(one), one.call["attempt"] + 1) for one in made.written if one.call and one.kind != "summary"]
    asked += [(dropped, rounds * settings.passages.attempts) for dropped in made.dropped]
    for what, tries in asked:
        wanted = Wanted.of(what, Document.read(layout.document(what["beside"])) if what.get("beside") else None)
        yield wanted.section, wanted.kind, wanted.fields, wanted.sample, tries, None


def _against(job: Job, plan: planning.Plan | None) -> Iterator[str]:
    """What stands against the claim that a job would give the same bits here and now."""
    if plan:
        now = plan.receipts().get(Path(job.receipt))
        if not now:
            yield "params.yaml and the source do not ask for it any more"
        elif files.canonical(now) != files.canonical(job.recipe):
            yield receipts.difference(job.recipe, now)
    elif job.step == "documents":
        yield f"the source is not here: {params.load().documents.path}"
    elif job.recipe["code"] not in (STEPS[job.step].code(), STEPS[job.step].code(fingerprint.EXTRACTIVE)):
        yield f"code of the stage {job.step} changed"
    yield from (f"accepted over a change of code, so it was made by other code: {one['why']}" for one in job.accepted)
    yield from (f"made with another version: {change}" for change in receipts.changed_versions(job.versions))
    yield from _computed(job)


def _computed(job: Job) -> Iterator[str]:
    """What a computation's bits depend on beside versions."""
    settings = job.recipe["params"]
    if job.step == "base" and settings["base"]["model"] not in params.OWN_BASES and not Path(settings["base"]["model"]).is_dir():
        if not settings["base"]["revision"]:
            yield "base.revision is null: the Hub may give another commit today"
    for name in ("training", "scores"):
        device = settings.get(name, {}).get("device")
        if device == "cuda":
            yield f"{name}.device is cuda: its kernels need not give the same bits twice"
    for part, now in (machine.of(job.recipe) if STEPS[job.step].computed else {}).items():
        if job.facts.get(part, now) != now:
            yield f"made on another kind of {part.upper()}: {job.facts[part]}, now {now}"


def lines(answer: dict) -> list[str]:
    artefacts = answer["artefacts"]
    counted = Counter((artefact["job"].partition("/")[0], artefact["by"], bool(artefact["against"])) for artefact in artefacts)
    rows = [(str(count), step, CLAIMS[by] + (", but see below" if against else "")) for (step, by, against), count in counted.items()]
    missing = sum(artefact["calls_missing"] for artefact in artefacts)
    against = Counter(reason for artefact in artefacts for reason in artefact["against"])
    return [
        f"{answer['arm']}: {len(artefacts)} artefacts behind its scores", *(f"  {line}" for line in aligned(rows, left=(1, 2))),
        *([f"{missing:,} calls are not in the ledger: a provider must answer them again, and may answer otherwise"] if missing else []),
        *(f"against it: {reason} ({count} artefact{'s' * (count > 1)})" for reason, count in against.items()),
        *(_proof_lines(answer) if "broken" in answer else []),
        *(["", "Not proved:", *(f"  {line}" for line in answer["unproved"])] if answer["unproved"] else []),
    ]


def prove(jobs: list[Job], targets: list[Job], artefacts: list[dict]) -> dict:
    """{"artefacts": each with "result" (identical, different, other inputs, not made), "differences" and "why", "broken": wrong claims}.

    Nothing is written here: the scratch folder lies among the system's temporary ones, and is removed. Takes as long as a first run.
    """
    with tempfile.TemporaryDirectory(prefix="closedbook-") as place:
        _checkout(Path(place))
        _rebuild(Path(place), [path for job in targets for path in job.outputs])
        proved = [{**artefact, **_compared(Path(place), job)} for artefact, job in zip(artefacts, jobs, strict=True)]
    return {"artefacts": proved, "broken": [_wrong(artefact) for artefact in proved if _is_wrong(artefact)]}


def _checkout(place: Path) -> None:
    """What a run starts from: the checkout's files, the source, the base where it is a folder, and the ledger; no results."""
    tracked = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    if tracked == [""]:
        raise UserError("no git repository here, so which files are the project's is not known: git init, and add them")
    settings = params.load()
    for path in [*tracked, settings.documents.path, settings.corpora.replay.path, settings.base.model]:
        if path and Path(path).exists() and not Path(path).is_relative_to(layout.RESULTS) and not Path(path).is_absolute():
            _copy(Path(path), place / path)
    if ledger.root().is_dir():
        _copy(ledger.root(), place / "ledger")


def _copy(path: Path, target: Path) -> None:
    if os.path.normpath(path).startswith(".."):
        raise UserError(f"{path}: lies outside this folder, so no copy of the folder can find it: give its whole path in params.yaml")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, dirs_exist_ok=True)
    else:
        shutil.copy2(path, target)


def _rebuild(place: Path, targets: list[str]) -> None:
    """Run Snakemake there for as much as can be made; what it says goes to the terminal."""
    ambient = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    subprocess.run([sys.executable, "-m", "snakemake", "--keep-going", *targets], cwd=place, stdout=sys.stderr.fileno(),
                   env={**ambient, "PYTHONPATH": "src", llm.NO_CALLS: "1"})


def _compared(place: Path, job: Job) -> dict:
    got = {path: files.sha256_file(place / path) if (place / path).is_file() else None for path in job.outputs}
    differences = [{"path": path, "expected": sha256, "got": got[path]} for path, sha256 in job.outputs.items() if got[path] != sha256]
    receipt = place / job.receipt
    if not receipt.exists():
        return {"result": "not made", "differences": [], "why": _error(place, job)}
    other = [path for path, sha256 in files.read_json(receipt)["inputs"].items() if job.inputs.get(path) != sha256]
    if other:
        return {"result": "other inputs", "differences": differences, "why": f"{other[0]} is not what it was"}
    return {"result": "different" if differences else "identical", "differences": differences, "why": None}


def _error(place: Path, job: Job) -> str | None:
    """What stopped a job, by its log; None where it never began."""
    recipe = recipe_of(job.name)
    logs = [place / WORK / "logs" / f"{recipe}.log", *(place / WORK / "logs").glob(f"{recipe.replace('/', '-')}-*.log")]
    said = [line for log in logs if log.exists() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(said) if "error" in line.lower()), None)


def _is_wrong(artefact: dict) -> bool:
    """A claim with something against it is none; one whose inputs are others than then can't be judged."""
    if artefact["by"] == "provider":
        return artefact["result"] == "identical"
    failed = artefact["result"] == "different" or (artefact["result"] == "not made" and artefact["why"] is not None)
    return failed and not artefact["against"]


def _wrong(artefact: dict) -> dict:
    return {name: artefact[name] for name in ("job", "by", "result", "differences", "why")}


def _proof_lines(answer: dict) -> list[str]:
    artefacts = answer["artefacts"]
    told = ["", f"Rebuilt: {sum(artefact['result'] == 'identical' for artefact in artefacts)} of {len(artefacts)} identical"]
    for artefact in artefacts:
        if artefact["result"] != "identical":
            told.append(f"{artefact['job']}: {artefact['result']}{': ' + artefact['why'] if artefact['why'] else ''}")
        told += [f"  {one['path']}: expected {one['expected']}, got {one['got'] or 'nothing'}" for one in artefact["differences"]]
    wrong = [artefact["job"] for artefact in answer["broken"]]
    return [*told, f"Claims that were wrong: {', '.join(wrong)}" if wrong else "Every claim held."]
