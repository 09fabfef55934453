"""Training with transformers' Trainer: examples in their given order, and bit-identical weights after a kill and a resume.

The base model of the miniature and every continued pretraining go through `train`.
"""

import hashlib
import json
import shutil
from pathlib import Path

from closedbook import models, params
from closedbook.util import files
from closedbook.util.errors import writing

KEPT_CHECKPOINTS = 2
"""the newest may be the one that a kill broke"""


def train(
    *, model, dataset, settings: params.Training, num_steps: int, seed: int, folder: Path, label: str, fingerprint: str
) -> list[dict]:
    """Train `model` in place for `num_steps` optimizer steps and return its history, a row {"step", "loss", "learning_rate"} a step.

    `dataset[i]` is {"input_ids": int64 [S], "labels": int64 [S], -100 where nothing is to be predicted} and is used in step
    i // settings.batch_size; after its end it starts again. S may differ from step to step. Labels are not shifted: the model predicts
    label i from what precedes it. With a further "weights": float32 [S], the loss is sum(w * l) / sum(w) over a step's predicted tokens.

    Checkpoints go to `folder`, and a second call takes up the newest whole one. `fingerprint` stands for the data: checkpoints of
    other data, another model or other settings are deleted. The folder is the caller's to delete once the trained model is in place.
    """
    import torch

    folder = Path(folder)
    _clear_unless_of(folder, identity(model, settings, num_steps=num_steps, seed=seed, data=fingerprint))
    models.quiet()
    models.check_device(settings.device, "training.device")
    torch.set_num_threads(settings.threads)
    model.set_attn_implementation(settings.attention)
    use_cache = model.config.use_cache
    trainer = _trainer(model, dataset, _arguments(settings, num_steps, seed, folder), label)
    with writing(folder):
        trainer.train(resume_from_checkpoint=newest_whole_checkpoint(folder))
    model.config.use_cache = use_cache  # the Trainer switches it off, and it would be saved so
    return [{name: row[name] for name in ("step", "loss", "learning_rate")} for row in trainer.state.log_history if "loss" in row]


def identity(model, settings: params.Training, **others) -> str:
    """SHA-256 of all that decides the bits of a training, the libraries and the kind of device among it."""
    import torch
    import transformers

    weights = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    what = settings.model_dump(exclude={"seeds", "checkpoint_steps"}) | others
    what |= {"config": model.config.to_json_string(), "weights": weights.hexdigest(), "device": settings.device}
    what |= {"torch": torch.__version__, "transformers": transformers.__version__}
    return files.sha256_text(files.canonical(what))


def _clear_unless_of(folder: Path, identity: str) -> None:
    """Leave in `folder` only checkpoints of this very training: resuming others gives other weights and no error."""
    mark = folder / "identity.txt"
    if folder.exists() and not (mark.exists() and mark.read_text() == identity):
        shutil.rmtree(folder)
    files.write_text(mark, identity)


def newest_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that lacks nothing; broken ones are deleted (a kill leaves them, and the Trainer would resume them wrongly)."""
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in checkpoints if _is_whole(path)]
    for path in checkpoints:
        if path not in whole:
            shutil.rmtree(path)
    return str(whole[-1]) if whole else None


def _is_whole(checkpoint: Path) -> bool:
    """Whether all files are there. The Trainer writes trainer_state.json last, so one that can be read vouches for the others' ends."""
    names = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
    model = (checkpoint / "model.safetensors").exists() or (checkpoint / "model.safetensors.index.json").exists()
    if not model or not all((checkpoint / name).exists() for name in names):
        return False
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except json.JSONDecodeError:
        return False
    return True


def _arguments(settings: params.Training, num_steps: int, seed: int, folder: Path):
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=num_steps,
        per_device_train_batch_size=settings.batch_size // settings.accumulation,
        gradient_accumulation_steps=settings.accumulation,
        train_sampling_strategy="sequential",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": settings.min_learning_rate},
        warmup_steps=settings.warmup,  # below 1: a share of all steps
        weight_decay=settings.weight_decay,
        adam_beta1=0.9,
        adam_beta2=settings.beta2,
        max_grad_norm=1.0,
        bf16=settings.dtype == "bfloat16",
        activation_checkpointing=settings.gradient_checkpointing,
        seed=seed,
        data_seed=seed,
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        save_total_limit=KEPT_CHECKPOINTS,
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="all",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=settings.device == "cuda",
        use_cpu=settings.device == "cpu",
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # else the Trainer takes as many examples a step, times the GPUs it happens to see
    return arguments


def _trainer(model, dataset, arguments, label: str):
    from transformers import PrinterCallback, Trainer

    from closedbook.training import trainer

    kind = trainer.WeightedTrainer if "weights" in dataset[0] else Trainer
    result = kind(model=model, args=arguments, train_dataset=dataset, callbacks=[trainer.Progress(label)])
    result.remove_callback(PrinterCallback)
    return result
