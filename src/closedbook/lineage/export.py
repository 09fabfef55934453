"""closedbook export: passages as a data set of the Hugging Face Hub, parquet files beside a card, that `datasets.load_dataset` reads."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from closedbook import layout, params
from closedbook.generation.strategies import mixture
from closedbook.lineage import cards, published, unproved
from closedbook.lineage.history import History
from closedbook.records import Document, Passage, Passages
from closedbook.util import files
from closedbook.util.errors import UserError, did_you_mean
from closedbook.workflow import named, recipes

STAGES = ("documents", "entities", "passages", "tokens", "corpora")
ALL = "all"
"""the config of all rows, where there are several files of them"""
CALL = ("model", "model_answered", "prompt_sha256", "response_sha256")
TEXTS = ("id", "text", "document", "beside", "title", "author", "license", "source", "strategy", "kind", "writer", *CALL, "call_key")
NUMBERS = ("year", "sample")
COLUMNS = (*TEXTS, *NUMBERS, "entities")


def answer(options: argparse.Namespace) -> dict:
    """Write the data set. Raises UserError for a folder that is not empty, an unknown arm or strategy, and where there is nothing to write,
    or something behind it is stale."""
    folder = options.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is there already: name a new folder, or remove this one")
    settings, project = params.load(), published.project()
    arm, run = _arm(options.arm, settings) if options.arm else (None, None)
    history = published.history(*STAGES)
    strategies = sorted({job.name.split("/")[1] for job in history.jobs.values() if job.step == "passages"})
    if options.strategy:
        _check("--strategy", options.strategy, strategies)
        strategies = [options.strategy]
    tables = {options.arm: _of_arm(history, settings.arms[arm], strategies, run)} if options.arm else {name: _of_strategy(history, name) for name in strategies}
    found = {name: list(passages) for name, passages in tables.items()}
    if not any(found.values()):
        raise UserError(f"no passages of {', '.join(found)} to export: {layout.PASSAGES} says what was dropped, rejected.jsonl what was "
                        "kept out")
    used = sorted({passage.strategy for passages in found.values() for passage in passages})
    about = _documents(history)
    for name, passages in found.items():
        _write(folder / "data" / f"{name}.parquet", (row(passage, about) for passage in passages))
    card = cards.dataset_card(history, used, project, settings.report.notes, ", ".join(found), _configs(list(found)))
    files.write_text(folder / "README.md", card)
    return {"folder": str(folder), "passages": {name: len(passages) for name, passages in found.items()},
            "unproved": unproved.about(history, history.jobs.values())}  # fmt: skip


def lines(answer: dict) -> list[str]:
    return [*(f"{answer['folder']}/data/{name}.parquet: {number:,} passages" for name, number in answer["passages"].items()),
            f"{answer['folder']}/README.md", *(f"not proved: {line}" for line in answer["unproved"])]  # fmt: skip


def _check(option: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UserError(f"{option}: {name}: there is none; " + did_you_mean(name, known, otherwise=f"known: {', '.join(known)}"))


def _arm(name: str, settings: params.Params) -> tuple[str, str | None]:
    """An arm by its name, or by that of a run of it, which is named too."""
    if name in settings.arms:
        return name, None
    run = named.run(name, recipes.run_names(settings))
    return layout.arm_of(run), run


def _of_arm(history: History, arm: params.Arm, strategies: list[str], run: str | None) -> list[Passage]:
    """The passages of an arm's corpus, or of that of each seed, or only of a run's, in its order; the last one whole, though the budget may
    have cut it."""
    its = {"strategy": mixture.label(arm.strategy), "size": arm.corpus_tokens}
    corpora = [path.parent for path in _made(history, f"{layout.CORPORA}/*/corpus.json") if its.items() <= files.read_json(path).items()]
    if run and len(corpora) > 1:
        corpora = [corpus for corpus in corpora if corpus.name.endswith(run.removeprefix(layout.arm_of(run)))]
    wanted = [row["id"] for corpus in corpora for row in files.read_json_lines(corpus / "passages.jsonl")]
    found = {passage.id: passage for strategy in strategies for passage in _written(history, strategy)}
    return [found[identity] for identity in wanted]


def _of_strategy(history: History, strategy: str) -> Iterator[Passage]:
    """All that was written and that no corpus rejected."""
    places = [path.with_name("rejected.jsonl") for path in _made(history, f"{layout.CORPORA}/*/corpus.json")]
    kept_out = {row["id"] for place in places for row in files.read_json_lines(place)}
    return (passage for passage in _written(history, strategy) if passage.id not in kept_out)


def _written(history: History, strategy: str) -> Iterator[Passage]:
    for path in _made(history, f"{layout.PASSAGES}/{strategy}/*.json"):
        yield from Passages.read(path).passages


def _made(history: History, pattern: str) -> list[Path]:
    return sorted(path for path in map(Path, history.maker) if path.match(pattern))


def _documents(history: History) -> dict[str, Document]:
    paths = [Path(path) for job in history.jobs.values() if job.step == "documents" for path in job.outputs]
    return {path.stem: Document.read(path) for path in paths if path.parent.name == "documents"}


def row(passage: Passage, documents: dict[str, Document]) -> dict:
    """A passage with what names its document and its call; `license` is that of its row where it was imported, and of both documents where it is
    about two."""
    held, call, origin = asdict(passage), passage.call or {}, passage.origin or {}
    document = documents[passage.document]
    about = {name: getattr(document, name) for name in ("title", "author", "year")}
    licences = [origin.get("license") or document.license, *([documents[passage.beside].license] if passage.beside else [])]
    about |= {"license": "; ".join(dict.fromkeys(filter(None, licences))) or None, "source": origin.get("source")}
    return {**held, **about, **{name: call.get(name) for name in CALL}, "call_key": call.get("key")}


def _write(path: Path, rows: Iterable[dict]) -> None:
    """The same rows give the same bytes under the same version of pyarrow. Types are given, for a column may hold nothing but None."""
    import pyarrow
    from pyarrow import parquet

    kinds = {**dict.fromkeys(TEXTS, pyarrow.string()), **dict.fromkeys(NUMBERS, pyarrow.int64()), "entities": pyarrow.list_(pyarrow.string())}
    table = pyarrow.Table.from_pylist(list(rows), schema=pyarrow.schema(kinds))
    with files.whole_file(path, "wb") as handle:
        parquet.write_table(table, handle, compression="zstd")


def _configs(names: list[str]) -> list[dict]:
    """As the Hub reads them from a card: one a file, and one of all rows where there are several files."""
    everything = [{"config_name": ALL, "data_files": "data/*.parquet", "default": True}] if len(names) > 1 else []
    return everything + [{"config_name": name, "data_files": f"data/{name}.parquet", **({} if everything else {"default": True})} for name in names]
