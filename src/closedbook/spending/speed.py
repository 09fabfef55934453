"""Tokens per second of a training: of earlier runs, or of ten steps that are timed."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from closedbook import layout, models, params
from closedbook.training import loop, memory, pretraining, room, tracking
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import machine, receipts
from closedbook.workflow.receipts import WORK

STEPS, FIRST, LAST = 10, 3, 9
"""of a measurement; what lies between the beginnings of the last two counts: neither warming up nor the end"""
ALIKE = {"seeds", "learning_rate", "min_learning_rate", "warmup", "weight_decay", "beta2", "checkpoint_steps"}
"""settings that leave a training as quick as it is"""


def earlier(settings: params.Training) -> float | None:
    """Of the runs here that began with the base as it is pinned, on this kind of device, under settings that are as quick: their median."""
    pinned, found = layout.BASE / "base.json", []
    if not pinned.exists():
        return None
    base, here = files.read_json(pinned), _device(machine.of({"params": {"training": {"device": settings.device}}}))
    for path in sorted(layout.RUNS.glob("*/run.json")):
        run, made = files.read_json(path), _receipt(path.parent.name)
        alike = made and run["base"] == base and _device(made["facts"]) == here
        if alike and _quick(made["recipe"]["params"]["training"]) == _quick(settings):
            seconds = tracking.seconds(models.weights_sha256(run["sha256"]))
            found += [run["num_blocks"] * run["block_size"] / seconds] if seconds else []
    return statistics.median(found) if found else None


def _receipt(run: str) -> dict | None:
    path = receipts.FOLDER / "runs" / f"{run}.json"
    try:
        return receipts.read(path) if path.exists() else None
    except UserError:
        return None  # closedbook fresh names it


def _device(facts: dict[str, str]) -> str | None:
    """The kind that computes: the GPU by its name, whatever drives it, or the processor."""
    return facts["gpu"].partition(" (")[0] if "gpu" in facts else facts.get("cpu")


def _quick(settings: params.Training | dict) -> str:
    settings = settings if isinstance(settings, dict) else settings.model_dump()
    return files.canonical({name: value for name, value in settings.items() if name not in ALIKE})


def measured(source: tuple[str, str | None], settings: params.Training) -> float:
    """Of ten steps of this base on made blocks, whose checkpoint goes to a temporary folder.

    Raises UserError where the disk has no room for it, the weights or the device are not here, or the training is one of several processes.
    """
    if settings.world > 1:
        raise UserError(f"closedbook forecast --measure times one process, and params.yaml asks for {settings.world}: leave it out; "
                        "earlier runs say how quick they were")
    models.check_device(settings.device, "training.device")
    settings = settings.model_copy(update={"checkpoint_steps": STEPS, "evaluate_steps": None})
    shape = memory.shape(models.config(*source, local_files_only=True))
    WORK.mkdir(exist_ok=True)
    room.check_disk(WORK, memory.disk(shape, settings, STEPS, loop.KEPT_CHECKPOINTS).checkpoints)
    with tempfile.TemporaryDirectory(dir=WORK, prefix="measured-") as folder:
        model = models.pretrained_model(*source, dtype=pretraining.dtype(settings), local_files_only=True)
        model = pretraining.prepared(model, settings, seed=1, label="measuring")
        blocks = _Blocks(shape.vocabulary, settings)
        loop.train(model=model, dataset=blocks, settings=settings, num_steps=STEPS, seed=1, folder=Path(folder) / "checkpoints",
                   label="measuring", fingerprint="made up")
    return (LAST - FIRST) * settings.batch_size * settings.block_size / (blocks.begun[LAST] - blocks.begun[FIRST])


class _Blocks:
    """Blocks of random tokens, and when the first one of each step was asked for."""

    def __init__(self, vocabulary: int, settings: params.Training):
        self._vocabulary, self._settings = vocabulary, settings
        self.begun: dict[int, float] = {}

    def __len__(self) -> int:
        return STEPS * self._settings.batch_size

    def __getitem__(self, block: int) -> dict[str, np.ndarray]:
        self.begun.setdefault(block // self._settings.batch_size, time.monotonic())
        tokens = np.random.default_rng(block).integers(self._vocabulary, size=self._settings.block_size)
        return {"input_ids": tokens, "labels": tokens}
