"""Where two histories part: the first difference from the sources on, all of them in short, and what became of the results."""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from closedbook import layout
from closedbook.analysis import certainty
from closedbook.lineage import unproved
from closedbook.lineage.history import History, Job
from closedbook.records import carrying
from closedbook.util.errors import UserError, did_you_mean
from closedbook.util.git import git
from closedbook.util.tables import aligned
from closedbook.workflow import receipts, versioned
from closedbook.workflow.registry import STEPS

SHOWN = 10
NUMBERS = ("corpus_tokens", "train_tokens", "first_loss", "last_loss")
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


def answer(options: argparse.Namespace) -> dict:
    """Raises UserError for names that mean nothing or two things, and for two of different kinds."""
    a, b = side(options.a), side(options.b)
    if a.kind != b.kind:
        raise UserError(f"{a.name} ({a.kind}) and {b.name} ({b.kind}): compare two runs, two arms or two revisions")
    found = list(_grouped(a, b))
    return {
        "kind": a.kind,
        "a": a.name,
        "b": b.name,
        "first": found[0] if found else None,
        "differences": found,
        "only_a": sorted(a.jobs[key].name for key in a.jobs.keys() - b.jobs.keys()),
        "only_b": sorted(b.jobs[key].name for key in b.jobs.keys() - a.jobs.keys()),
        "results": [row for key in a.runs if key in b.runs for row in _results(a, b, a.runs[key], b.runs[key])],
        "unproved": list(dict.fromkeys(line for one in (a, b) for line in unproved.about(one.history, one.jobs.values()))),
    }


def _grouped(a: Side, b: Side) -> Iterator[dict]:
    """Each difference once, in the order of the steps, with all jobs that have it."""
    groups: dict[tuple, dict] = {}
    steps = {key: job.step for side in (a, b) for key, job in side.jobs.items()}
    for key in sorted(steps, key=lambda key: (list(STEPS).index(steps[key]), key)):
        pair = [side.jobs[key] for side in (a, b) if key in side.jobs]
        for what, name, before, after in _differences(a, b, *pair) if len(pair) == 2 else _lone(key in b.jobs, *pair):
            group = groups.setdefault((steps[key], what, name, str(before), str(after)),
                                      {"step": steps[key], "what": what, "name": name, "a": before, "b": after, "jobs": []})
            group["jobs"].append(" ↔ ".join(dict.fromkeys(job.name for job in pair)))
    return iter(groups.values())


def _lone(is_new: bool, job: Job) -> Iterator[tuple]:
    """A document that only one side has is a difference of data; what else only one has follows from other differences."""
    if job.step == "documents":
        for path, sha256 in job.inputs.items():
            yield "data", path, None if is_new else sha256, sha256 if is_new else None


def _differences(a: Side, b: Side, one: Job, other: Job) -> Iterator[tuple]:
    """(what, name, value in a, value in b) of two jobs, causes before effects: what came from outside, the recipe, the libraries, the
    model that answered; and where all of these agree, results that don't. What a job merely inherits is not its own difference."""
    recipes = [row for row in receipts.differences(one.recipe, other.recipe) if a.kind == "revision" or row[:2] != ("params", "name")]
    found = [*_between("data", _sources(a, one), _sources(b, other)),
             *sorted(recipes, key=lambda row: row[1] != "arm.strategy"),  # which says more than a size
             *_between("library", one.versions, other.versions),
             *_between("model", _models(one), _models(other))]
    yield from found
    if not found and one.name == other.name and one.inputs == other.inputs and one.outputs != other.outputs:
        yield _unexplained(a, b, one, other)


def _between(what: str, before: dict, after: dict) -> Iterator[tuple]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield what, name, before.get(name), after.get(name)


def _sources(side: Side, job: Job) -> dict[str, str]:
    """The hashes of what a job read and no job made."""
    return {path: sha256 for path, sha256 in job.inputs.items() if path not in side.history.maker}


def _models(job: Job) -> dict[str, str]:
    """Who answered, by the receipt's own account."""
    return {name: ", ".join(sorted(job.facts[name])) if isinstance(job.facts[name], dict) else job.facts[name]
            for name in ("maker", "answered") if name in job.facts}


