"""Tokens per second of a training, by ten steps on made blocks, in as many processes as it will have."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from closedbook import params
from closedbook.training import distributed, loop, pretraining
from closedbook.util import files

STEPS, FIRST, LAST = 10, 3, 9
"""what lies between the beginnings of the last two counts: neither warming up nor the end"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    name: str
    revision: str | None
    settings: dict
    """params.Training"""
    vocabulary: int
    folder: str
    """for checkpoints"""


def measured(plan: Plan, launcher: str) -> float:
    settings = pretraining.settings_of(plan)
    if settings.world == 1:
        return _timed(plan, settings)
    path = Path(plan.folder) / "measuring.json"
    files.write_json(path, asdict(plan))
    distributed.run(path, settings, launcher)
    return files.read_json(path.with_name(distributed.DONE))


def as_planned(path: Path) -> float:
    """What each of several processes does."""
    plan = Plan(**files.read_json(path))
    return _timed(plan, pretraining.settings_of(plan))


def _timed(plan: Plan, settings: params.Training) -> float:
    folder = Path(plan.folder) / "checkpoints"
    loop.arguments(settings, STEPS, 1, folder)  # connects the processes
    model = pretraining.loaded((plan.name, plan.revision), settings, local_files_only=True)
    blocks = _Blocks(plan.vocabulary, settings)
    loop.train(model=pretraining.prepared(model, settings, seed=1, label="measuring"), dataset=blocks, settings=settings, num_steps=STEPS,
               seed=1, folder=folder, label="measuring", fingerprint="made up")  # fmt: skip
    return (LAST - FIRST) * settings.batch_size * settings.block_size / (blocks.begun[LAST] - blocks.begun[FIRST])


class _Blocks:
    """Blocks of random tokens, and when the first one of each step that this process takes was asked for."""

    def __init__(self, vocabulary: int, settings: params.Training):
        self._vocabulary, self._settings = vocabulary, settings
        self.begun: dict[int, float] = {}

    def __len__(self) -> int:
        return STEPS * self._settings.batch_size

    def __getitem__(self, block: int) -> dict[str, np.ndarray]:
        self.begun.setdefault(block // self._settings.batch_size, time.monotonic())
        tokens = np.random.default_rng(block).integers(self._vocabulary, size=self._settings.block_size)
        return {"input_ids": tokens, "labels": tokens}
