"""Continued pretraining from files to files, in this process or in each of several that torchrun started."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from closedbook import models, params
from closedbook.training import adapters, distributed, loop, memory, packing, reading, tracking
from closedbook.util import files


@dataclass(frozen=True, kw_only=True)
class Plan:
    source: dict
    """reading.texts's arguments, with the folder of a "teacher" where it has one; of a fine-tuning, "dialogues", their folder, and "loss", of which tokens it is"""
    reference: str
    """what it begins with: the base's base.json, or a run's folder"""
    settings: dict
    """params.Training"""
    num_steps: int
    seed: int
    """of dropout and adapters"""
    fingerprint: str
    """of all that is read"""
    folder: str
    """where schedule.npy is, and the model goes to"""
    checkpoints: str
    record: dict
    """tracking.Live's arguments"""


def pretrain(plan: Plan, launcher: str) -> tuple[list[dict], list[dict]]:
    """Train as planned, write the model and its tokenizer to plan.folder, and return the history and the losses on what is held out (see
    loop.Trained)."""
    settings = settings_of(plan)
    place = Path(f"{plan.checkpoints}.plan")
    shutil.rmtree(place, ignore_errors=True)  # of a training that failed
    if settings.world == 1:
        return _trained(plan, settings)
    path = place / "pretraining.json"
    files.write_json(path, asdict(plan))
    distributed.run(path, settings, launcher)
    found = files.read_json(place / distributed.DONE)
    shutil.rmtree(place)
    return tuple(found)


def as_planned(path: Path) -> tuple[list[dict], list[dict]]:
    """What each of several processes does."""
    plan = Plan(**files.read_json(path))
    return _trained(plan, settings_of(plan))


def settings_of(plan) -> params.Training:
    """Of a plan that holds them as a recipe does."""
    return params.typed({"training": plan.settings}).training


def _trained(plan: Plan, settings: params.Training) -> tuple[list[dict], list[dict]]:
    reference, folder = Path(plan.reference), Path(plan.folder)
    base = models.pinned(reference)
    loop.arguments(settings, plan.num_steps, plan.seed, Path(plan.checkpoints))  # connects the processes, so that one may load for all
    model = prepared(loaded(models.source(reference), settings), settings, seed=plan.seed, label=folder.name)
    dataset = _dataset(plan, settings, base["end_of_text_id"])
    apart = reading.held_out(**plan.source) if settings.evaluate_steps else {}
    blocks = {name: packing.PackedDataset([its], packing.once(its), settings.block_size, base["end_of_text_id"]) for name, its in apart.items()}
    with tracking.live(plan.record if distributed.is_first() else None) as record:
        trained = loop.train(
            model=model, dataset=dataset, settings=settings, num_steps=plan.num_steps, seed=plan.seed, folder=Path(plan.checkpoints),
            label=folder.name, fingerprint=plan.fingerprint, record=record,
            held_out=blocks or None,
        )  # fmt: skip
    if distributed.is_first():
        began = (base["model"], base["revision"]) if reference.is_file() else (str(reference), None)
        whole = model if trained.weights is None else _filled(reference, settings, trained.weights)
        whole = adapters.merged(whole, folder / adapters.FOLDER, *began) if settings.lora else whole
        _also_stop_at(base["end_of_text_id"], whole)
        models.save(whole.to(models.stored_dtype(reference)), models.tokenizer(reference), folder)
    distributed.wait_for_all()
    return trained.history, trained.held_out


def _dataset(plan: Plan, settings: params.Training, end: int):
    schedule = np.load(Path(plan.folder) / "schedule.npy", mmap_mode="r")
    if "corpus" in plan.source:
        teacher = reading.Rows(Path(plan.source["teacher"])) if "teacher" in plan.source else None
        return packing.PackedDataset(reading.texts(**plan.source), schedule, settings.block_size, end, teacher)
    folder = Path(plan.source["dialogues"])
    is_answer = np.load(folder / "is_answer.npy", mmap_mode="r")
    wanted = is_answer if plan.source["loss"] == "assistant" else np.ones(len(is_answer), bool)
    return packing.WholeTexts(reading.Texts.of_dialogues(folder), wanted, schedule, settings.block_size, end)


def loaded(source: tuple[str, str | None], settings: params.Training, **options):
    """The base. One process of a node reads its weights: the Trainer brings the first one's to all, so the others' hold nothing yet."""
    if distributed.is_first_here() or settings.sharding == "fsdp":  # under FSDP transformers reads them once
        return models.pretrained_model(*source, dtype=dtype(settings), **options)
    import torch

    device = f"cuda:{distributed.local_rank()}" if settings.device == "cuda" else "cpu"
    model = models.empty(*source)
    for weights in model.parameters():  # and no buffers: they keep their own precision
        weights.data = weights.data.to(getattr(torch, dtype(settings)))
    model = model.to_empty(device=device)
    model.tie_weights()  # which to_empty parts
    return model


def dtype(settings: params.Training) -> str:
    """What weights are held in: float32, where small updates do not round away, or, frozen under adapters, what they are computed in."""
    return settings.dtype if settings.lora else "float32"


def prepared(model, settings: params.Training, *, seed: int, label: str):
    """A model to be trained as the settings say: with its loss in pieces, or against a teacher, and adapters."""
    import torch

    from closedbook.training import loss

    loss.in_pieces(model, memory.tokens(settings), label)
    if getattr(settings, "objective", None) == "distil":  # an assistant has none
        loss.against_teacher(model)
    torch.manual_seed(seed)  # the adapters' first weights are drawn
    return adapters.added(model, settings.lora)


def _filled(reference: Path, settings: params.Training, weights: dict):
    """The model that was trained in parts, whole."""
    import torch

    whole = models.empty(*models.source(reference))
    with torch.device("meta"):
        model = adapters.added(whole, settings.lora)
    model.load_state_dict(weights, assign=True)
    whole.tie_weights()  # which the assignment parts
    return model


def _also_stop_at(end: int, model) -> None:
    """What it writes ends where its texts did; where the base's own answers end it still does."""
    config = model.generation_config
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    if end not in ends:
        config.eos_token_id = [*(one for one in ends if one is not None), end]
