"""What holds a document: passages, tokens, corpora, runs and scores; and what it takes to be without it."""

from collections import Counter
from pathlib import Path

import numpy as np

from closedbook import layout
from closedbook.lineage import unproved
from closedbook.lineage.history import History, Job
from closedbook.lineage.takedown import notes, origin
from closedbook.lineage.tracing.passage import here, offsets_of
from closedbook.records import Document, Passages
from closedbook.training import packing, tracking
from closedbook.util import files
from closedbook.util.errors import UserError, did_you_mean
from closedbook.workflow import dvc, plan
from closedbook.workflow.registry import STEPS


def question(history: History, document: str) -> dict:
    """Raises UserError for an unknown document and for results that are not here as they were made. Leaves a note of hashes (notes.note)."""
    made = history.jobs.get(f"documents/{document}")
    if not made:
        raise _unknown(history, document)
    after = history.after(made.outputs)
    _all_here([made, *after])
    note = notes.note(history, document)
    text = Document.read(Path(f"{layout.DOCUMENTS}/{document}.json"))
    own = [job for job in after if Path(job.name).name == document]
    shared = sorted((job for job in after if job not in own), key=lambda job: (list(STEPS).index(job.step), job.name))
    corpora = {job.name.partition("/")[2]: _in_corpus(job, document) for job in shared if job.step == "corpora"}
    runs = {job.name.partition("/")[2]: _in_run(job, document) for job in shared if job.step == "runs"}
    found = origin.of(document)
    planned = set(map(str, plan.make(write=False).receipts())) if found else {job.receipt for job in shared}
    rebuilt = [job for job in shared if job.receipt in planned]
    again = {job.name for job in rebuilt}
    return {
        "document": document, "title": text.title, "author": text.author, "license": text.license,
        "source": _source(found),
        "passages": _passages(own), "calls": _calls(own), "corpora": corpora, "runs": runs,
        "scores": [job.name.partition("/")[2] for job in shared if job.stage == "scores"],
        "rebuilt": dict(Counter(job.step for job in rebuilt)),
        "removed": dict(Counter(job.step for job in [made, *own])),
        "unplanned": [job.name for job in shared if job not in rebuilt],
        "kept": notes.naming(note),
        "cost": _cost({name: run for name, run in runs.items() if f"runs/{name}" in again}),
        "consequences": [*(found.consequences() if found else []), *_too_small(history, rebuilt, corpora)],
        "commands": _commands(document, found),
        "note": str(notes.place(note.document)),
        "unproved": unproved.about(history, [made, *after]),
    }


def _unknown(history: History, document: str) -> UserError:
    if notes.is_noted(document):
        return UserError(f"{document}: taken out already, and noted in {notes.place(document)}: closedbook impact {document} --redact, "
                         "then --certify")
    ids = [job.name.partition("/")[2] for job in history.jobs.values() if job.step == "documents"]
    hint = did_you_mean(document, ids, otherwise=f"the ids are the names of the files in {layout.DOCUMENTS}")
    return UserError(f"{document}: no such document: {hint}")


def _all_here(jobs: list[Job]) -> None:
    """As they were made, too: a note taken from an edited passage would look for the wrong words."""
    for job in jobs:
        for path in job.outputs:
            here(path, job)


def _source(found: origin.Origin | None) -> dict | None:
    if not found:
        return None
    return {"kind": found.source, "path": found.path, "number": found.number, "documents": found.total,
            "places": {str(file): lines for file, lines in found.places.items()}}


def _passages(own: list[Job]) -> dict[str, dict[str, int]]:
    """Passages by strategy and kind."""
    made = [Passages.read(Path(path)) for job in own if job.step == "passages" for path in job.outputs]
    return {one.strategy: dict(Counter(passage.kind for passage in one.passages)) for one in made}


def _calls(own: list[Job]) -> dict:
    """What was asked about it; without a known price the sum is unknown."""
    calls = {call["key"]: call for call in notes.carried(own)}.values()
    costs = [call["cost_usd"] for call in calls]
    return {"calls": len(costs), "cost_usd": None if None in costs else sum(costs), "models": sorted({call["model"] for call in calls})}


def _rows(corpus: Path, document: str) -> np.ndarray:
    """Which passages of a corpus are the document's, bool [passages]."""
    return np.array([row["document"] == document for row in files.read_json_lines(corpus / "passages.jsonl")], bool)


def _in_corpus(job: Job, document: str) -> dict:
    corpus = _folder(job, "corpus.json")
    rows = _rows(corpus, document)
    return {"tokens": int(np.diff(offsets_of(corpus))[rows].sum()), "passages": int(rows.sum()),
            "corpus_tokens": files.read_json(corpus / "corpus.json")["corpus_tokens"]}


def _in_run(job: Job, document: str) -> dict:
    """Tokens of the document that a run read, repeats counted, and the model that has read them."""
    folder, run = _folder(job, "run.json"), files.read_json(_folder(job, "run.json") / "run.json")
    source, passage, tokens = np.load(folder / "schedule.npy").T
    rows = _rows(layout.CORPORA / run["corpus"], document)
    read = tokens[source == packing.CORPUS][rows[passage[source == packing.CORPUS]]]
    model = run["sha256"]["model.safetensors"]
    return {"tokens_read": int(read.sum()), "train_tokens": run["train_tokens"], "replay_tokens": run["replay_tokens"],
            "model_sha256": model, "seconds": tracking.seconds(model)}


def _folder(job: Job, file: str) -> Path:
    return next(Path(path).parent for path in job.outputs if path.endswith(f"/{file}"))


def _cost(runs: dict[str, dict]) -> dict:
    """What it takes to train the runs again. The other documents' lists and passages stay as they are: nothing is asked again."""
    seconds = [run["seconds"] for run in runs.values()]
    return {"train_tokens": sum(run["train_tokens"] + run["replay_tokens"] for run in runs.values()), "model_calls": 0,
            "seconds": None if None in seconds else sum(seconds)}


def _too_small(history: History, rebuilt: list[Job], corpora: dict[str, dict]) -> list[str]:
    """Arms whose budget the other documents' passages can't fill."""
    lines = []
    for job in (job for job in rebuilt if job.step == "corpora"):
        budget = job.recipe["params"]["arm"]["corpus_tokens"]
        corpus = _folder(job, "corpus.json")
        left = files.read_json(corpus / "corpus.json")["existing_tokens"] - corpora[corpus.name]["tokens"]
        if budget != "all" and left < budget:
            lines += [f"arms.{name}.corpus_tokens: {budget:,} is more than the {left:,} tokens or fewer that are left: "
                      "lower it in params.yaml" for name in history.arms_of(job)]
    return lines


def _commands(document: str, found: origin.Origin | None) -> list[str]:
    out = found.commands() if found else ["# take it out of the source, which is not here"]
    collect = ["dvc gc --workspace"] if dvc.is_here() else []
    return [*out, "snakemake --cores all", f"closedbook impact {document} --redact", *collect, f"closedbook impact {document} --certify"]
