"""What a teacher expects of each token of a corpus, with the passage's document in front of it: computed once, document by document."""

import copy
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from closedbook import models, params
from closedbook.training import distributed, memory, pretraining
from closedbook.training.reading import Texts, certain, row
from closedbook.util import arrays, files, terminal

WIDTH = 24
"""tokens of a row"""
BYTES_A_TOKEN = row(WIDTH).itemsize
MOST_LOGITS = 2**30
"""of one pass, in the precision of the model"""
AT_ONCE = 2**26
"""of them in float32"""
BESIDE = 8
"""times the tokens of a training's pass: places that a pass may attend to, for each passage has its document in front of it"""
LEAST = 1e-8
"""probability of all other tokens together, below which float32 can't tell it from nothing"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Passages of one document, and what the teacher reads in front of each."""

    context: list[int] | None
    """token ids; None: the passages are the document itself, of which it reads what stands before a token"""
    texts: list[int]
    """their numbers in the corpus"""


class Stretch(NamedTuple):
    """What of a passage a teacher reads at once."""

    number: int
    first: int
    end: int
    seen: int
    """tokens of its beginning that an earlier stretch is about: of these the later tokens follow"""


def stretches(number: int, length: int, room: int | None) -> Iterator[Stretch]:
    """All of a passage that has room in the teacher's context, else stretches of which each begins in the middle of the one before."""
    if room is None or length <= room:
        yield Stretch(number, 0, length, 0)
        return
    step = max(1, room // 2)
    for first in range(0, length - room + step, step):
        yield Stretch(number, first, min(length, first + room), room - step if first else 0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    corpus: str
    pieces: list[str]
    documents: dict[str, list[dict]]
    """the Shown of each document"""
    source: tuple[str, str | None]
    """what the teacher is loaded from"""
    context: int | None
    """of its context, tokens"""
    before: list[int]
    """ids that stand before a text"""
    end: int
    vocabulary: int
    """of the student"""
    settings: dict
    """params.Training"""
    folder: str
    """for each document's rows (DOCUMENT.npy) and losses (DOCUMENT.json); what is there already is whole"""


def compute(plan: Plan, launcher: str) -> None:
    """In as many processes as a training has, each with documents of its own."""
    settings = pretraining.settings_of(plan)
    if settings.world == 1:
        return _computed(plan, settings)
    place = Path(f"{plan.folder}.plan")
    shutil.rmtree(place, ignore_errors=True)  # of one that failed
    files.write_json(place / "teaching.json", asdict(plan))
    distributed.run(place / "teaching.json", settings, launcher)
    shutil.rmtree(place)


def as_planned(path: Path) -> None:
    """What each of several processes does."""
    plan = Plan(**files.read_json(path))
    _computed(plan, pretraining.settings_of(plan))


def _computed(plan: Plan, settings: params.Training) -> None:
    folder = Path(plan.folder)
    due = [name for name in plan.documents if not (folder / f"{name}.json").exists()]
    mine, teacher, began, read = due[distributed.rank() :: distributed.world()], None, time.monotonic(), 0
    texts = Texts.of_corpus(Path(plan.corpus), map(Path, plan.pieces))
    for number, name in enumerate(mine, start=1):
        teacher = teacher or Teacher(plan, settings)
        rows, losses = teacher.document([Shown(**one) for one in plan.documents[name]], texts)
        arrays.write(folder / f"{name}.npy", rows)
        files.write_json(folder / f"{name}.json", losses)  # last: it says that the rows are whole
        read += len(rows)
        terminal.note(f"{folder.name}: document {number:,} of {len(mine):,}, {read / (time.monotonic() - began):,.0f} tokens/s")


class Teacher:
    def __init__(self, plan: Plan, settings: params.Training):
        import torch

        models.quiet()
        models.check_device(settings.device, "training.device")
        torch.set_num_threads(settings.threads)
        self.device = f"cuda:{distributed.local_rank()}" if settings.device == "cuda" else "cpu"
        self.model = models.pretrained_model(*plan.source, dtype=settings.dtype).to(self.device).eval()
        self.model.set_attn_implementation(settings.attention)
        self.plan, self.block_size, self.tokens = plan, settings.block_size, memory.tokens(settings)
        self.width = min(WIDTH, plan.vocabulary - 1)
        self.start = plan.before[-1] if plan.before else plan.end
        """what a student reads before a passage, whose document is not in front of it"""

    def document(self, shown: Sequence[Shown], texts: Texts) -> tuple[np.ndarray, dict]:
        """The rows of a document's passages, one passage after the other in the corpus's order, and {"tokens", "with", "without"}: over how many
        tokens the loss is summed up, with the document in front and without it."""
        found, sums, skipped = {}, np.zeros(3), len(self.plan.before)
        for one in shown:
            whole = {number: texts.tokens(number).astype(np.int64) for number in one.texts}
            rows, losses = self._passages(one.context or [], {number: ids[skipped:] for number, ids in whole.items()})
            found |= {number: np.concatenate([certain(whole[number][:skipped], self.width), its]) for number, its in rows.items()}
            sums += losses
        return np.concatenate([found[number] for number in sorted(found)]), dict(zip(("tokens", "with", "without"), sums.tolist()))

    def _passages(self, context: list[int], passages: dict[int, np.ndarray]) -> tuple[dict[int, np.ndarray], np.ndarray]:
        """With the same context, which is read once, in front of each passage: its rows by its number, and the sums. Without one the passages are
        the document, which a student sees in blocks."""
        cache, room = self._read(context[:-1]), self.plan.context and self.plan.context - len(context)
        rows: dict[int, list[np.ndarray]] = {number: [] for number in passages}
        sums = np.zeros(3)
        for batch in self._batches([one for number, ids in passages.items() for one in stretches(number, len(ids), room)], len(context)):
            asked = [passages[one.number][one.first : one.end] for one in batch]
            found, known = self._answered(asked, context[-1] if context else self.start, cache)
            unknown = self._answered(asked, self.start)[1] if context else [np.zeros(len(ids)) for ids in asked]
            for one, its, *losses in zip(batch, found, known, unknown, strict=True):
                rows[one.number].append((one.first, its[one.seen :]))
                sums += [len(its) - one.seen, *(loss[one.seen :].sum() for loss in losses)]
        for ids in passages.values() if not context else ():
            for first in range(0, len(ids), self.block_size):
                sums[2] += self._answered([ids[first : first + self.block_size]], self.start)[1][0].sum()
        return {number: np.concatenate([its for _, its in sorted(parts, key=lambda part: part[0])]) for number, parts in rows.items()}, sums

    def _batches(self, parts: list["Stretch"], context: int) -> Iterator[list["Stretch"]]:
        """Those of about one length together, as many as one pass of a training holds."""
        batch: list[Stretch] = []
        for one in sorted(parts, key=lambda one: (one.end - one.first, one)):
            longest, size = one.end - one.first, len(batch) + 1
            room = longest * size <= min(self.tokens, MOST_LOGITS // self.plan.vocabulary) and (context + longest) * size <= BESIDE * self.tokens
            if batch and not room:
                yield batch
                batch = []
            batch.append(one)
        if batch:
            yield batch

    def _read(self, context: list[int]):
        """The keys and values of what stands in front of all; None of nothing."""
        import torch

        if not context:
            return None
        with torch.inference_mode():
            return self.model.base_model(input_ids=torch.tensor([context], device=self.device), use_cache=True).past_key_values

    def _answered(self, asked: list[np.ndarray], start: int, cache=None) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Of each of some texts the rows about its tokens, and the loss of each, float64; the first token follows `start`."""
        import torch

        lengths = [len(ids) for ids in asked]
        padded = np.full((len(asked), max(lengths) + 1), self.plan.end)
        for line, ids in zip(padded, asked):
            line[0], line[1 : len(ids) + 1] = start, ids
        given = torch.from_numpy(padded).to(self.device)
        if cache is not None:
            cache = copy.deepcopy(cache)  # which is read in place
            cache.batch_repeat_interleave(len(asked))
        with torch.inference_mode():
            logits = self.model(input_ids=given[:, :-1], past_key_values=cache, use_cache=cache is not None).logits[..., : self.plan.vocabulary]
            size = max(1, AT_ONCE // logits.shape[-1])
            parts = zip(logits.flatten(0, 1).split(size), given[:, 1:].flatten().split(size))
            found = [self._rows(part.float(), wanted) for part, wanted in parts]
        rows, losses = (np.concatenate(each).reshape(len(asked), -1) for each in zip(*found))
        return [its[:length] for its, length in zip(rows, lengths)], [its[:length] for its, length in zip(losses, lengths)]

    def _rows(self, logits, wanted) -> tuple[np.ndarray, np.ndarray]:
        """Rows [N] of logits [N, V], and the losses of the tokens that were wanted [N]."""
        import torch

        total = logits.logsumexp(-1, keepdim=True)
        best, tokens = logits.topk(self.width)
        log_probs = best - total
        others = (1 - log_probs.exp().sum(-1, keepdim=True)).clamp_min(LEAST).log()
        rows = np.zeros(len(logits), row(self.width))
        rows["tokens"] = tokens.cpu().numpy()
        rows["log_probs"] = torch.cat([log_probs, others], -1).cpu().numpy()
        return rows, (total - logits.gather(-1, wanted[:, None])).squeeze(-1).double().cpu().numpy()
