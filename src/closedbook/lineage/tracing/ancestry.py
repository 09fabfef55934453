"""Where a result came from: everything behind a score, model, corpus, passages file, entity list or document."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from closedbook import layout
from closedbook.analysis.tally import Tally
from closedbook.lineage import commit, unproved
from closedbook.lineage.history import History, Job
from closedbook.lineage.tracing.passage import about_document, here, read
from closedbook.records import EntityList, Passages
from closedbook.util import files

MODEL = "model.safetensors"


def behind(history: History, path: str) -> dict:
    """Raises UserError where no receipt names the file, and where a result behind it is not here or was edited."""
    job = history.of(path)
    if Path(path).exists():
        here(path, job)
    jobs: dict[str, list[Job]] = {}
    for each in history.ancestors([job]):
        jobs.setdefault(each.stage, []).append(each)
    sections = {"scores": ("scores", _scores), "runs": ("runs", _runs), "corpora": ("corpora", _corpora), "replay": ("tokens", _replay), "base": ("base", _base)}
    told = {name: rows for name, (stage, tell) in sections.items() if stage in jobs and (rows := tell(jobs[stage]))}
    assets = jobs["scores"][0].recipe["assets"] if "scores" in jobs else {}
    return {
        "file": path, "sha256": job.outputs[path], "receipt": job.receipt,
        **told, "task_files": [{"file": name, "sha256": sha256} for name, sha256 in assets.items()],
        **_written(jobs), **_documents(jobs, history),
        "code": _code(each for group in jobs.values() for each in group), "environment": _environment([job]),
        "unproved": unproved.about(history, [job]),
    }  # fmt: skip


def _scores(jobs: list[Job]) -> list[dict]:
    """One row per score and task. A task's own hash is its YAML file's; what all tasks share stands beside it."""
    rows = []
    for job in jobs:
        score = read(f"{layout.RESULTS}/{job.name}.json", job)
        common = {"run": score["run"], "model_sha256": _ending(job.inputs, MODEL), "questions_sha256": score["questions_sha256"]}
        rows += [
            {**common, "task": task, **{name: found[name] for name in ("accuracy", "stderr", "n", "version")}, "task_sha256": job.recipe["assets"][f"{task}.yaml"]}
            for task, found in score["tasks"].items()
        ] or [{**common, "explanation": score["explanation"]}]
    return rows


def _runs(jobs: list[Job]) -> list[dict]:
    counts = ("arm", "corpus", "seed", "num_steps", "train_tokens", "replay_rate", "replay_tokens", "padding_tokens", "data_sha256")
    return [{"run": (run := read(f"{layout.RESULTS}/{job.name}/run.json", job))["run"], **{name: run.get(name) for name in counts},
             "model_sha256": _ending(job.outputs, MODEL)} for job in jobs]  # fmt: skip


def _replay(jobs: list[Job]) -> list[dict]:
    """The file of replay, and how much of it there is to read."""
    return [{"tokens": read(f"{layout.RESULTS}/{job.name}/replay.json", job)["tokens"],
             "replay_from": (path := job.recipe["reads"]["replay"]), "replay_sha256": job.inputs.get(path)}
            for job in jobs if job.step == "replay"]  # fmt: skip


def _corpora(jobs: list[Job]) -> list[dict]:
    counts = ("strategy", "corpus_tokens", "num_passages", "num_passages_left_out", "num_documents", "strategies", "tokens_sha256")
    return [{"corpus": job.name.partition("/")[2], **{name: corpus.get(name) for name in counts}} for job in jobs
            if (corpus := read(f"{layout.RESULTS}/{job.name}/corpus.json", job))]


def _base(jobs: list[Job]) -> dict:
    base = read(f"{layout.BASE}/base.json", jobs[0])
    return {"model": base["model"], "revision": base["revision"], "model_sha256": base["sha256"].get(MODEL)}


def _ending(hashes: dict[str, str], end: str) -> str | None:
    """The hash of the one file of this name, if it was one."""
    return next((sha256 for path, sha256 in hashes.items() if path.endswith(end)), None)


def _written(jobs: dict[str, list[Job]]) -> dict:
    """Entity lists, passages and calls, counted from the files themselves; of passages, where there is a corpus, only those in it."""
    used = _in_corpora(jobs["corpora"]) if "corpora" in jobs else None
    tally = Tally()
    for path in _outputs(jobs, "entities"):
        tally.add_list(EntityList.read(path))
    for path in _outputs(jobs, "passages"):
        passages = Passages.read(path)
        kept = [passage for passage in passages.passages if used is None or passage.id in used]
        tally.add_passages(replace(passages, passages=kept))
    return {
        "entity_lists": [dict(zip(("made_by", "maker", "why", "lists"), (*who, count))) for who, count in tally.lists.items()],
        "passages": [dict(zip(("strategy", "kind", "writer", "model", "passages"), (*what, count))) for what, count in tally.written.items()],
        "dropped": [dict(zip(("strategy", "kind", "reason", "passages"), (*what, count))) for what, count in tally.dropped.items()],
        "calls": [dict(zip(("for", "model", "answered"), who)) | asdict(spent) for who, spent in tally.spent.items()],
    }  # fmt: skip


def _outputs(jobs: dict[str, list[Job]], step: str) -> list[Path]:
    return [here(path, job) for job in jobs.get(step, []) for path in job.outputs]


def _in_corpora(jobs: list[Job]) -> set[str]:
    return {row["id"] for job in jobs for row in files.read_json_lines(here(f"{layout.RESULTS}/{job.name}/passages.jsonl", job))}


def _documents(jobs: dict[str, list[Job]], history: History) -> dict:
    names = [job.name.partition("/")[2] for job in jobs.get("documents", [])]
    return {"num_documents": len(names), "documents": [about_document(name, history) for name in names]}


def _code(jobs: Iterable[Job]) -> list[dict]:
    """Each step's code, and the commit that holds it."""
    used = dict.fromkeys((job.step, commit.code_of(job)) for job in jobs)
    commits = commit.holding(code for _, code in used)
    return [{"step": step, "commit": commits[code] or None, "only_in_working_tree": commits[code] == "", "code_sha256": code} for step, code in used]


def _environment(jobs: list[Job]) -> dict:
    """The lock of the environment as it is here, and whether the libraries that made the result are those it names."""
    sha256 = files.sha256_file(unproved.LOCK) if unproved.LOCK.exists() else None
    return {"requirements_lock_sha256": sha256, "made_with_these_versions": bool(sha256) and not unproved.libraries(jobs), "versions": jobs[0].versions}
