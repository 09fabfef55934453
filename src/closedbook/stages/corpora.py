"""A corpus: the passages of a strategy, or of a mixture, in one seeded order, without the rejected ones, cut to a size: a list of places.

No tokens are copied and no text is read: what the filters need of each passage stands in the indexes of the stage tokens. A smaller corpus
is a prefix of a larger one, token by token. How long one trains on it is the run's.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import layout, params
from closedbook.generation import filters as filtering
from closedbook.generation import mixing
from closedbook.generation.filters.near import NUM_PERM
from closedbook.generation.strategies import is_document
from closedbook.training import amounts
from closedbook.training.reading import Texts, name_of
from closedbook.util import arrays, files, seeds, terminal
from closedbook.util.errors import UserError

SECONDS_BETWEEN_LINES = 30


def job(*, params: SimpleNamespace, limits: params.Limits, arms: Path, folder: Path, **paths) -> None:
    trained = {name: params.arm.model_copy(update=length) for name, length in files.read_json(arms).get(folder.name, {}).items()}
    build(arm=params.arm, arms=trained, shares=params.shares, filters=params.filters, num_held_out=params.held_out, seed=params.seed,
          folder=folder, **paths)  # fmt: skip


def build(
    *, arm: params.Arm, arms: dict[str, params.Arm], shares: dict[str, int], filters: params.Filters, num_held_out: int, index: list[Path], pieces: list[Path],
    sketches: list[Path], overlap: list[Path], pinned: Path, seed: int, folder: Path,
) -> None:
    """Write the corpus of `arm`'s strategy and corpus_tokens to `folder`: pieces.json and passages.npy (see training.reading);
    passages.jsonl, and lines.npy int64 [passages], the byte at which each of its lines begins; held_out.npy, as passages.npy, the first
    `num_held_out` passages of each strategy that writes some, which no corpus has; rejected.jsonl, what `filters` kept out; and last corpus.json with the
    counts.

    `index`, `pieces` and, where near duplicates are looked for, `sketches` are files of the stage tokens, in the same order; `overlap` says
    which passages hold a question; `pinned` is the base's base.json. `shares` of groups of passages (see mixing) hold in every prefix, as
    well as whole passages allow; the corpus of "all" ends where a group has no passage left to keep its share. The last passage is cut where
    the size is reached.

    `arms` are those that train on it, by name, with their lengths: they decide nothing, and are there so that an error names them before
    any training begins. Raises UserError for a size beyond what exists, a group without passages, and a training shorter than the corpus.
    """
    found = _read(index, overlap)
    order = np.argsort(found.places_in_order(seed), kind="stable").tolist()
    rules = filtering.several(filters, found.words, _sketches(sketches, len(found)), found.ids)
    learnt, rejected = _sifted(found, _reported(order, f"corpus {folder.name}"), rules)
    files.write_json_lines(folder / "rejected.jsonl", rejected)
    learnt, held_out = found.without_first(learnt, num_held_out)
    name = next(iter(arms), folder.name)
    chosen = _chosen(found, _grouped(name, learnt, found, shares, folder), shares, arm.corpus_tokens)
    exist = [found.lengths[number] for number in learnt]
    strategies = mixing.counts(found.strategies(chosen.numbers, chosen.lengths), found.strategies(learnt, exist), shares)
    if arm.corpus_tokens not in ("all", sum(chosen.lengths)):
        raise mixing.beyond(name, arm, sum(chosen.lengths), strategies)
    for trained, length in arms.items():
        amounts.train_tokens(trained, length, sum(chosen.lengths))
    _write(folder, found, chosen, pieces)
    arrays.write(folder / "held_out.npy", found.places(held_out, [found.lengths[number] for number in held_out]))
    about = files.read_json(pinned)
    ruled = Counter(row["rule"] for row in rejected)
    files.write_json(folder / "corpus.json", {
        "strategy": arm.strategy,
        "size": arm.corpus_tokens,
        **_counts(found, chosen, len(learnt), strategies),
        "num_held_out": len(held_out),
        "num_rejected": len(rejected),
        "rejected": {rule: ruled[rule] for rule in filtering.names(filters)},
        "strategies": strategies,
        "tokens_sha256": Texts.of_corpus(folder, pieces).sha256(),
        **{name: about[name] for name in ("tokenizer_sha256", "before_text", "end_of_text_id")},
    })  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Found:
    """All passages, by number: the columns of the indexes, one index after the other."""

    sources: list[tuple[str, str]]
    """strategy and document of each piece"""
    ids: list[str]
    kinds: list[str]
    words: list[str]
    pieces: list[int]
    firsts: list[int]
    """the place of its first token in its piece"""
    lengths: list[int]
    rejected: dict[int, dict]
    """{"rule", "detail"} of those that a filter of one text keeps out"""
    beside: dict[int, str]
    """the other document of those about two"""

    def __len__(self) -> int:
        return len(self.ids)

    def strategies(self, numbers: list[int], lengths: list[int]) -> Iterator[tuple[str, int]]:
        """The strategy of some passages, each with its tokens."""
        return ((self.sources[self.pieces[number]][0], length) for number, length in zip(numbers, lengths, strict=True))

    def row(self, number: int) -> dict:
        """Of passages.jsonl."""
        strategy, document = self.sources[self.pieces[number]]
        beside = {"beside": self.beside[number]} if number in self.beside else {}
        return {"id": self.ids[number], "document": document, "strategy": strategy, "kind": self.kinds[number], **beside}

    def without_first(self, order: list[int], number: int) -> tuple[list[int], list[int]]:
        """The passages but the first so many of each strategy, and these. Documents as they stand are all taught: each is one passage."""
        rest, first, seen = [], [], Counter()
        for one in order:
            strategy = self.sources[self.pieces[one]][0]
            seen[strategy] += 1
            is_first = seen[strategy] <= number and not is_document(strategy)
            (first if is_first else rest).append(one)
        return rest, first

    def places(self, numbers: list[int], lengths: list[int]) -> np.ndarray:
        """Where some passages are, as passages.npy has them."""
        return np.array(([self.pieces[one] for one in numbers], [self.firsts[one] for one in numbers], lengths), np.int64).T.copy()

    def places_in_order(self, seed: int) -> np.ndarray:
        """Each one's place is drawn from its id alone, so more passages come in between and the others keep their order."""
        return np.fromiter((seeds.derive(seed, "corpus", identity) for identity in self.ids), np.int64, len(self))


