"""What must be known of a document to look for it when it is gone: hashes, never text. And striking it from what this machine keeps."""

import mmap
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from closedbook import layout
from closedbook.lineage.history import History, Job
from closedbook.lineage.tracing.nearest import INDEXES
from closedbook.llm import ledger
from closedbook.records import Document, EntityList, Passage, Passages
from closedbook.util import files, shingles
from closedbook.util.errors import UserError
from closedbook.workflow import dvc, leftovers, receipts, versioned
from closedbook.workflow.receipts import WORK

MACHINE = (WORK, Path(".snakemake"))
"""caches and logs: whatever in them holds a document can go"""
CHECKPOINTS = WORK / "checkpoints"
WORDS = "holds words of it"
FIGURES = (".csv", ".png")
"""losses and accuracy: MLflow keeps those of every run, and no text is in them"""


@dataclass(frozen=True, kw_only=True)
class Record:
    document: str
    files: dict[str, str]
    """SHA-256 of each file that held it: where it was"""
    shingles: list[str]
    """those that nothing else here says, 16 hexadecimal digits each"""
    shared: int
    """how many more of its shingles other documents' results, or prompts, have too: finding one of them would mean nothing"""
    folders: list[str]
    """DVC's objects of folders that name it, as dvc.lock does: MD5 and .dir"""
    calls: list[dict]
    """{"model", "api_base", "calls", "first", "last"}: who was sent its text, how often, and the days (None: no ledger here)"""

    def wanted(self) -> np.ndarray:
        return np.array([int(shingle, 16) for shingle in self.shingles], np.uint64)


def place(document: str) -> Path:
    return ledger.root() / "takedowns" / f"{document}.json"


def is_noted(document: str) -> bool:
    return re.fullmatch(r"[a-z0-9-]+", document) is not None and place(document).exists()


def read(document: str) -> Record:
    """Raises UserError where nothing was noted of such a document, and for a file that is no such note."""
    if not is_noted(document):
        raise UserError(f"{document}: no such document, and no note of one in {place('DOCUMENT').parent}: the ids are the names of the "
                        "files in results/documents; closedbook impact DOCUMENT takes the note while the document is still here")
    try:
        return Record(**files.read_json(place(document)))
    except (ValueError, TypeError) as error:
        raise UserError(f"{place(document)}: not a note of a takedown ({error}): bring the right one back; where the document is "
                        f"still here, delete this file and run closedbook impact {document}") from None


def note(history: History, document: str) -> Record:
    """Take the note from what is here, beside what was noted before, and leave it with the ledger."""
    source = history.jobs[f"documents/{document}"]
    holding = [source, *(job for job in history.after(source.outputs) if not is_of_others(job, document))]
    own = [job for job in holding if Path(job.name).name == document]
    others = [job for job in history.jobs.values() if job not in holding]
    wanted = shingles.kept(texts(own) + [one.text for one in written(holding) if getattr(one, "beside", None) == document])
    only_its = _only_its(wanted, others)
    record = Record(document=document, files=_files(source, holding, others), shingles=[f"{shingle:016x}" for shingle in only_its],
                    shared=len(wanted) - len(only_its), folders=_folders(document), calls=_calls(document, own, only_its))
    if place(document).exists():
        record = _joined(read(document), record)
    files.write_json(place(document), asdict(record))
    return record


def is_of_others(job: Job, document: str) -> bool:
    """Whether a job that comes after the pairs of all documents is about pairs of others alone: another document has changed nothing in it."""
    step, _, about = job.name.partition("/across/")
    if step not in ("passages", "tokens") or not about or about == document:
        return False
    path = layout.passages("across", about)
    return path.exists() and all(one.beside != document for one in Passages.read(path).passages)


def _joined(before: Record, now: Record) -> Record:
    return Record(document=now.document, files=before.files | now.files, shingles=sorted({*before.shingles, *now.shingles}), shared=now.shared,
                  folders=sorted({*before.folders, *now.folders}), calls=now.calls or before.calls)


def texts(jobs: list[Job]) -> list[str]:
    """All that the document itself, its entity list and its passages say."""
    own = [Document.read(Path(path)).text for job in jobs for path in job.outputs if path.startswith(f"{layout.DOCUMENTS}/")]
    return own + [one.summary if isinstance(one, EntityList) else one.text for one in written(jobs)]


def carried(jobs: list[Job]) -> list[dict]:
    """The calls that entity lists and passages carry."""
    return [one.call for one in written(jobs) if one.call]


def written(jobs: list[Job]) -> Iterator[EntityList | Passage]:
    for path in (Path(path) for job in jobs for path in job.outputs):
        if path.is_relative_to(layout.ENTITIES):
            yield from EntityList.read(path).made
        elif path.is_relative_to(layout.PASSAGES):
            yield from Passages.read(path).written


