"""Replay text, tokenised once for all runs: each takes as many tokens as its length asks for."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import params
from closedbook.sources.replay import Replay, without_text
from closedbook.training import tokenizing
from closedbook.util import arrays, files


def job(*, params: SimpleNamespace, limits: params.Limits, **paths) -> None:
    build(seed=params.seed, held_out=params.held_out, is_read=params.is_read, **paths)


def build(*, replay: Path, tokenizer: Path, pinned: Path, seed: int, held_out: int, is_read: bool, folder: Path) -> None:
    """Write to `folder` tokens.npy uint32, the texts of `replay` in seeded order, none of them where no run reads any (`is_read`); offsets.npy
    int64 [texts + 1]; replay.jsonl with the id of each, and lines.npy int64 [texts], the byte at which each of its lines begins; and last
    replay.json with the counts.

    held_out.npy and held_out_offsets.npy are the same of the `held_out` texts on which forgetting and the loss are measured.

    Nothing of the `held_out` texts is among the others; what holds a question is (see replay_overlap), and is read
    by no run. Raises UserError for a file without text to replay, or too little to hold some out.
    """
    source, rows = Replay(replay, seed, held_out), []
    texts = _texts(source, rows) if is_read else ()
    spelling = tokenizing.Spelling(tokenizer, pinned)
    lengths = arrays.write_joined(folder / "tokens.npy", spelling.tokens(texts))
    if is_read and not rows:
        raise without_text(source.path)
    arrays.write(folder / "offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    apart = arrays.write_joined(folder / "held_out.npy", spelling.tokens(text for _, text in source.held_out))
    arrays.write(folder / "held_out_offsets.npy", np.cumsum([0, *apart], dtype=np.int64))
    arrays.write_lines(folder / "replay.jsonl", folder / "lines.npy", rows)
    files.write_json(folder / "replay.json", {
        "tokens": sum(lengths), "num_texts": len(rows), "held_out_sha256": source.held_out_sha256,
        "tokenizer_sha256": files.read_json(pinned)["tokenizer_sha256"],
    })  # fmt: skip


def _texts(source: Replay, rows: list[dict]) -> Iterator[str]:
    """The texts; `rows` takes what is known of each."""
    for row, text in source.rows():
        rows.append(row)
        yield text
