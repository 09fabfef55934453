"""What holds a document: its source, passages, tokens, corpora, runs and scores; and what it takes to be without it."""

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from closedbook import layout, models, params, sources
from closedbook.lineage import unproved
from closedbook.lineage.history import History, Job
from closedbook.lineage.takedown import notes
from closedbook.lineage.tracing.passage import here, offsets_of
from closedbook.records import Document, Passages
from closedbook.training import packing, tracking
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import dvc, plan
from closedbook.workflow.registry import STEPS


@dataclass(frozen=True, kw_only=True)
class Origin:
    source: str
    """documents.source"""
    path: str
    """documents.path"""
    places: dict[Path, list[int]]
    """files that hold it, and its lines in them; none where the whole file is the document"""
    number: int | None
    """its place among all documents, from 1; None where it is not among them"""
    total: int
    limit: int | None

    @property
    def is_planned(self) -> bool:
        return self.number is not None and (self.limit is None or self.number <= self.limit)

    def commands(self) -> list[str]:
        """What takes it out, questions first, so that the source is whole in between; a line that begins with # is for a person to do."""
        if self.number is None:
            return []
        if self.source != "miniature":
            return [remove(file, lines) for file, lines in sorted(self.places.items(), key=lambda item: not item[1])]
        if self.number == self.total:
            return [f"# in params.yaml, set miniature.books: {self.total - 1}"]
        fewer = self.number - 1
        return [f"# a made-up book can't be taken out alone: miniature.books: {fewer} in params.yaml (or documents.limit: {fewer}) "
                f"takes out all that come after it too ({self.total - self.number})"]

    def consequences(self) -> list[str]:
        """What else comes of taking it out."""
        if self.total == 1:
            return ["it is the only document: without another one, nothing can be built"]
        if self.is_planned and self.limit is not None and self.limit < self.total:
            return [f"documents.limit: {self.limit} lets the next document in, which is written about and paid for; "
                    f"set it to {self.limit - 1} to keep it out"]
        return []


def question(history: History, document: str) -> dict:
    """Raises UserError for an unknown document and for results that are not here as they were made. Leaves a note of hashes (notes.note)."""
    made = history.jobs.get(f"documents/{document}")
    if not made:
        raise _unknown(document)
    after = [job for job in history.after(made.outputs) if not notes.is_of_others(job, document)]
    _all_here([made, *after])
    note = notes.note(history, document)
    text = Document.read(layout.document(document))
    own = [job for job in after if Path(job.name).name == document]
    shared = sorted((job for job in after if job not in own), key=lambda job: (list(STEPS).index(job.step), job.name))
    corpora = {job.name.partition("/")[2]: _in_corpus(job, document) for job in shared if job.step == "corpora"}
    runs = {job.name.partition("/")[2]: _in_run(job, document) for job in shared if job.step == "runs"}
    found = origin(document)
    planned = set(map(str, plan.make(write=False).receipts())) if found else {job.receipt for job in shared}
    rebuilt = [job for job in shared if job.receipt in planned]
    again = {job.name for job in rebuilt}
    return {
        "document": document, "title": text.title, "author": text.author, "license": text.license,
        "source": _source(found),
        "passages": _passages(own), "beside": _beside(shared, document), "calls": _calls(own), "corpora": corpora, "runs": runs,
        "scores": [job.name.partition("/")[2] for job in shared if job.place == "scores"],
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


def _unknown(document: str) -> UserError:
    if notes.is_noted(document):
        return UserError(f"{document}: taken out already, and noted in {notes.place(document)}: closedbook impact {document} --redact, "
                         "then --certify")
    return UserError(f"{document}: no receipt says what it was made from: run snakemake --cores all, or dvc pull")


def _all_here(jobs: list[Job]) -> None:
    """As they were made, too: a note taken from an edited passage would look for the wrong words."""
    for job in jobs:
        for path in job.outputs:
            here(path, job)


def _source(found: Origin | None) -> dict | None:
    if not found:
        return None
    return {"kind": found.source, "path": found.path, "number": found.number, "documents": found.total,
            "places": {str(file): lines for file, lines in found.places.items()}}


def _passages(own: list[Job]) -> dict[str, dict[str, int]]:
    """Passages by strategy and kind."""
    made = [Passages.read(Path(path)) for job in own if job.step == "passages" for path in job.outputs]
    return {one.strategy: dict(Counter(passage.kind for passage in one.passages)) for one in made}


def _beside(shared: list[Job], document: str) -> int:
    """How many passages about another document set it beside that one."""
    return sum(one.beside == document for one in notes.written([job for job in shared if job.step == "passages"]))


def _calls(own: list[Job]) -> dict:
    """What was asked about it; without a known price the sum is unknown."""
    calls = {call["key"]: call for call in notes.carried(own)}.values()
    costs = [call["cost_usd"] for call in calls]
    return {"calls": len(costs), "cost_usd": None if None in costs else sum(costs), "models": sorted({call["model"] for call in calls})}


def _rows(corpus: Path, document: str) -> np.ndarray:
    """Which passages of a corpus are the document's, those among them that set it beside another, bool [passages]."""
    return np.array([document in (row["document"], row.get("beside")) for row in files.read_json_lines(corpus / "passages.jsonl")], bool)


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
    model = models.weights_sha256(run["sha256"])
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


def _commands(document: str, found: Origin | None) -> list[str]:
    out = found.commands() if found else ["# take it out of the source, which is not here"]
    collect = ["dvc gc --workspace"] if dvc.is_here() else []
    return [*out, "snakemake --cores all", f"closedbook impact {document} --redact", *collect, f"closedbook impact {document} --certify"]


def origin(document: str) -> Origin | None:
    """Where a document stands in the source that params.yaml names. None where the source is not here, as in a clone."""
    settings = params.load()
    documents = settings.documents
    if not Path(documents.path).exists():
        return None
    everything = documents.model_copy(update={"limit": None})
    ids = [article.id for article in sources.articles(everything, settings.miniature, settings.seed, settings.training.seeds)]
    return Origin(source=documents.source, path=documents.path, places=sources.places(documents, document),
                  number=ids.index(document) + 1 if document in ids else None, total=len(ids), limit=documents.limit)


def remove(file: Path, lines: list[int]) -> str:
    """The command that removes a file, or some lines of it."""
    if not lines:
        return f"rm -- {shlex.quote(str(file))}"
    return f"sed -i {shlex.quote(';'.join(f'{line}d' for line in lines))} -- {shlex.quote(str(file))}"
