"""Whether a training has room: what would make it fit is told before it starts, and a disk that can't hold its checkpoints is an error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from closedbook import models, params
from closedbook.training import memory
from closedbook.training.loop import KEPT_CHECKPOINTS
from closedbook.training.memory import GIB, Estimate, Shape
from closedbook.util import terminal
from closedbook.util.errors import UserError

ADAPTERS = params.Lora(r=16, alpha=32, dropout=0.05)
MOST_PROCESSES = 64
"""that are proposed"""


def check(name: str, reference: Path, settings: params.Training, steps: int, checkpoints: Path, folder: Path) -> None:
    """Before a run of the base `reference` begins: tell where its estimate exceeds the device. Raises UserError where the disk has too
    little room for the checkpoints that are still to come and the result in `folder`."""
    shape = memory.shape(models.config(*models.source(reference)))
    if lines := advice(shape, settings, device_gib(settings)):
        terminal.note(f"{name}: {lines[0]}", *lines[1:])
    needed = memory.disk(shape, settings, steps, KEPT_CHECKPOINTS)
    to_come = max(0.0, needed.checkpoints - _size(checkpoints))
    if _disk(checkpoints) == _disk(folder):
        check_disk(checkpoints, to_come + needed.result)
    else:
        check_disk(checkpoints, to_come)
        check_disk(folder, needed.result)


def check_plan(wanted: params.Params, checkpoints: Path) -> None:
    """Before a model is paid for: raises UserError where the disk of `checkpoints` has no room for the longest training, as far as its length
    is known. Of a corpus that is to be made, and of the base that is trained here, nothing is known yet: each run looks again (check)."""
    if wanted.base.model in params.OWN_BASES:
        return
    settings, shape = wanted.training, memory.shape(models.config(wanted.base.model, wanted.base.revision))
    steps = [_known_tokens(arm) // (settings.block_size * settings.batch_size) for arm in wanted.arms.values()]
    needed = memory.disk(shape, settings, max(1, *steps), KEPT_CHECKPOINTS)
    check_disk(checkpoints, max(0.0, needed.checkpoints - _size(checkpoints)) + needed.result)


def _known_tokens(arm: params.Arm) -> int:
    """That an arm reads of its corpus, 0 where that depends on what will be written."""
    return arm.train_tokens or (0 if arm.corpus_tokens == "all" else arm.epochs * arm.corpus_tokens)


def device_gib(settings: params.Training) -> float | None:
    """The memory of the smallest device here; of the machine's, one process's share. None where the device is not here."""
    if settings.device == "cpu":
        import psutil

        return psutil.virtual_memory().total / settings.processes / GIB
    import torch

    found = [torch.cuda.get_device_properties(number).total_memory for number in range(torch.cuda.device_count())]
    return min(found) / GIB if found else None


def advice(shape: Shape, settings: params.Training, available: float | None) -> list[str]:
    """What to tell of a training that exceeds its device, with what would make it smaller; nothing where it fits, or no device is here."""
    found = memory.estimate(shape, settings)
    if available is None or found.total <= available:
        return []
    told = [f"takes about {found.total:,.1f} GiB of each device, which has {available:,.1f} GiB ({shown(found)}). What would take less:"]
    for words, smaller in remedies(shape, settings, available):
        then = memory.estimate(shape, smaller).total
        if then < found.total:
            told.append(f"  training.{words}: {then:,.1f} GiB{', which fits' if then <= available else ''}")
    return told


def shown(found: Estimate) -> str:
    """The parts of an estimate that are not nothing."""
    return ", ".join(f"{name} {value:,.1f}" for name, value in found._asdict().items() if name != "total" and value >= 0.05)


def remedies(shape: Shape, settings: params.Training, available: float) -> Iterator[tuple[str, params.Training]]:
    """Settings that may take less, with what to change. The first ones leave what is learnt as it is, but for rounding."""
    alike = {}
    if not settings.gradient_checkpointing:
        alike["gradient_checkpointing"] = True
    if settings.attention == "eager":
        alike["attention"] = "sdpa"
    if settings.batch_size > settings.accumulation * settings.world:
        alike["accumulation"] = settings.batch_size // settings.world
    for name, value in alike.items():
        yield _said(settings, {name: value})
    if len(alike) > 1:
        yield _said(settings, alike)
    if settings.device == "cuda" and (sharded := _sharded(shape, settings.model_copy(update=alike), available)):
        yield _said(settings, alike | sharded)
    if settings.lora is None:
        if settings.device == "cuda":
            yield _said(settings, alike | {"optimizer": "paged_adamw_8bit"})
        yield _said(settings, alike | {"dtype": "bfloat16", "lora": ADAPTERS})


def _said(settings: params.Training, changes: dict) -> tuple[str, params.Training]:
    changes = {name: value for name, value in changes.items() if getattr(settings, name) != value}
    words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in changes.items()}
    if "lora" in words:
        words["lora"] = f"{{r: {ADAPTERS.r}, alpha: {ADAPTERS.alpha:g}, dropout: {ADAPTERS.dropout:g}}}"
    return ", ".join(f"{name}: {value}" for name, value in words.items()), settings.model_copy(update=changes)


def _sharded(shape: Shape, settings: params.Training, available: float) -> dict | None:
    """The fewest processes, among those that can share the batch, with which each device has room; else the most of them."""
    found = None
    for processes in (number for number in range(2, MOST_PROCESSES + 1) if settings.batch_size % (number * settings.nodes) == 0):
        share = settings.batch_size // (processes * settings.nodes)
        passes = max(number for number in range(1, min(settings.accumulation, share) + 1) if share % number == 0)
        found = {"sharding": "fsdp", "processes": processes, "accumulation": passes}
        if memory.estimate(shape, settings.model_copy(update=found)).total <= available:
            break
    return found


def check_disk(folder: Path, needed: float) -> None:
    """Raises UserError where the disk of a folder, which need not be there yet, has less than so many GiB free."""
    free = shutil.disk_usage(_there(folder)).free / GIB
    if needed > free:
        raise UserError(f"{folder}: this training still needs about {needed:,.2f} GiB here for its checkpoints and its result, and the "
                        f"disk has {free:,.2f} GiB free: make room, or put the folder on another disk and a link to it in its place")


def _disk(folder: Path) -> int:
    return _there(folder).stat().st_dev


def _there(folder: Path) -> Path:
    """The folder, or the first one above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


def _size(folder: Path) -> float:
    """GiB of its files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / GIB