def _unexplained(a: Side, b: Side, one: Job, other: Job) -> tuple:
    """Same recipe, inputs and libraries, other results: the provider answered otherwise, or the job can't be repeated."""
    path = next(path for path in one.outputs if one.outputs[path] != other.outputs.get(path))
    if one.step == "base":
        return "model", "the weights behind its name", one.outputs[path], other.outputs.get(path)
    if one.step in ("entities", "passages"):
        before, after = _answers(record(a, path)), _answers(record(b, path))
        changed = [key for key in before.keys() & after.keys() if before[key] != after[key]]
        if changed:
            return "answers", f"{len(changed)} of {len(before)} requests, asked again", None, None
    return "result", path, one.outputs[path], other.outputs.get(path)


def _answers(result: dict | None) -> dict[str, str]:
    """The hash of each response by its request, of an entity list or a passages file."""
    calls = [one["call"] for one in carrying(result or {}) if one.get("call")]
    return {call["key"]: call["response_sha256"] for call in calls}


def _results(a: Side, b: Side, one: str, other: str) -> Iterator[dict]:
    """Accuracy a task, and the numbers of the trainings; None for what is not to be had."""
    pair = {"run_a": one, "run_b": other}
    scores = [(record(from_, str(layout.score(run))) or {}).get("tasks", {}) for from_, run in ((a, one), (b, other))]
    told = ("accuracy", "stderr", "n", "version")
    for task in dict.fromkeys([*scores[0], *scores[1]]):
        yield {**pair, "what": task, **{label: {name: score[task][name] for name in told} if task in score else None
                                        for label, score in zip(("a", "b"), scores)}}
    runs = [record(from_, str(layout.run_facts(run))) or {} for from_, run in ((a, one), (b, other))]
    if any(runs):
        yield from ({**pair, "what": name, "a": runs[0].get(name), "b": runs[1].get(name)} for name in NUMBERS)


def lines(answer: dict) -> list[str]:
    shown = [_in_words(one) for one in answer["differences"]]
    found = [f"first difference: {shown[0]}", *(f"then: {line}" for line in shown[1:SHOWN])] if shown else ["no step of both differs"]
    if len(shown) > SHOWN:
        found.append(f"and {len(shown) - SHOWN} more differences: --json has all")
    for label in ("a", "b"):
        if names := answer[f"only_{label}"]:
            more = ", …" * (len(names) > 3)
            found.append(f"only in {answer[label]}: {len(names)} job{'s' * (len(names) > 1)}: {', '.join(names[:3])}{more}")
    results = [row for row in answer["results"] if row["a"] != row["b"]]
    same = len(answer["results"]) - len(results)
    table = aligned([("", answer["a"], answer["b"]), *(_row(row, answer["kind"]) for row in results)])
    same_ones = f"{same} of {same + len(results)} numbers are the same"
    return [*found, "", *table, same_ones, *(f"not proved: {line}" for line in answer["unproved"])]


def _in_words(one: dict) -> str:
    first, *others = one["jobs"]
    return f"{first}{f' and {len(others)} more' if others else ''}: {_said(one)}"


def _said(one: dict) -> str:
    what, name, before, after = one["what"], one["name"], one["a"], one["b"]
    if what == "answers":
        return f"the model answered otherwise: {name}"
    if what == "result":
        return f"same recipe, inputs and libraries, and yet another {name}"
    if what in ("data", "library", "model"):
        return f"{what} {name}: {_short(before)} → {_short(after)}"
    return receipts.in_words(what, name, before, after)


def _short(value: str | None) -> str:
    """A hash's beginning is enough for a person."""
    return "none" if value is None else value[:12] if len(value) == 64 else value


def _row(row: dict, kind: str) -> tuple[str, str, str]:
    runs = " ↔ ".join(dict.fromkeys((row["run_a"], row["run_b"])))
    scores = [side for side in (row["a"], row["b"]) if isinstance(side, dict)]
    what = row["what"] + _versions([side["version"] for side in scores]) + (f", ± over {certainty.QUESTIONS}" if scores else "")
    return what if kind == "run" else f"{runs}: {what}", _number(row["a"]), _number(row["b"])


def _versions(versions: list) -> str:
    return f" (versions {' and '.join(map(str, versions))}: not comparable)" if len(set(versions)) > 1 else ""


def _number(value) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return f"{value['accuracy']:.3f}" + ("" if value["stderr"] is None else f" ± {value['stderr']:.3f}")
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


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
        return _revision(name, History.held(held, name), lambda path: _read_held(held, path))
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
    runs = {job.name.partition("/")[2]: job.name.partition("/")[2] for job in history.jobs.values() if job.place == "scores"}
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