def _read(index: list[Path], overlap: list[Path]) -> _Found:
    asked = {row["id"]: {"rule": filtering.QUESTION, "detail": row["detail"]} for path in overlap for row in files.each_json_line(path)}
    sources = [(path.parent.name, path.stem) for path in index]
    found = _Found(sources=sources, ids=[], kinds=[], words=[], pieces=[], firsts=[], lengths=[], rejected={}, beside={})
    kinds: dict[str, str] = {}
    for piece, path in enumerate(index):
        first = 0
        for row in files.each_json_line(path):
            reason = row["rejected"] or asked.get(row["id"])
            if reason:
                found.rejected[len(found)] = reason
            if "beside" in row:
                found.beside[len(found)] = row["beside"]
            found.ids.append(row["id"])
            found.kinds.append(kinds.setdefault(row["kind"], row["kind"]))  # one string for all of a kind
            found.words.append(row["words"])
            found.pieces.append(piece)
            found.firsts.append(first)
            found.lengths.append(row["tokens"])
            first += row["tokens"]
    return found


def _sketches(paths: list[Path], number: int) -> np.ndarray:
    """Of all passages, filled in file by file; none where no near duplicates are looked for."""
    found = np.empty((number if paths else 0, NUM_PERM), np.uint32)
    first = 0
    for path in paths:
        its = np.load(path)
        found[first : first + len(its)] = its
        first += len(its)
    return found


