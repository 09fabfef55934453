"""Where a passage came from: its document, its entities, and the call or the code that wrote it; and the passages nearest to a sentence."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from closedbook import layout
from closedbook.lineage.history import History, Job
from closedbook.llm import ledger, prompts
from closedbook.records import UNSAID, carrying
from closedbook.util import files, units
from closedbook.util.errors import UserError, did_you_mean, nearest
from closedbook.workflow import receipts

IDENTITY = re.compile(r"([a-z0-9-]+)/([a-z_]+)/[0-9a-z]+")
BEGINNING = 400
"""characters of a passage that are shown"""
NEAREST = 10


def names(identity: str) -> tuple[str, str]:
    """The document and the strategy that a passage's id names. Raises UserError for what is no id."""
    match = IDENTITY.fullmatch(identity)
    if not match:
        raise UserError(f"{identity!r}: neither a file under results/ nor a passage's id, which is document/strategy/hash")
    return match[1], match[2]


def history(identities: Iterable[str], *others: str) -> History:
    """What the receipts behind some passages record, and those of other jobs by name: reading all of them would take long."""
    wanted = [*others]
    for identity in identities:
        document, strategy = names(identity)
        wanted += [f"documents/{document}", f"entities/{document}", f"passages/{strategy}/{document}"]
    paths = {name: receipts.FOLDER / f"{name}.json" for name in wanted}
    return History({name: receipts.read(path) for name, path in paths.items() if path.exists()})


def origin(identity: str, known: History) -> dict:
    """All that made a passage. Raises UserError for an unknown one, and where a receipt or a result behind it is missing."""
    document, strategy = names(identity)
    path, passage = str(layout.passages(strategy, document)), one(identity, known)
    job = known.of(path)
    listed = [before for before in known.before(job) if before.step == "entities"]
    return {
        "passage": {
            "id": identity, "file": path, "file_sha256": job.outputs[path], "strategy": strategy, "kind": passage["kind"],
            "entities": passage["entities"], "sample": passage["sample"], "way": passage.get("way"), "section": passage.get("section"),
            **{name: passage[name] for name in UNSAID if passage.get(name)}, "writer": passage["writer"],
            "characters": len(passage["text"]), "text_begins": passage["text"][:BEGINNING],
        },
        "document": about_document(document, known),
        **({"beside": _other(passage["beside"])} if passage.get("beside") else {}),
        **({"entity_list": _about_list(document, listed[0])} if listed else {}),
        **_about_call(passage["call"], strategy, document),
    }  # fmt: skip


def _other(document: str) -> dict:
    """Of a passage about two documents, the one that stands second."""
    return about_document(document, history([], f"documents/{document}"))


def about_document(document: str, known: History) -> dict:
    """What names a document, and the hashes of its file and of what its source had: the text as it was, and its questions."""
    path = str(layout.document(document))
    job = known.of(path)
    record = read(path, job)
    (source_sha256,) = job.inputs.values()
    about = {name: record.get(name) for name in ("id", "title", "author", "year", "license")}
    return {**about, "sha256": job.outputs[path], "source_sha256": source_sha256}


def read(path: str | Path, job: Job) -> dict:
    return files.read_json(here(path, job))


def here(path: str | Path, job: Job) -> Path:
    """The path of a job's result. Raises UserError where only its receipt is here, and where it is not what the receipt says."""
    if not Path(path).exists():
        raise UserError(f"{path}: is not here, though a receipt names it: dvc pull brings it, or snakemake --cores all makes it again")
    if files.sha256_file(Path(path)) != job.outputs[str(path)]:
        raise UserError(f"{path}: is not what {job.receipt} says, so nothing in it can be believed: closedbook audit names all that changed")
    return Path(path)


def _about_list(document: str, job: Job) -> dict:
    path = str(layout.entities(document))
    record = read(path, job)
    keys = [one["call"]["key"] for one in carrying(record) if one["call"]]
    return {"file": path, "sha256": job.outputs[path], "made_by": record["made_by"], "maker": record["maker"], "why": record["why"],
            "num_entities": len(record["entities"]), "call_keys": keys}  # fmt: skip