def _files(source: Job, holding: list[Job], others: list[Job]) -> dict[str, str]:
    """Of contents that are elsewhere too (a tokenizer, an empty file), finding one means nothing."""
    made = {path: sha256 for job in holding for path, sha256 in job.outputs.items() if not path.endswith(FIGURES)}
    elsewhere = {sha256 for job in others for sha256 in (*job.inputs.values(), *job.outputs.values())}
    return {sha256: path for path, sha256 in (source.inputs | made).items() if sha256 not in elsewhere}


def _only_its(wanted: np.ndarray, others: list[Job]) -> np.ndarray:
    """Those shingles that nothing has which is made without the document: not the phrases of books of one kind, nor a quotation."""
    for path in sorted({Path(path) for job in others for path in (*job.inputs, *job.outputs)}):
        if path.is_file():
            wanted = np.setdiff1d(wanted, shingles.found_in(path, wanted), assume_unique=True)
    return wanted


def _folders(document: str) -> list[str]:
    if not dvc.is_here():
        return []
    objects = versioned.cache().glob("??/*.dir")
    return sorted(path.parent.name + path.name for path in objects if document.encode() in path.read_bytes())


def _calls(document: str, own: list[Job], wanted: np.ndarray) -> list[dict]:
    """By the ledger, where it is here; else by the calls that its results carry."""
    tries = [record for path in sorted(ledger.root().glob("*/*.jsonl")) for record in _tries(path, document, wanted) if "request" in record]
    sent = [(record["request"]["gen_ai.request.model"], record["request"]["api_base"], record["time"]) for record in tries]
    sent = sent or [(call["model"], call["settings"]["api_base"], None) for call in {call["key"]: call for call in carried(own)}.values()]
    grouped: dict[tuple, list] = {}
    for model, api_base, when in sent:
        grouped.setdefault((model, api_base), []).append(when)
    return [{"model": model, "api_base": api_base, "calls": len(times), **_days(times)} for (model, api_base), times in grouped.items()]


def _tries(segment: Path, document: str, wanted: np.ndarray) -> Iterator[dict]:
    """Lines of a segment about a document: all in its own, in another's those that hold its words, as beside chunks of it."""
    if segment.stem == document or shingles.found_in(segment, wanted).size:
        for _, record, _ in ledger.verified(segment):
            if segment.stem == document or shingles.in_bytes(ledger.WRITTEN.encode(record).encode("utf-8"), wanted).size:
                yield record


def _days(times: list[float | None]) -> dict[str, str | None]:
    days = sorted(time.strftime("%Y-%m-%d", time.gmtime(second)) for second in times if second is not None)
    return {"first": days[0] if days else None, "last": days[-1] if days else None}


def redact(record: Record) -> list[str]:
    """Strike a document from the ledger and remove what else of this machine holds it; returns the paths changed and removed.

    Checkpoints of trainings that did not end and other unfinished work go too, because what is in them is not known, and the index of
    passages.
    """
    wanted = record.wanted()
    changed = [str(path) for path in ledger.redact(record.document, tells=lambda line: bool(shingles.in_bytes(line, wanted).size))]
    gone = [path for path in sorted(CHECKPOINTS.glob("*")) if path.name != "base"] + sorted(INDEXES.glob("*")) + leftovers.drafts()
    for folder in gone:
        shutil.rmtree(folder)
    folders = (*MACHINE, ledger.root() / "texts")
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and path != receipts.CACHE):
        if record.document in str(path) or words_or_id(record.document, path, wanted):
            path.unlink()
            gone.append(path)
    return changed + [str(path) for path in gone] + _forget_gone_files()


def naming(record: Record) -> list[str]:
    """The names under which closedbook kept a dvc.lock that names results of it."""
    return [name for name, lock in dvc.kept().items() if any(folder in lock for folder in record.folders)]


def words_or_id(document: str, path: Path, wanted: np.ndarray) -> str | None:
    """What a file's content has of a document: words of its text, else its id, else nothing."""
    if shingles.found_in(path, wanted).size:
        return WORDS
    return "names it" if _holds(path, document.encode()) else None


def _holds(path: Path, content: bytes) -> bool:
    """Without reading a file into memory, for it may be larger."""
    if path.stat().st_size == 0:
        return False
    with open(path, "rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped.find(content) >= 0


def _forget_gone_files() -> list[str]:
    found = receipts.Hashes.here().forget_gone() if receipts.CACHE.exists() else 0
    return [f"{receipts.CACHE}: {found} hashes of files that are gone"] if found else []
