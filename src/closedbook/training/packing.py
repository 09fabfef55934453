"""From a corpus to the blocks a run sees, and back from any token of training to its passage.

A schedule is an int64 array [visits, 3] with rows (source, passage, tokens): source 0 is the corpus, 1 the replay data, 2 dialogues; `passage` is
a text of the source (reading.Texts); `tokens` is how many of its first tokens are read, all but in a source's last visit. The visits one
after the other are the stream, and block b is the stream's tokens [b * block_size, (b + 1) * block_size).
"""

from collections.abc import Sequence

import numpy as np

from closedbook.training.reading import Rows, Texts, certain
from closedbook.util import seeds

CORPUS, REPLAY, DIALOGUES = 0, 1, 2
IGNORED = -100
"""label of a position where nothing is to be predicted"""


def schedule(texts: Sequence[Texts], num_tokens: Sequence[int], *, seed: int, run_seed: int, by_document: bool = False) -> np.ndarray:
    """The order in which a run reads so many tokens of its corpus, of replay and of dialogues: epoch after epoch, each in an order of its own.

    Replay and dialogues are spread evenly between the corpus's passages. `by_document`: in each epoch, the passages of a document stand together.
    """
    streams = []
    for source, (its, wanted) in enumerate(zip(texts, num_tokens, strict=True)):
        groups = its.documents if by_document and source == CORPUS else None
        passages, tokens = _visits(its.lengths, wanted, seeds.derive(seed, "schedule", run_seed, source), groups)
        streams.append(np.stack([np.full(len(passages), source), passages, tokens], axis=1))
    middles = [(np.cumsum(stream[:, 2]) - stream[:, 2] / 2) / max(1, stream[:, 2].sum()) for stream in streams]
    return np.concatenate(streams)[np.argsort(np.concatenate(middles), kind="stable")]


def _visits(lengths: np.ndarray, num_tokens: int, seed: int, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Passages and tokens of the visits that read `num_tokens` in all: whole permutations, the last one cut. What is of one of `groups` stands
    together."""
    if num_tokens == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    num_epochs = -(-num_tokens // int(lengths.sum()))
    orders = [_order(len(lengths), groups, np.random.default_rng(seeds.derive(seed, epoch))) for epoch in range(num_epochs)]
    passages = np.concatenate(orders)
    ends = np.cumsum(lengths[passages])
    num_visits = int(np.searchsorted(ends, num_tokens)) + 1
    tokens = lengths[passages[:num_visits]]
    tokens[-1] -= ends[num_visits - 1] - num_tokens
    return passages[:num_visits], tokens


def _order(number: int, groups: np.ndarray | None, draws: np.random.Generator) -> np.ndarray:
    order = draws.permutation(number)
    if groups is None:
        return order
    places = draws.permutation(int(groups.max()) + 1)
    return order[np.argsort(places[groups[order]], kind="stable")]


def num_blocks(schedule: np.ndarray, block_size: int) -> int:
    return -(-int(schedule[:, 2].sum()) // block_size)


def pieces(schedule: np.ndarray, ends: np.ndarray, block_size: int, block: int) -> list[tuple[int, int, int, int]]:
    """What a block is made of, in order: (source, passage, offset of the first token within the passage, number of tokens).

    `ends` is np.cumsum(schedule[:, 2]). Step N of a run reads blocks [N * batch_size, (N + 1) * batch_size), counted from 0.
    """
    first, last = block * block_size, min((block + 1) * block_size, int(ends[-1]))
    visit = int(np.searchsorted(ends, first, side="right"))
    found = []
    while first < last:
        source, passage, tokens = (int(value) for value in schedule[visit])
        until = min(last, int(ends[visit]))
        found.append((source, passage, first - (int(ends[visit]) - tokens), until - first))
        first, visit = until, visit + 1
    return found


def once(texts: Texts) -> np.ndarray:
    """The schedule that reads each text of one source once."""
    return np.stack([np.zeros(len(texts), np.int64), np.arange(len(texts)), texts.lengths], axis=1)


class PackedDataset:
    """The blocks of a schedule as training examples (int64 arrays of block_size), read from disk as they are asked for.

    The last block is filled up with end-of-text tokens that are not predicted. Labels are the tokens themselves: the model shifts them.
    With a teacher, an example has its rows too: "teacher_tokens" int64 [block_size, K] and "teacher_log_probs" float32 [block_size, K + 1],
    each in the place of the token that it is about. In replay and in dialogues the token itself is certain: there the loss is next-token's.
    """

    def __init__(self, texts: Sequence[Texts], schedule: np.ndarray, block_size: int, end: int, teacher: Rows | None = None):
        """`texts`: the corpus's and replay's; `end`: the base's end of text; `teacher`: its rows about the corpus."""
        self.texts, self.teacher = texts, teacher
        self.schedule = schedule
        self.block_size = block_size
        self.ends = np.cumsum(schedule[:, 2])
        self.end = end

    def __len__(self) -> int:
        return num_blocks(self.schedule, self.block_size)

    def __getitem__(self, block: int) -> dict[str, np.ndarray]:
        parts = pieces(self.schedule, self.ends, self.block_size, block)
        tokens = np.concatenate([self.texts[source].tokens(text, offset, length) for source, text, offset, length in parts]).astype(np.int64)
        missing = self.block_size - len(tokens)
        found = {
            "input_ids": np.pad(tokens, (0, missing), constant_values=self.end),
            "labels": np.pad(tokens, (0, missing), constant_values=IGNORED),
        }
        return found if self.teacher is None else found | self._taught(parts, found["input_ids"])

    def _taught(self, parts: list[tuple[int, int, int, int]], tokens: np.ndarray) -> dict[str, np.ndarray]:
        rows, first = certain(tokens, self.teacher.width), 0
        for source, text, offset, length in parts:
            if source == CORPUS:
                rows[first : first + length] = self.teacher.tokens(text, offset, length)
            first += length
        return {"teacher_tokens": rows["tokens"].astype(np.int64), "teacher_log_probs": rows["log_probs"].astype(np.float32)}


class WholeTexts:
    """The visits of a schedule of one source as training examples, in as many blocks as hold each text whole; what is left of a block is filled
    up with end-of-text tokens. `is_predicted`, bool, says of each token of the source whether it is."""

    def __init__(self, texts: Texts, is_predicted: np.ndarray, schedule: np.ndarray, block_size: int, end: int):
        assert schedule[:, 2].max() <= block_size, "a text does not fit a block"
        self.texts, self.offsets, self.is_predicted = texts, texts.offsets, is_predicted
        self.schedule, self.block_size, self.end = schedule, block_size, end
        self.firsts, room = [0], block_size
        """the visit with which each block begins, and at last how many there are"""
        for visit, length in enumerate(schedule[:, 2].tolist()):
            if length > room:
                self.firsts.append(visit)
                room = block_size
            room -= length
        self.firsts.append(len(schedule))

    def __len__(self) -> int:
        return len(self.firsts) - 1

    def __getitem__(self, block: int) -> dict[str, np.ndarray]:
        visits = self.schedule[self.firsts[block] : self.firsts[block + 1], 1].tolist()
        tokens = np.concatenate([self.texts.tokens(text) for text in visits]).astype(np.int64)
        wanted = np.concatenate([self.is_predicted[self.offsets[text] : self.offsets[text + 1]] for text in visits])
        missing = self.block_size - len(tokens)
        return {
            "input_ids": np.pad(tokens, (0, missing), constant_values=self.end),
            "labels": np.pad(np.where(wanted, tokens, IGNORED), (0, missing), constant_values=IGNORED),
        }