def _about_call(call: dict | None, strategy: str, document: str) -> dict:
    if call is None:
        return {"call": None}
    prompt = call["prompt"]
    now = prompts.digest(prompt)
    shown = {name: value for name, value in call.items() if name not in ("prompt", "prompt_sha256")}
    same = call["prompt_sha256"] == now
    bulk = ledger.came_from(strategy, document, call["key"])
    return {"prompt": {"name": prompt, "sha256": call["prompt_sha256"], "unchanged_since": same}, "call": shown,
            **({"call_came_from": bulk} if bulk else {})}  # fmt: skip


def one(identity: str, known: History) -> dict:
    """A passage, found in its file, which may hold thousands, by the form that files.write_json gives it, and read alone.

    Line breaks within texts are escaped, so no text can look like the beginning or the end of a passage. Raises UserError for an
    unknown one, and for a file that was edited.
    """
    document, strategy = names(identity)
    path = layout.passages(strategy, document)
    if str(path) not in known.maker and not path.exists():
        beside = [f"{other.parent.name}/{other.stem}" for other in receipts.results("passages")]
        hint = did_you_mean(f"{strategy}/{document}", beside, otherwise="closedbook passages DOCUMENT shows some")
        raise UserError(f"{identity}: no passages of {strategy}/{document}; {hint}")
    content = here(path, known.of(str(path))).read_bytes()
    at = content.find(f'\n   "id": "{identity}",\n'.encode())
    if at < 0:
        near = nearest(identity, re.findall(r'^   "id": "(.*)",$', content.decode(), re.MULTILINE), cutoff=0)
        raise UserError(f"{identity}: no such passage in {path}; the nearest there: {', '.join(near) or 'none, it holds no passages'}")
    return json.loads(content[content.rfind(b"\n  {", 0, at + 1) : content.find(b"\n  }", at) + len(b"\n  }")])


def places(identities: Iterable[str]) -> dict[str, list[dict]]:
    """The corpora that hold passages, and which of their tokens these are; of those that are here."""
    found: dict[str, list[dict]] = {identity: [] for identity in identities}
    for index in [path for path in receipts.results("corpora") if path.name == "passages.jsonl"]:
        offsets = offsets_of(index.parent)
        with open(index, "rb") as rows:
            for row, line in enumerate(rows):
                identity = line.split(b'"', 4)[3].decode()  # of {"id": "…", …
                if identity in found:
                    first, end = (int(place) for place in offsets[row : row + 2])
                    found[identity].append({"corpus": index.parent.name, "first_token": first, "last_token": end - 1})
    return found


def nearest_to(sentence: str) -> list[tuple[str, float]]:
    """(passage's id, score) by BM25 over all passages, the nearest first, at most NEAREST; none that shares no word with the
    sentence but words like "the".

    Raises UserError where there are no passages.
    """
    from closedbook.lineage.tracing import nearest as found

    index, [asked] = found.index(), found.words([sentence])
    return [(index.passage(row)["id"], score) for row, score in index.nearest(asked, NEAREST)]


def excerpt(text: str, sentence: str) -> str:
    """The sentence of a text that shares most words with another one."""
    wanted = words(sentence)
    return max(units.sentences(text) or [text], key=lambda part: len(wanted & words(part)))


def words(text: str) -> set[str]:
    """The words by which sentences are compared, those like "the" among them."""
    return set(re.findall(r"\w\w+", units.pairs(text).lower()))


def offsets_of(corpus: Path):
    """Where each passage of a corpus begins in it, and where the last ends."""
    import numpy as np

    from closedbook.training.reading import Texts

    older = corpus / "offsets.npy"  # of a corpus made before passages were tokenised once for all corpora
    return np.load(older) if older.exists() else Texts.of_corpus(corpus).offsets
