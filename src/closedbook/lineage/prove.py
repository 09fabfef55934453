"""Making an arm's artefacts again from nothing in a scratch folder, with no provider to ask, and comparing them with their receipts."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from closedbook import llm, params
from closedbook.lineage.history import Job
from closedbook.llm import ledger
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.util.git import git
from closedbook.workflow.receipts import WORK
from closedbook.workflow.registry import recipe_of


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
        if path and Path(path).exists() and not Path(path).is_relative_to("results") and not Path(path).is_absolute():
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


def lines(answer: dict) -> list[str]:
    artefacts = answer["artefacts"]
    told = ["", f"Rebuilt: {sum(artefact['result'] == 'identical' for artefact in artefacts)} of {len(artefacts)} identical"]
    for artefact in artefacts:
        if artefact["result"] != "identical":
            told.append(f"{artefact['job']}: {artefact['result']}{': ' + artefact['why'] if artefact['why'] else ''}")
        told += [f"  {one['path']}: expected {one['expected']}, got {one['got'] or 'nothing'}" for one in artefact["differences"]]
    wrong = [artefact["job"] for artefact in answer["broken"]]
    return [*told, f"Claims that were wrong: {', '.join(wrong)}" if wrong else "Every claim held."]
