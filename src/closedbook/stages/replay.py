"""Replay text, tokenised once for all runs that learn the same documents: each run takes as many tokens as its length asks for."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import params
from closedbook.generation import filters
from closedbook.generation.filters import question
from closedbook.sources.replay import Replay
from closedbook.training import tokenizing
from closedbook.util import arrays, files
from closedbook.util.errors import UserError


def job(*, params: SimpleNamespace, limits: params.Limits, **paths) -> None:
    build(question_words=params.filters.question_words, seed=params.seed, held_out=params.held_out, is_read=params.is_read, **paths)


def build(
    *, replay: Path, questions: list[Path], documents: list[Path], question_words: int, tokenizer: Path, pinned: Path, seed: int,
    held_out: int, is_read: bool, folder: Path,
) -> None:
    """Write to `folder` tokens.npy uint32, the texts of `replay` in seeded order, none of them where no run reads any (`is_read`); offsets.npy
    int64 [texts + 1]; replay.jsonl with the id of each, and lines.npy int64 [texts], the byte at which each of its lines begins;
    rejected.jsonl, what holds a question; and last replay.json with the counts.

    Nothing of the `held_out` texts on which forgetting is measured is among them. `questions` and `documents` are files of the documents that
    are taught. Raises UserError for a file without text to replay, or too little to hold some out.
    """
    source = Replay(replay, seed, held_out)
    rule = question.rule(question_words, questions, documents)
    kept, rejected = [], []
    texts = _kept(source.rows() if is_read else (), {filters.QUESTION: rule} if rule else {}, kept, rejected)
    lengths = tokenizing.write(folder / "tokens.npy", tokenizing.Spelling(tokenizer, pinned).tokens(texts))
    if is_read and not kept:
        raise UserError(
            f"params.yaml: corpora.replay.path: {source.path} holds no text, and corpora.replay.rate asks for some: "
            'give a file with one row {"text": ...} per line, or corpora.replay.rate: 0'
        )
    arrays.write(folder / "offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    arrays.write_lines(folder / "replay.jsonl", folder / "lines.npy", kept)
    files.write_json_lines(folder / "rejected.jsonl", rejected)
    files.write_json(folder / "replay.json", {
        "tokens": sum(lengths), "num_texts": len(kept), "num_rejected": len(rejected), "held_out_sha256": source.held_out_sha256,
        "tokenizer_sha256": files.read_json(pinned)["tokenizer_sha256"],
    })  # fmt: skip


def _kept(rows, rules: dict, kept: list[dict], rejected: list[dict]) -> Iterator[str]:
    """The texts that no rule rejects; `kept` and `rejected` take what is known of each."""
    for row, text in rows:
        reason = filters.reason(rules, text)
        if reason:
            rejected.append({**row, **reason})
        else:
            kept.append(row)
            yield text
