"""What can't be proved about results, in plain lines: every answer about lineage ends with them, asked for or not."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from closedbook import layout
from closedbook.lineage import commit
from closedbook.lineage.history import History, Job
from closedbook.util import files
from closedbook.util.git import git
from closedbook.workflow.registry import STEPS

LOCK = Path("requirements.lock")
DECIDES = ("src", "rules", "params.yaml", "evals")
"""what of the working tree decides a result"""
DATED = re.compile(r"\d{4}-?\d{2}-?\d{2}|-(0[1-9]|1[0-2])([0-2]\d|3[01])$")
"""how providers name one version of a model: 2025-04-14, 20250414, or -0613"""
SHOWN = 3


def about(history: History, jobs: Iterable[Job]) -> list[str]:
    """All that can't be proved about these jobs and those behind them, one line each."""
    return of(history.ancestors(jobs))


def of(jobs: Iterable[Job]) -> list[str]:
    """All that can't be proved about just these jobs."""
    jobs = list(jobs)
    return [*_models(jobs), *_imported(jobs), *_licences(jobs), *_bases(jobs), *_released(jobs), *_accepted(jobs), *libraries(jobs), *_code(jobs)]


def _models(jobs: list[Job]) -> list[str]:
    """Whoever answers behind a provider's name is the provider's to choose; the miniature's scripted generator is code of ours, and so is pinned."""
    answered: dict[str, set[str]] = {}
    for job in jobs:
        for model in providers(job):
            answered.setdefault(model, set()).update(_who_answered(job))
    return [f"{asked}: {_pinned(names)}" for asked, names in sorted(answered.items())]


def providers(job: Job) -> list[str]:
    """The models that a job asks and that are no code of ours: who writes, judges, reads, embeds or reranks."""
    asked = STEPS[job.step].asks(job.recipe["params"]) if job.step in STEPS else []  # a receipt may be of a stage that this code has no more
    return [model for model in asked if not model.startswith("miniature/")]


def _who_answered(job: Job) -> Iterable[str]:
    if job.step == "entities":
        return [job.facts["maker"]] if job.facts["made_by"] == "llm" else []
    return job.facts.get("answered", {})


def _pinned(names: set[str]) -> str:
    undated = sorted(name for name in names if not DATED.search(name))
    if not names:
        return "a provider's model, and no receipt says which version answered"
    if undated:
        return f"a provider's model that is not pinned (answered as {', '.join(undated)}): what answers to this name may change"
    return f"a provider's model: only the provider's word says that {', '.join(sorted(names))} answered"


def _imported(jobs: list[Job]) -> list[str]:
    places = sorted({job.recipe["params"]["passages"]["imported"]["path"] for job in jobs if job.name.startswith("passages/imported/")})
    return [f"passages from {place} were written elsewhere: nothing here says by whom, or from what" for place in places]


def _licences(jobs: list[Job]) -> list[str]:
    paths = [Path(path) for job in jobs if job.step == "documents" for path in job.outputs if path.startswith(f"{layout.DOCUMENTS}/")]
    absent = [path.stem for path in paths if not path.exists()]
    without = [path.stem for path in paths if path.exists() and not files.read_json(path).get("license")]
    lines = [f"no licence is known of {_some(without, 'document')}"] if without else []
    return lines + ([f"not here, so its licence is not known (dvc pull): {_some(absent, 'document')}"] if absent else [])


def _bases(jobs: list[Job]) -> list[str]:
    """A base is pinned by its commit on the Hub or by the hashes of its files."""
    paths = [Path(path) for job in jobs if job.step == "base" for path in job.outputs if path.endswith("/base.json")]
    bases = [files.read_json(path) for path in paths if path.exists()]
    return [f"the base {base['model']} has no revision: nothing says which weights it had" for base in bases
            if base["model"] != "miniature" and not base["revision"] and not base["sha256"]]


def _released(jobs: list[Job]) -> list[str]:
    """A released model is pinned in its score, as a base is."""
    paths = [Path(path) for job in jobs if job.step == "released" for path in job.outputs if path.endswith(".json")]
    named = [files.read_json(path)["released"] for path in paths if path.exists()]
    return [f"the released model {one['model']} has no revision: nothing says which weights it had" for one in named
            if not one["revision"] and not one["sha256"]]


def _accepted(jobs: list[Job]) -> list[str]:
    return [f"{job.name}: kept over a change of its code, because a person accepted it: {one['why']}" for job in jobs for one in job.accepted]


def libraries(jobs: list[Job]) -> list[str]:
    """Libraries of other versions than the lock names, and of several versions among results that build on each other."""
    made = Counter((name, version) for job in jobs for name, version in job.versions.items())
    locked = _locked()
    lines = [] if LOCK.exists() else [f"no {LOCK} here: nothing says which libraries the results should have been made with"]
    for (name, version), count in sorted(made.items()):
        wanted = locked.get(_normal(name))
        if wanted not in (None, version.split("+")[0]):
            lines.append(f"{_results(count)} made with {name} {version}, where {LOCK} names {wanted}")
    for name in sorted({name for name, _ in made}):
        versions = sorted(version for other, version in made if other == name)
        if len(versions) > 1:
            lines.append(f"made with several versions of {name}, one building on the other: {', '.join(versions)}")
    return lines


def _locked() -> dict[str, str]:
    """{library: version}, which names no build (torch 2.13.0, not 2.13.0+cpu)."""
    lines = LOCK.read_text(encoding="utf-8").splitlines() if LOCK.exists() else []
    return {_normal(name): version for name, found, version in (line.partition("==") for line in lines) if found}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _code(jobs: list[Job]) -> list[str]:
    """Code in no commit, and what of the working tree is not committed."""
    if not git("rev-parse", "--git-dir"):
        return ["no git repository here: no commit says what code and parameters these are"]
    made = dict.fromkeys((job.step, commit.code_of(job)) for job in jobs)
    commits = commit.holding(code for _, code in made)
    lost = dict.fromkeys(f"the code of the stage {step} {'is in no commit, only in this folder' if commits[code] == '' else commit.NOT_FOUND}"
                         for step, code in made if not commits[code])  # fmt: skip
    changed = [line[3:] for line in git("status", "--porcelain", "--", *DECIDES).splitlines()]
    return list(lost) + ([f"not committed, so in nobody's history but this folder's: {_some(changed, 'file')}"] if changed else [])


def _some(names: list[str], noun: str) -> str:
    """ "3 documents: a, b, c", of more than SHOWN the first."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {noun}{'s' * (len(names) > 1)}: {', '.join(names[:SHOWN])}{more}"


def _results(count: int) -> str:
    return f"{count} result{'s' * (count > 1)}"
