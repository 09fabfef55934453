"""What a name stands for that is compared: a run, an arm, or all results of a revision."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from closedbook.lineage import versioned
from closedbook.lineage.history import History, Job
from closedbook.util.errors import UserError, did_you_mean
from closedbook.util.git import git

HERE = "."


@dataclass(frozen=True, kw_only=True)
class Side:
    name: str
    kind: str
    """"run", "arm" or "revision" """
    history: History
    jobs: dict[str, Job]
    """by what makes two jobs of two sides the same: their names, without those of the run and the arm where these are compared"""
    runs: dict[str, str]
    """names of runs by what makes two of them the same; the base among those of a revision"""
    read: Callable[[str], bytes | None]
    """the content of a result, None where it is not to be had"""


def side(name: str) -> Side:
    """Raises UserError for a name that is nothing, or two things."""
    if name == HERE:
        return _revision(name, History.here(), _read_here)
    known = _named(History.here_if_any())
    commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    if name in known and commit:
        kind, job = known[name]
        raise UserError(f"{name}: both {kind} and a revision: give {job} for the {kind}, {commit[:12]} for the revision")
    if name in known:
        kind, job = known[name]
        return _run(job) if kind == "run" else _arm(job)
    if commit:
        held = versioned.Held(versioned.at(name, versioned.LOCK), f"{name}:{versioned.LOCK}")
        return _revision(name, versioned.history(held, name), lambda path: _read_held(held, path))
    hint = did_you_mean(name, known, otherwise=f"runs and arms here: {', '.join(sorted(known))}")
    raise UserError(f"{name}: no run, arm, commit, tag or branch; {hint}")


def _named(history: History) -> dict[str, tuple[str, str]]:
    """Each name that means a run or an arm: (kind, the name that means nothing else). A run's job, runs/raw-s1, and an arm as params.yaml
    has it, arms.raw, are never a revision's."""
    trained = [job for job in history.jobs.values() if job.step == "runs"]
    runs = {name: ("run", job.name) for job in trained for name in (job.name, job.name.partition("/")[2])}
    arms = {name: ("arm", f"arms.{arm}") for arm in (job.arm for job in trained) for name in (arm, f"arms.{arm}")}
    return arms | runs


def _run(job: str) -> Side:
    history, run = History.here(), job.partition("/")[2]
    jobs = _behind(history, [run])
    return Side(name=run, kind="run", history=history, runs={"run": run}, read=_read_here,
                jobs={_common(name, {run: "run"}, jobs): one for name, one in jobs.items()})


def _arm(name: str) -> Side:
    """All runs of an arm; where each seed has documents of its own, each run has a corpus of its own too."""
    history, arm = History.here(), name.removeprefix("arms.")
    trained = {f"seed {one.recipe['params']['run_seed']}": one for one in history.jobs.values() if one.step == "runs" and one.arm == arm}
    runs = {seed: one.name.partition("/")[2] for seed, one in trained.items()}
    jobs = _behind(history, list(runs.values()))
    corpora = {before.name.partition("/")[2]: seed for seed, one in trained.items() for before in history.before(one) if before.step == "corpora"}
    shared = {run: seed for seed, run in runs.items()} | (corpora if len(corpora) > 1 else {})
    return Side(name=arm, kind="arm", history=history, runs=runs, read=_read_here,
                jobs={_common(name, shared, jobs): one for name, one in jobs.items()})


def _behind(history: History, runs: list[str]) -> dict[str, Job]:
    """All jobs behind the scores of some runs, or behind the runs where nothing was scored."""
    last = [history.jobs[name] for run in runs for name in (f"runs/{run}", f"scores/{run}") if name in history.jobs]
    return {job.name: job for job in history.ancestors(last)}


def _common(name: str, runs: dict[str, str], jobs: dict[str, Job]) -> str:
    """A job's name without that of its run or arm."""
    step, _, rest = name.partition("/")
    if jobs[name].step not in ("corpora", "runs", "scores"):
        return name
    return f"{step}/{runs[rest]}" if rest in runs else step


def _revision(name: str, history: History, read: Callable) -> Side:
    runs = {job.name.partition("/")[2]: job.name.partition("/")[2] for job in history.jobs.values() if job.stage == "scores"}
    return Side(name=name, kind="revision", history=history, jobs=history.jobs, runs=runs, read=read)


def _read_here(path: str) -> bytes | None:
    return Path(path).read_bytes() if Path(path).exists() else None


def _read_held(held: versioned.Held, path: str) -> bytes | None:
    return _read_here(str(held.place(path)))


def record(side: Side, path: str) -> dict | None:
    """A JSON result of a side; None where it is not to be had. Raises UserError where it is not what its receipt says."""
    content = side.read(path)
    if content is None:
        return None
    job = side.history.of(path)
    if hashlib.sha256(content).hexdigest() != job.outputs[path]:
        raise UserError(f"{path} of {side.name}: is not what {job.receipt} says, so nothing in it can be believed: closedbook audit names all "
                        "that changed")
    return json.loads(content)
