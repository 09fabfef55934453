"""Tokens per second of a training: of earlier runs, or of ten steps that are timed."""

import os
import statistics
import tempfile

from closedbook import layout, models, params
from closedbook.training import distributed, loop, measuring, memory, room, tracking
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import devices, machine, receipts
from closedbook.workflow.receipts import WORK

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
    """Null settings do not count: a recipe leaves out those that came after it."""
    settings = settings if isinstance(settings, dict) else settings.model_dump()
    return files.canonical({name: value for name, value in settings.items() if name not in ALIKE and value is not None})


def measured(source: tuple[str, str | None], settings: params.Training) -> float:
    """Of ten steps of this base on made blocks, whose checkpoint goes to a temporary folder.

    Raises UserError where the disk has no room for it, or the weights or the devices are not here.
    """
    launcher = os.environ.get(distributed.LAUNCHER, "")
    models.check_device(settings.device, "training.device")
    devices.check(settings)
    distributed.check(settings, launcher)
    settings = settings.model_copy(update={"checkpoint_steps": measuring.STEPS, "evaluate_steps": None})
    shape = memory.shape(models.config(*source, local_files_only=True))
    WORK.mkdir(exist_ok=True)
    room.check_disk(WORK, memory.disk(shape, settings, measuring.STEPS, loop.KEPT_CHECKPOINTS).checkpoints)
    with tempfile.TemporaryDirectory(dir=WORK, prefix="measured-") as folder:
        plan = measuring.Plan(name=source[0], revision=source[1], settings=settings.model_dump(), vocabulary=shape.vocabulary, folder=folder)
        return measuring.measured(plan, launcher)
