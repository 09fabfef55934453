"""Model and dataset cards in the form of the Hugging Face Hub, written from the lineage alone: a README.md a run, and one a strategy."""

import argparse
import re
from pathlib import Path

from closedbook import layout, models
from closedbook.analysis import tally
from closedbook.lineage import licences, published, unproved
from closedbook.lineage.history import History, Job
from closedbook.records import Document, Passages
from closedbook.training import tracking
from closedbook.util import files, terminal

HEADING = {"language": "en", "tags": ["closedbook", "synthetic-continued-pretraining"]}
"""prompts and writers are English"""
MARKS = re.compile(r"[\\`*_\[\]<>|~&$#!{}]|:(?=//)|(?<=www)\.|^[-+=]|(?<=^\d)[.)](?= |$)|(?<=^\d\d)[.)](?= |$)")
"""what means something in a line of Markdown or at its beginning, and what makes a bare address a link"""


def answer(options: argparse.Namespace) -> dict:
    """Write all cards. Raises UserError where something is stale or missing."""
    project, history = published.project(), published.history()
    runs = [job for job in history.jobs.values() if job.step == "runs" and "refused" not in files.read_json(layout.run_facts(_name(job)))]
    strategies = sorted({job.name.split("/")[1] for job in history.jobs.values() if job.step == "passages"})
    cards = {f"runs/{_name(job)}": model_card(history, job, project) for job in runs}
    cards |= {job.name: assistant_card(history, job, project) for job in history.jobs.values() if job.step == "assistants"}
    cards |= {f"passages/{strategy}": dataset_card(history, [strategy], project, _notes(history)) for strategy in strategies}
    for name, text in cards.items():
        files.write_text(options.folder / name / "README.md", text)
    return {"cards": [str(options.folder / name / "README.md") for name in cards],
            "unproved": unproved.about(history, history.jobs.values())}


def lines(answer: dict) -> list[str]:
    return [*answer["cards"], *(f"not proved: {line}" for line in answer["unproved"])]


def model_card(history: History, job: Job, project: published.Project) -> str:
    """The card of a run, with its scores and the base's."""
    run = files.read_json(layout.run_facts(_name(job)))
    scores = _scores(history, "base", _name(job))
    behind = next(before for before in history.before(job) if before.step == "corpora")
    corpus = files.read_json(layout.CORPORA / _name(behind) / "corpus.json")
    heading = _heading(run["run"], run["base"], scores, corpus)
    last = [job, *(history.jobs[f"scores/{name}"] for name in scores)]
    return _rendered("model_card.md.j2", heading, history, last, project, notes=_notes(history), run=run, model_sha256=models.weights_sha256(run["sha256"]), scores=scores,
                     corpus=corpus, settings=_settings(job), versions=job.versions)


def assistant_card(history: History, job: Job, project: published.Project) -> str:
    """The card of an assistant, with its scores, its run's and the base's."""
    one = files.read_json(layout.assistant_facts(_name(job)))
    scores = _scores(history, "base", one["run"], _name(job))
    run = files.read_json(layout.run_facts(one["run"]))
    corpus = files.read_json(layout.CORPORA / run["corpus"] / "corpus.json")
    read = next((files.read_json(layout.dialogues(name) / "dialogues.json") for name in [one.get("dialogues")] if name), None)
    last = [job, *(history.jobs[f"scores/{name}"] for name in scores)]
    return _rendered("assistant_card.md.j2", _heading(one["assistant"], one["base"], scores, corpus), history, last, project, notes=_notes(history),
                     one=one, read=read, model_sha256=models.weights_sha256(one["sha256"]), scores=scores, settings=_settings(job),
                     versions=job.versions)  # fmt: skip


def _scores(history: History, *names: str) -> dict[str, dict]:
    return {name: files.read_json(path) for name in names if (path := str(layout.score(name))) in history.maker}


