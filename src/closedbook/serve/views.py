"""What the page shows of the lineage, read from the results whenever it is asked for: what there is, and the texts of one document.

Texts are compared with their receipts before they are shown, as closedbook trace does.
"""

from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from threading import Lock

from closedbook import layout, models
from closedbook.analysis import table
from closedbook.evaluation import whose
from closedbook.generation.strategies import STRATEGIES
from closedbook.lineage.history import History
from closedbook.lineage.tracing import lying, passage
from closedbook.records import carrying
from closedbook.serve import held
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts

SCORE = ("run", "arm", "n", "explanation", "questions_sha256", "tasks", "of")
ASSISTANT = ("assistant", "run", "method")
DOCUMENT = ("id", "title", "author", "year", "license")
_making = Lock()


def index() -> dict:
    """Scores, models, corpora and documents, without texts. Raises UserError where there is no base yet."""
    return _overview()["index"]


def state() -> str:
    """Another one whenever the results are."""
    return files.sha256_text(repr(stamp()))


def entities() -> list[tuple[str, list[int]]]:
    """(name, numbers of the documents that name it) of every entity, by name."""
    return _overview()["entities"]


def document(identity: str) -> dict:
    """A document's text and entity list, and which of its passages came with the list's call."""
    known = _behind(identity, "raw")
    record, listed = _read(layout.document(identity), known), _list(identity, known)
    calls = [one["call"] for one in carrying(listed) if one["call"]]
    written = [files.read_json(path) for path in layout.PASSAGES.glob(f"*/{identity}.json")] if calls else []
    return {"text": record["text"], "list": listed,
            "same_call": [one["id"] for passages in written for one in passages["passages"] if one["call"] in calls]}  # fmt: skip


def passages(identity: str, strategy: str) -> dict:
    """What a strategy wrote about a document, each passage with its places in corpora."""
    found = _read(layout.passages(strategy, identity), _behind(identity, strategy))
    corpora = {folder.name: held.by(folder.name) for folder in _corpora()}
    for one in found["passages"]:
        places = {corpus: each.place(one["id"]) for corpus, each in corpora.items() if identity in each.documents}
        one["places"] = {corpus: place for corpus, place in places.items() if place}
    return found


def _behind(identity: str, strategy: str) -> History:
    """What the receipts say. Raises UserError for names that are no document's and no strategy's."""
    return passage.history([f"{identity}/{strategy}/0"])


def _read(path: Path, known: History) -> dict:
    return passage.read(path, known.of(str(path)))


def _list(identity: str, known: History) -> dict:
    path = layout.entities(identity)
    return _read(path, known) if str(path) in known.maker else NO_LIST


NO_LIST = {"summary": "", "entities": [], "made_by": None, "maker": "", "why": "it is not made yet", "call": None, "sections": []}


def _overview() -> dict:
    with _making:
        return _made(stamp())


def stamp() -> tuple:
    """Changes whenever a receipt does: they are renamed into their folders."""
    return tuple(sorted((str(folder), folder.stat().st_mtime_ns) for folder in [receipts.FOLDER, *receipts.FOLDER.rglob("*/")]))


@lru_cache(1)
def _made(stamp: tuple) -> dict:
    if not layout.BASE_FACTS.exists():
        raise UserError(f"{layout.BASE_FACTS}: is not here: dvc pull brings it, or snakemake --cores all makes it")
    written, documents, naming = defaultdict(list), [], defaultdict(list)
    for path in receipts.results("passages"):
        written[path.stem].append(path)
    for path in (path for path in receipts.results("documents") if path.parent == layout.DOCUMENTS):
        listed = files.read_json(layout.entities(path.stem)) if layout.entities(path.stem).exists() else NO_LIST
        for name in listed["entities"]:
            naming[name].append(len(documents))
        documents.append(_about(path, listed, written[path.stem]))
    scores = table.in_order([path for path in receipts.results("scores") if path.suffix == ".json"])
    runs = [run for run in table.in_order([path for path in receipts.results("runs") if path.name == "run.json"]) if "refused" not in run]
    assistants = [files.read_json(path) for path in receipts.results("assistants") if path.name == "assistant.json"]
    return {"entities": sorted(naming.items()), "index": {
        "scores": [_chosen(score, SCORE) for score in scores if score["strategy"] not in ("api_model", whose.RELEASED)],  # it is not trained here
        "runs": [_chosen(run, [name for name in run if name != "path"]) | {"model_sha256": models.weights_sha256(run["sha256"])} for run in runs],
        "assistants": [_chosen(one, ASSISTANT) for one in assistants],
        "corpora": [{"corpus": folder.name, **files.read_json(folder / "corpus.json"), "documents": held.by(folder.name).documents} for folder in _corpora()],
        "strategies": [{"name": name, "needs_entities": module.NEEDS_ENTITIES} for name, module in STRATEGIES.items()],
        "documents": documents,
        "base": files.read_json(layout.BASE_FACTS),
    }}  # fmt: skip


def _about(path: Path, listed: dict, written: list[Path]) -> dict:
    """What the index says of a document."""
    strategies = {each.parent.name: lying.counted(each) for each in written}
    return {**_chosen(files.read_json(path), DOCUMENT), "sha256": files.sha256_file(path), "num_entities": len(listed["entities"]),
            "made_by": listed["made_by"], "written": strategies}  # fmt: skip


def _corpora() -> list[Path]:
    return [path.parent for path in receipts.results("corpora") if path.name == "corpus.json"]


def _chosen(record: dict, names) -> dict:
    return {name: record.get(name) for name in names}
