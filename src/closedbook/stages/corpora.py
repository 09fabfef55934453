"""The corpus of an arm: its passages in one seeded order, looked after, tokenised, with replay data and an index from token to passage.

Only passages and replay text come in; questions and documents are read for one rule of `filters`, which keeps questions out. A smaller corpus
is a prefix of a larger one, token by token.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from tokenizers import Tokenizer

from closedbook import params
from closedbook.generation import mixing
from closedbook.generation.filters import Filter, Rule
from closedbook.generation.filters import rules as rules_of
from closedbook.records import Passages
from closedbook.sources.replay import Replay
from closedbook.util import files, seeds, terminal
from closedbook.util.errors import UserError

CHARACTERS_A_BATCH = 2_000_000
"""enough to keep all cores busy, little enough to hold as encodings (about 100 bytes a token)"""
SECONDS_BETWEEN_LINES = 30
Around = tuple[list[int], list[int]]
"""ids before and after each text"""


def job(*, params: SimpleNamespace, limits: params.Limits, **paths) -> None:
    build(name=params.name, arm=params.arm, shares=params.shares, filters=params.filters, seed=params.seed,
          replay_rate=params.replay["rate"], held_out=params.replay["held_out"], **paths)


def build(
    *, name: str, arm: params.Arm, shares: dict[str, int], filters: params.Filters, passages: list[Path], questions: list[Path],
    documents: list[Path], replay: Path, replay_rate: float, held_out: int, base: Path, seed: int, folder: Path,
) -> None:
    """Write the corpus of the arm `name` to `folder`: tokens.npy uint32 [corpus_tokens], offsets.npy int64 [passages + 1],
    passages.jsonl and lines.npy int64 [passages], the byte at which each of its lines begins; replay_tokens.npy, replay_offsets.npy,
    replay.jsonl and replay_lines.npy likewise; rejected.jsonl, what `filters` kept out (filters.Filter), and replay_rejected.jsonl, what
    holds a question; and last corpus.json with the counts.

    `questions` and `documents` are the files of the same documents. `base` is the base's folder, of which tokenizer.json and base.json are
    read. `shares` of groups of passages (see mixing) hold in every prefix, as well as whole passages allow; the corpus of "all" ends where a
    group has no passage left to keep its share.

    Before each text stands what the base's tokenizer puts there, after it its end of text (base.json says both); these count as tokens of
    the passage. The last one is cut where the budget ends.
    `replay_rate` is the share of replay among all tokens of a training; of replay.jsonl no more is tokenised than one training reads, and
    nothing of the `held_out` texts on which forgetting is measured.
    Raises UserError for a budget beyond what exists, and for a rate of replay without text to replay or too little to hold some out.
    """
    tokenizer, pinned = _tokenizer(base), files.read_json(base / "base.json")
    around = pinned["before_text"], [pinned["end_of_text_id"]]
    rules = rules_of(filters, questions, documents)
    filtered = Filter(rules)
    learnt = list(filtered.kept(_reported(_ordered(passages, seed), f"corpus {name}")))
    files.write_json_lines(folder / "rejected.jsonl", filtered.rejected)
    groups = {group: _tokenised(iter(pairs), tokenizer, around) for group, pairs in mixing.grouped(name, learnt, shares).items()}
    corpus = _write(folder, "", "passages.jsonl", mixing.mixed(groups, shares), arm.corpus_tokens)
    left_out = [(row, len(ids)) for pairs in groups.values() for row, ids in pairs]  # what has no place is still counted
    cut = [(corpus.rows[-1], corpus.num_cut)] if corpus.num_cut else []
    strategies = mixing.counts([*zip(corpus.rows, corpus.lengths)], left_out + cut, shares)
    train_tokens = _train_tokens(name, arm, corpus.num_tokens, strategies)
    facts = {
        "arm": name,
        "strategy": arm.strategy,
        "corpus_tokens": corpus.num_tokens,
        "train_tokens": train_tokens,
        "existing_tokens": sum(strategy["existing_tokens"] for strategy in strategies.values()),
        "num_passages": len(corpus.rows),
        "num_passages_left_out": len(left_out),
        "num_rejected": len(filtered.rejected),
        "rejected": filtered.counts(),
        "num_documents": len({row["document"] for row in corpus.rows}),
        "strategies": strategies,
        "kinds": _kinds(corpus),
        "cut": {"passage": corpus.rows[-1]["id"], "tokens_left_out": corpus.num_cut} if corpus.num_cut else None,
        **_replay(Replay(replay, seed, held_out), replay_rate, train_tokens, tokenizer, around, folder, rules["question"]),
        "tokenizer_sha256": pinned["tokenizer_sha256"],
        "before_text": pinned["before_text"],
        "end_of_text_id": pinned["end_of_text_id"],
    }
    files.write_json(folder / "corpus.json", facts)


def _tokenizer(base: Path) -> Tokenizer:
    """The base's, without transformers, whose import takes longer than most corpora do."""
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # "<eos>" in a document is five letters, not its end
    return tokenizer


def _ordered(paths: list[Path], seed: int) -> list[tuple[dict, str]]:
    """All passages as (row of passages.jsonl, text). Each one's place is drawn from its id alone, so more passages come in between
    and the others keep their order."""
    found = []
    for path in paths:
        for passage in Passages.read(path).passages:
            row = {"id": passage.id, "document": passage.document, "strategy": passage.strategy, "kind": passage.kind}
            found.append((seeds.derive(seed, "corpus", passage.id), row, passage.text))
    return [(row, text) for _, row, text in sorted(found, key=lambda item: item[0])]


