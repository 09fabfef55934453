"""The tokens of a strategy's passages about one document, with what the filters of one text and of duplicates need to know of each."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import params
from closedbook.generation import filters
from closedbook.generation.filters import exact, near
from closedbook.records import Passage, Passages
from closedbook.training import tokenizing
from closedbook.util import arrays, files


def job(*, params: SimpleNamespace, limits: params.Limits, **paths: Path) -> None:
    build(settings=params.filters, **paths)


def build(
    *, passages: Path, tokenizer: Path, pinned: Path, settings: params.Filters, tokens: Path, index: Path, sketches: Path | None = None
) -> None:
    """Write `tokens`, a npy of uint32: all passages of a file one after the other, each between the tokens that stand around a text of the
    base (`tokenizer` and `pinned` are its tokenizer.json and base.json); and `index`, a line for each: {"id", "kind", "tokens": how many,
    "words": exact.digest, "rejected": {"rule", "detail"} of the filter of one text that keeps it out, or null}, and of a passage
    about two documents "beside", the other one's id. Where near duplicates are looked for, `sketches` is an npy of near.sketch of each.

    Rejected passages have their tokens there too, so that no setting of a filter changes where others stand.
    """
    found = Passages.read(passages).passages
    spelling = tokenizing.Spelling(tokenizer, pinned)
    lengths = arrays.write_joined(tokens, spelling.tokens(passage.text for passage in found))
    files.write_json_lines(index, _rows(found, lengths, settings))
    if sketches:
        rows = [near.sketch(passage.text) for passage in found]
        arrays.write(sketches, np.array(rows, np.uint32).reshape(-1, near.NUM_PERM))


def _rows(found: list[Passage], lengths: list[int], settings: params.Filters) -> Iterator[dict]:
    rules = filters.alone(settings)
    for passage, length in zip(found, lengths, strict=True):
        yield {"id": passage.id, "kind": passage.kind, "tokens": length, "words": exact.digest(passage.text),
               "rejected": filters.reason(rules, passage.text), **({"beside": passage.beside} if passage.beside else {})}
