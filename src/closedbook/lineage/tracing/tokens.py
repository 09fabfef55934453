"""From a token or a step of a run back to the texts that it was read from, without reading a corpus whole."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from closedbook import layout
from closedbook.training import packing
from closedbook.training.reading import Texts
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import named, receipts

VISITS = 1 << 14
"""rows of a schedule read at a time"""
AROUND = 8
"""tokens shown before and after one"""
BEFORE, TEXT, END = "before the text", "text", "end of text"
"""what a token of a passage is: set there by the base's tokenizer, the passage's own, or the base's end of text"""
KIND = {packing.CORPUS: "corpus", packing.REPLAY: "replay", packing.DIALOGUES: "dialogues"}
INDEX = {packing.CORPUS: "passages.jsonl", packing.REPLAY: "replay.jsonl", packing.DIALOGUES: "dialogues.jsonl"}


class Run:
    """What a run read, in the order in which it read it. Tokens, blocks and steps are counted from 0."""

    def __init__(self, name: str):
        """`name`: a run, or an arm that has just one. Raises UserError for another one, and where its run or corpus is not here."""
        self.name = named.run(name, [path.parent.name for path in receipts.results("runs") if path.name == "run.json"])
        facts = files.read_json(layout.run_facts(self.name))
        if "refused" in facts:
            raise UserError(f"--run {self.name}: has read nothing: {facts['refused']}")
        self.arm, self.block_size, self.batch_size = facts["arm"], facts["block_size"], facts["batch_size"]
        self.num_steps, self.num_blocks, self.padding = facts["num_steps"], facts["num_blocks"], facts["padding_tokens"]
        self.num_tokens = facts["train_tokens"] + facts["replay_tokens"] + facts.get("dialogue_tokens", 0)
        """of all blocks, without the padding at the end of the last one"""
        if "replay_overlap" not in facts:
            raise UserError(f"{layout.RUNS / self.name}: is from before passages were tokenised once for all corpora: snakemake --cores all makes it again")
        self.corpus, self.replay = layout.CORPORA / facts["corpus"], layout.replay()
        overlap = layout.replay_overlap(facts["replay_overlap"])
        self.jobs = (f"corpora/{facts['corpus']}", "tokens/replay/all", f"tokens/replay_overlap/{overlap.stem}", f"runs/{self.name}", "base/base")
        """the receipts that record how it came to read this"""
        self._folders = {packing.CORPUS: self.corpus, packing.REPLAY: self.replay}
        self.dialogues = layout.dialogues(facts["dialogues"]) if "dialogues" in facts else None
        if self.dialogues:
            self._folders[packing.DIALOGUES] = self.dialogues
            self.jobs += (f"tokens/dialogues/{facts['dialogues']}",)
        for path in (*(folder / "lines.npy" for folder in self._folders.values()), overlap, self.corpus / "corpus.json", layout.RUNS / self.name / "schedule.npy"):
            if not path.exists():
                raise UserError(f"{path}: is not here, and records what {self.name} read: dvc pull brings it, or snakemake --cores all makes it")
        self._texts = [Texts.of_corpus(self.corpus), Texts.of_replay(self.replay, overlap, facts["replay_tokens"])]
        self._texts += [Texts.of_dialogues(self.dialogues, facts["dialogue_tokens"])] if self.dialogues else []
        corpus = files.read_json(self.corpus / "corpus.json")
        self.num_before, self.end_of_text = len(corpus["before_text"]), corpus["end_of_text_id"]

    def token(self, number: int) -> dict:
        """Where a token stands: step, block and text, and what it is among its neighbours."""
        self._check("token", number, self.num_tokens)
        block, offset = divmod(number, self.block_size)
        source, row, within = _at(self._pieces(block, block + 1)[block], offset)
        ids = self._texts[source].tokens(row)
        return {
            "run": self.name, "arm": self.arm, "token": number, "step": block // self.batch_size, "block": block, "offset_in_block": offset,
            "read_from": KIND[source], "id": self._rows(source, [row])[row]["id"], "row": row,
            "offset_in_text": within, "tokens_of_text": len(ids), "token_id": int(ids[within]), "part": self._part(within, int(ids[within])),
            **self._spelled(ids[max(0, within - AROUND) : within], ids[within : within + 1], ids[within + 1 : within + 1 + AROUND]),
        }  # fmt: skip

    def step(self, number: int) -> dict:
        """All that the model saw in a step, block by block."""
        self._check("step", number, self.num_steps)
        first, end = number * self.batch_size, min((number + 1) * self.batch_size, self.num_blocks)
        blocks = self._pieces(first, end)
        rows = {source: self._rows(source, [row for pieces in blocks.values() for kind, row, _, _ in pieces if kind == source])
                for source in self._folders}  # fmt: skip
        read = [
            {"block": block, "read_from": KIND[source], "id": rows[source][row]["id"], "row": row, "offset_in_text": offset, "tokens": length,
             "with": self._around(source, row, offset, length)}
            for block, pieces in blocks.items()
            for source, row, offset, length in pieces
        ]  # fmt: skip
        padding = self.padding if end == self.num_blocks else 0
        return {"run": self.name, "arm": self.arm, "step": number, "first_block": first, "last_block": end - 1,
                "tokens": sum(piece["tokens"] for piece in read), "padding": padding, "read": read}  # fmt: skip

    def _check(self, what: str, number: int, total: int) -> None:
        if not 0 <= number < total:
            raise UserError(f"--{what} {number}: {self.name} read {total:,} {what}s: give one from 0 to {total - 1}")

    def _pieces(self, first: int, end: int) -> dict[int, list[tuple[int, int, int, int]]]:
        """packing.pieces of some blocks."""
        tokens = first * self.block_size, min(end * self.block_size, self.num_tokens)
        schedule, ends = _visits(layout.RUNS / self.name / "schedule.npy", *tokens)
        return {block: packing.pieces(schedule, ends, self.block_size, block) for block in range(first, end)}

    def _rows(self, source: int, numbers: Iterable[int]) -> dict[int, dict]:
        """Some lines of the corpus's index of passages, or of replay's texts, by their numbers."""
        places = np.load(self._folders[source] / "lines.npy", mmap_mode="r")
        with open(self._folders[source] / INDEX[source], "rb") as handle:
            return {number: _row(handle, int(places[self._texts[source].lines[number]])) for number in set(numbers)}

    def _part(self, within: int, token_id: int) -> str:
        """What a token of a passage is; a text's own tokens are never special ones (tokenizing spells these out)."""
        return BEFORE if within < self.num_before else END if token_id == self.end_of_text else TEXT

    def _around(self, source: int, row: int, offset: int, length: int) -> list[str]:
        """Which of the tokens around a text are in a piece of it."""
        last = offset + length - 1
        parts = (self._part(offset, -1), self._part(last, int(self._texts[source].tokens(row, last, 1)[0])))
        return [part for part in (BEFORE, END) if part in parts]

    def _spelled(self, before: np.ndarray, token: np.ndarray, after: np.ndarray) -> dict:
        """Tokens as text, where the run's tokenizer is here."""
        path = layout.RUNS / self.name / "tokenizer.json"
        if not path.exists():
            return {}
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(path))
        parts = {"text_before": before, "text": token, "text_after": after}
        return {name: tokenizer.decode(ids.tolist(), skip_special_tokens=False) for name, ids in parts.items()}


def _at(pieces: list[tuple[int, int, int, int]], offset: int) -> tuple[int, int, int]:
    """The text that holds a block's token: its source, its row, and the token's place in it."""
    for source, row, first, length in pieces:
        if offset < length:
            return source, row, first + offset
        offset -= length
    raise AssertionError("the schedule ends before the run does")


def _visits(path: Path, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a schedule that hold tokens [first, end) of the stream (and some beside them), and where each row ends in it."""
    kept, ends, read = [], [], 0
    with open(path, "rb") as handle:
        np.lib.format.read_magic(handle)
        np.lib.format.read_array_header_1_0(handle)
        while read < end:
            rows = np.fromfile(handle, np.int64, 3 * VISITS).reshape(-1, 3)
            assert len(rows), f"{path}: ends before the run does"
            until = read + int(rows[:, 2].sum())
            if until > first:
                kept.append(rows)
                ends.append(read + np.cumsum(rows[:, 2]))
            read = until
    return np.concatenate(kept), np.concatenate(ends)


def _row(handle: BinaryIO, place: int) -> dict:
    handle.seek(place)
    return json.loads(handle.readline())