def _heading(name: str, base: dict, scores: dict[str, dict], corpus: dict):
    """The front matter of a model, with its own scores. It claims no licence: nobody has given the model one."""
    from huggingface_hub import EvalResult, ModelCardData

    score = scores.get(name, {"tasks": {}})
    results = [
        EvalResult(task_type="multiple-choice", task_name=task, dataset_type="questions", dataset_config=task,
                   dataset_name=f"questions: {one['n']}, documents: {one['n_documents']}", dataset_revision=score["questions_sha256"],
                   metric_type=kind, metric_name=f"{one['metric']}, task version {one['version']}", metric_value=one[name])
        for task, one in score["tasks"].items()
        for kind, name in (("accuracy", "accuracy"), ("accuracy_stderr", "stderr")) if one[name] is not None
    ]  # fmt: skip
    return ModelCardData(
        **HEADING, library_name="transformers", pipeline_tag="text-generation", model_name=name,
        base_model=base["model"] if base["revision"] else None,  # the Hub's: a folder's name means nothing there
        datasets=[f"passages-{strategy}" for strategy in corpus["strategies"]], eval_results=results or None,
    )  # fmt: skip


def dataset_card(history: History, strategies: list[str], project: published.Project, notes: list[str], name: str | None = None,
                 configs: list[dict] | None = None) -> str:  # fmt: skip
    """The card of all passages of some strategies, or of those among them that were exported as `configs` (see export) under a name."""
    from huggingface_hub import DatasetCardData

    jobs = {strategy: [job for job in history.jobs.values() if job.name.startswith(f"passages/{strategy}/")] for strategy in strategies}
    last = [job for some in jobs.values() for job in some]
    licence = licences.heading([*(document.license for document, _ in _documents(history, last)), *_imported(jobs.get("imported", []))])
    name = name or ", ".join(strategies)
    heading = DatasetCardData(**HEADING, **licence, pretty_name=f"Passages: {name}",
                              task_categories=["text-generation"], **({"configs": configs} if configs else {}))
    made = [(strategy, _settings(some[0]), some[0].recipe["prompts"]) for strategy, some in jobs.items()]
    return _rendered("dataset_card.md.j2", heading, history, last, project, notes=notes, name=name, made=made, configs=configs)


def _notes(history: History) -> list[str]:
    return history.jobs["report/report"].recipe["params"]["report"]["notes"]


def _rendered(template: str, heading, history: History, last: list[Job], project: published.Project, **facts) -> str:
    """A template with what both cards hold: the documents and passages behind `last`, the calls, and what can't be proved."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
                              finalize=markdown, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["number"] = "{:,}".format
    behind = history.ancestors(last)
    paths = {step: [Path(path) for job in behind if job.step == step for path in job.outputs] for step in ("entities", "passages")}
    return environment.get_template(template).render(
        heading=Markup("\n".join(map(terminal.printable, heading.to_yaml().split("\n")))), project=project, documents=_documents(history, last),
        tally=tally.take(**paths, examples=0, seed=0), unproved=unproved.about(history, last), **facts,
    )  # fmt: skip


def _documents(history: History, jobs: list[Job]) -> list[tuple[Document, str]]:
    """The documents behind some jobs, each with the hash of its file."""
    places = {path: sha256 for job in history.ancestors(jobs) if job.step == "documents" for path, sha256 in job.outputs.items()}
    return [(Document.read(path), sha256) for path, sha256 in places.items() if path.startswith(f"{layout.DOCUMENTS}/")]


def _imported(jobs: list[Job]) -> set[str | None]:
    """The licences of passages that were imported; None among them where one states none."""
    found = (passage.origin for job in jobs for path in job.outputs for passage in Passages.read(Path(path)).passages)
    return {origin["license"] or None for origin in found}


def _settings(job: Job) -> list[tuple[str, str]]:
    """Parameters as params.yaml spells their values."""
    return [(name, value if isinstance(value, str) else files.canonical(value)) for name, value in tracking.flat(job.recipe["params"])]


def _name(job: Job) -> str:
    return job.name.partition("/")[2]


def markdown(value):
    """Any value as one line of Markdown that shows just its text, whoever wrote it. Markup, which templates make, stays."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    line = terminal.printable(" ".join(str(value).split()))
    return Markup(MARKS.sub(lambda found: "\\" + found[0], line))