def _sifted(found: _Found, order: Iterable[int], rules: dict) -> tuple[list[int], list[dict]]:
    """The passages that stay, in order, and a row of rejected.jsonl for each that does not."""
    learnt, rejected = [], []
    for number in order:
        reason = found.rejected.get(number) or filtering.reason(rules, number)
        if reason:
            rejected.append({**found.row(number), **reason})
        else:
            learnt.append(number)
    return learnt, rejected


def _reported(order: list[int], label: str) -> Iterator[int]:
    due = time.monotonic() + SECONDS_BETWEEN_LINES
    for place, number in enumerate(order):
        if time.monotonic() >= due:
            terminal.note(f"{label}: {place:,} of {len(order):,} passages")
            due = time.monotonic() + SECONDS_BETWEEN_LINES
        yield number


def _grouped(name: str, learnt: list[int], found: _Found, shares: dict[str, int], folder: Path) -> dict[str, list[int]]:
    """The passages of each group, in their order. Raises UserError for a group of the arm `name` that has none."""
    groups = {group: [] for group in shares}
    for number in learnt:
        groups[mixing.group_of(found.sources[found.pieces[number]][0], found.kinds[number], shares)].append(number)
    for group, its in groups.items():
        if not its:
            place = layout.PASSAGES / group.split("/")[0]
            raise UserError(f"params.yaml: arms.{name}.strategy: there is no passage of {group}: {place} says what was asked for and why "
                            f"it was dropped, and {folder}/rejected.jsonl what corpora.filters kept out; corpora.held_out keeps out more")
    return groups


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The passages of a corpus, in its order."""

    numbers: list[int]
    lengths: list[int]
    """the tokens of each that are taken"""
    num_cut: int
    """tokens of the last one beyond the size"""


def _chosen(found: _Found, groups: dict[str, list[int]], shares: dict[str, int], size: int | str) -> _Chosen:
    size = math.inf if size == "all" else size
    numbers, lengths, written, num_cut = [], [], 0, 0
    for number, length in mixing.mixed({group: ((one, found.lengths[one]) for one in its) for group, its in groups.items()}, shares):
        num_cut = max(0, written + length - size)
        numbers.append(number)
        lengths.append(length - num_cut)
        written += length - num_cut
        if written == size:
            break
    return _Chosen(numbers=numbers, lengths=lengths, num_cut=num_cut)


def _write(folder: Path, found: _Found, chosen: _Chosen, pieces: list[Path]) -> None:
    files.write_json(folder / "pieces.json", [name_of(path) for path in pieces])
    arrays.write(folder / "passages.npy", found.places(chosen.numbers, chosen.lengths))
    arrays.write_lines(folder / "passages.jsonl", folder / "lines.npy", map(found.row, chosen.numbers))


def _counts(found: _Found, chosen: _Chosen, num_learnt: int, strategies: dict[str, dict]) -> dict:
    num_passages, num_tokens = Counter(), Counter()
    for number, length in zip(chosen.numbers, chosen.lengths, strict=True):
        num_passages[found.kinds[number]] += 1
        num_tokens[found.kinds[number]] += length
    return {
        "corpus_tokens": sum(chosen.lengths),
        "existing_tokens": sum(strategy["existing_tokens"] for strategy in strategies.values()),
        "num_passages": len(chosen.numbers),
        "num_passages_left_out": num_learnt - len(chosen.numbers),
        "num_documents": len({found.sources[found.pieces[number]][1] for number in chosen.numbers}),
        "kinds": {kind: {"passages": num_passages[kind], "tokens": num_tokens[kind]} for kind in sorted(num_passages)},
        "cut": {"passage": found.ids[chosen.numbers[-1]], "tokens_left_out": chosen.num_cut} if chosen.num_cut else None,
    }
