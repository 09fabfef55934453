"""closedbook passages: what was written about a document, some of it in full, what was dropped, and what the filters rejected."""

import textwrap
from argparse import Namespace
from collections import Counter
from pathlib import Path

from closedbook import layout
from closedbook.records import Document, Passage, Passages
from closedbook.util import files, tables, units
from closedbook.util.errors import UserError
from closedbook.workflow import named


def answer(options: Namespace) -> dict:
    """Raises UserError for an unknown document or strategy, naming the nearest, and for a document of which nothing was written yet."""
    if options.number < 1:
        raise UserError(f"--number: {options.number}: give 1 or more")
    document = Document.read(_path(named.document(options.document)))
    written = [Passages.read(path) for path in _written(document.id, options.strategy)]
    rejected = _rejected(document.id, {passages.strategy for passages in written})
    return {
        "document": document.id, "title": document.byline,
        "strategies": [_strategy(passages, options.number, rejected) for passages in written],
        "rejected": rejected,
    }  # fmt: skip


def lines(answer: dict) -> list[str]:
    found = [f"{answer['title']}  ({answer['document']})"]
    for one in answer["strategies"]:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in one["kinds"].items())
        found += ["", f"{one['strategy']}: {one['written']:,} passages{f' ({kinds})' if kinds else ''}, {len(one['shown'])} shown"]
        found += [line for passage in one["shown"] for line in _passage(passage)]
        found += _table(f"{one['strategy']}: {len(one['dropped'])} dropped: asked for, and not there", one["dropped"])
    if not answer["rejected"]:
        return [*found, "", "None of them is rejected in any corpus that is here."]
    return [*found, *_table(f"{len(answer['rejected'])} times rejected: written, and kept out of a corpus", answer["rejected"])]


def _path(document: str) -> Path:
    path = layout.document(document)
    if not path.is_file():
        raise UserError(f"{path}: is not here, though its receipt is: dvc pull brings it, or snakemake --cores all makes it again")
    return path


def _written(document: str, strategy: str | None) -> list[Path]:
    found = {path.parent.name: path for path in sorted(layout.PASSAGES.glob(f"*/{document}.json"))}
    if not found:
        raise UserError(f"{document}: nothing is written about it yet: run snakemake --cores all passages")
    if strategy and strategy not in found:
        raise UserError(f"--strategy: no passages of {strategy} about {document}; there are those of {', '.join(found)}")
    return [found[strategy]] if strategy else list(found.values())


def _rejected(document: str, strategies: set[str]) -> list[dict]:
    found = []
    for path in sorted(layout.CORPORA.glob("*/rejected.jsonl")):
        found += [{"corpus": path.parent.name, "passage": row["id"], "rule": row["rule"], "detail": row["detail"]}
                  for row in files.read_json_lines(path) if document in (row["document"], row.get("beside")) and row["strategy"] in strategies]
    return found


def _strategy(passages: Passages, number: int, rejected: list[dict]) -> dict:
    """Counts, and `number` passages at even distances in the order in which they were asked for."""
    some, total = passages.passages, len(passages.passages)
    chosen = [some[place * total // number] for place in range(number)] if total > number else some
    return {
        "strategy": passages.strategy, "written": total, "kinds": dict(Counter(passage.kind for passage in some)),
        "shown": [_shown(passage, [row["corpus"] for row in rejected if row["passage"] == passage.id]) for passage in chosen],
        "dropped": passages.dropped,
    }  # fmt: skip


def _shown(passage: Passage, kept_out_of: list[str]) -> dict:
    call = passage.call or {}
    return {"id": passage.id, "kind": passage.kind, "entities": passage.entities, "writer": passage.writer, "model": call.get("model"),
            "words": units.count(passage.text), "kept_out_of": kept_out_of, "text": passage.text}  # fmt: skip


def _passage(passage: dict) -> list[str]:
    facts = [passage["kind"], *passage["entities"], passage["writer"], *filter(None, [passage["model"]]), f"{passage['words']:,} words",
             *(f"kept out of {corpus}" for corpus in passage["kept_out_of"])]  # fmt: skip
    wrapped = [line for paragraph in passage["text"].splitlines() for line in textwrap.wrap(paragraph, tables.WIDTH) or [""]]
    return ["", f"  {passage['id']}", f"  {' · '.join(map(tables.text, facts))}", *(f"    {line}".rstrip() for line in wrapped)]


def _table(heading: str, rows: list[dict]) -> list[str]:
    return ["", heading, *(f"  {line}" for line in tables.table(rows))] if rows else []