def _reported(pairs: list, label: str) -> Iterator:
    due = time.monotonic() + SECONDS_BETWEEN_LINES
    for number, pair in enumerate(pairs):
        if time.monotonic() >= due:
            terminal.note(f"{label}: {number:,} of {len(pairs):,} passages")
            due = time.monotonic() + SECONDS_BETWEEN_LINES
        yield pair


def _tokenised(pairs: Iterable[tuple[dict, str]], tokenizer: Tokenizer, around: Around) -> Iterator[tuple[dict, list[int]]]:
    """(row, token ids between those `around`), on as many cores as the tokenizers library sees; their number changes no token."""
    before, after = around
    for batch in _batches(pairs):
        encodings = tokenizer.encode_batch_fast([text for _, text in batch], add_special_tokens=False)
        for (row, _), encoding in zip(batch, encodings, strict=True):
            yield row, [*before, *encoding.ids, *after]


def _batches(pairs: Iterable[tuple[dict, str]]) -> Iterator[list[tuple[dict, str]]]:
    batch, characters = [], 0
    for pair in pairs:
        batch.append(pair)
        characters += len(pair[1])
        if characters >= CHARACTERS_A_BATCH:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, kw_only=True)
class _Written:
    rows: list[dict]
    lengths: list[int]
    """tokens of each row's text"""
    num_cut: int
    """tokens of the last text beyond the budget"""

    @property
    def num_tokens(self) -> int:
        return sum(self.lengths)


def _write(folder: Path, prefix: str, index: str, tokenised: Iterable[tuple[dict, list[int]]], budget: int | str) -> _Written:
    """Write texts until the budget is full, and leave the rest of `tokenised` where it is. Holds one text's tokens at a time."""
    budget = math.inf if budget == "all" else budget
    rows, lengths, written, num_cut = [], [], 0, 0
    with files.whole_file(folder / f"{prefix}tokens.npy", "wb") as handle:
        _npy_header(handle, 0)
        for row, ids in tokenised:
            num_cut = max(0, written + len(ids) - budget)
            kept = ids[: len(ids) - num_cut]
            handle.write(np.array(kept, np.uint32).tobytes())
            rows.append(row)
            lengths.append(len(kept))
            written += len(kept)
            if written == budget:
                break
        handle.seek(0)
        _npy_header(handle, written)
    _save(folder / f"{prefix}offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    files.write_json_lines(folder / index, rows)
    breaks = np.flatnonzero(np.fromfile(folder / index, np.uint8) == ord("\n"))
    _save(folder / f"{prefix}lines.npy", np.concatenate([[0], breaks[:-1] + 1])[: len(rows)])
    return _Written(rows=rows, lengths=lengths, num_cut=num_cut)


def _save(path: Path, values: np.ndarray) -> None:
    with files.whole_file(path, "wb") as handle:
        np.save(handle, values)


def _npy_header(handle, length: int) -> None:
    """numpy pads a header so that the length can be overwritten when it is known."""
    np.lib.format.write_array_header_1_0(handle, {"descr": "<u4", "fortran_order": False, "shape": (length,)})


def _train_tokens(name: str, arm: params.Arm, corpus_tokens: int, strategies: dict[str, dict]) -> int:
    """Tokens that a training reads of the corpus, repeats counted."""
    if arm.corpus_tokens not in ("all", corpus_tokens):
        raise mixing.beyond(name, arm, corpus_tokens, strategies)
    train_tokens = arm.train_tokens or arm.epochs * corpus_tokens
    if train_tokens < corpus_tokens:
        raise UserError(
            f"params.yaml: arms.{name}.train_tokens: {train_tokens} tokens seen can't cover the {corpus_tokens} distinct ones of the "
            f"corpus: give at least as many, or arms.{name}.corpus_tokens: {train_tokens}"
        )
    return train_tokens


def _kinds(corpus: _Written) -> dict[str, dict[str, int]]:
    num_passages, num_tokens = Counter(), Counter()
    for row, length in zip(corpus.rows, corpus.lengths, strict=True):
        num_passages[row["kind"]] += 1
        num_tokens[row["kind"]] += length
    return {kind: {"passages": num_passages[kind], "tokens": num_tokens[kind]} for kind in sorted(num_passages)}


def _replay(source: Replay, rate: float, train_tokens: int, tokenizer: Tokenizer, around: Around, folder: Path, rule: Rule) -> dict:
    """Write the replay data, but what holds a question; its counts for corpus.json."""
    wanted = round(train_tokens * rate / (1 - rate))
    filtered = Filter({"question": rule})
    tokenised = _tokenised(filtered.kept(source.rows()), tokenizer, around) if wanted else ()
    replay = _write(folder, "replay_", "replay.jsonl", tokenised, wanted)
    files.write_json_lines(folder / "replay_rejected.jsonl", filtered.rejected)
    if wanted and not replay.rows:
        raise UserError(
            f"params.yaml: corpora.replay.path: {source.path} holds no text, and corpora.replay.rate asks for {rate} of all tokens: "
            'give a file with one row {"text": ...} per line, or corpora.replay.rate: 0'
        )
    return {
        "replay_rate": rate,
        "replay_tokens": replay.num_tokens,
        "replay_train_tokens": wanted,
        "replay_epochs": wanted / replay.num_tokens if wanted else 0,
        "num_replay_passages": len(replay.rows),
        "num_replay_rejected": len(filtered.rejected),
        "held_out_sha256": source.held_out_sha256,
    }
