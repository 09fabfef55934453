"""Training with transformers' Trainer: examples in their given order, and bit-identical weights after a kill and a resume.

The base model of the miniature and every continued pretraining go through `train`, the latter in several processes too (distributed).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from closedbook import models, params
from closedbook.training import checkpoints, distributed
from closedbook.util import files
from closedbook.util.errors import writing

KEPT_CHECKPOINTS = 2
"""the newest may be the one that a kill broke"""


@dataclass(frozen=True)
class Trained:
    history: list[dict]
    """a row {"step", "loss", "learning_rate", "grad_norm"} per step"""
    held_out: list[dict]
    """a row {"step", name: loss, …} per measurement on the held-out data"""
    weights: dict | None
    """the trained weights by name, where they were shared out among processes: in the first of these, None in the others and elsewhere"""


def train(
    *, model, dataset, settings: params.Training, num_steps: int, seed: int, folder: Path, label: str, fingerprint: str, record=None,
    held_out: dict | None = None,
) -> Trained:  # fmt: skip
    """Train `model` in place for `num_steps` optimizer steps.

    `dataset[i]` is {"input_ids": int64 [S], "labels": int64 [S], -100 where nothing is to be predicted} and is used in step
    i // settings.batch_size, whatever the number of processes; after its end it starts again. S may differ from step to step. Labels are not
    shifted: the model predicts label i from what precedes it. With a further "weights": float32 [S], the loss is sum(w * l) / sum(w) over a
    step's predicted tokens.

    Checkpoints go to `folder`, and a second call takes up the newest whole one. `fingerprint` stands for the data: checkpoints of
    other data, another model, other settings or another number of processes are deleted. The folder is the caller's to delete once the
    trained model is in place. `record` is a tracking.Live, which is told of each step.
    `held_out` are further datasets by name, whose mean loss per token is measured before the first step, every settings.evaluate_steps and
    after the last one.
    In several processes each calls this once torchrun has started it; `arguments` is to be called before the model is loaded.
    """
    import torch

    folder = Path(folder)
    given = arguments(settings, num_steps, seed, folder)
    if distributed.is_first():
        checkpoints.claim(folder, identity(model, settings, num_steps=num_steps, seed=seed, data=fingerprint), label)
    distributed.wait_for_all()
    models.quiet()
    models.check_device(settings.device, "training.device")
    torch.set_num_threads(settings.threads)
    model.set_attn_implementation(settings.attention)
    use_cache = model.config.use_cache
    trainer = _trainer(model, dataset, given, settings, label, record, held_out)
    with writing(folder):
        trainer.train(resume_from_checkpoint=checkpoints.newest_whole(folder))
    model.config.use_cache = use_cache  # the Trainer switches it off, and it would be saved so
    rows = [row for row in trainer.state.log_history if "loss" in row]
    history = [{name: row[name] for name in ("step", "loss", "learning_rate", "grad_norm")} for row in rows]
    measured = [row["held_out"] for row in trainer.state.log_history if "held_out" in row]
    return Trained(history, measured, _gathered(trainer) if settings.sharding == "fsdp" else None)


def identity(model, settings: params.Training, **others) -> dict:
    """"sha256" of all that decides the bits of a training, the libraries and the kind of device among it, and its "processes"."""
    import accelerate
    import peft
    import torch
    import transformers

    weights = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    what = settings.model_dump(exclude={"seeds", "checkpoint_steps"}) | others
    what |= {"config": model.config.to_json_string(), "weights": weights.hexdigest()}
    what |= {"gpu": torch.cuda.get_device_name() if settings.device == "cuda" else None}
    what |= {library.__name__: library.__version__ for library in (accelerate, peft, torch, transformers)}
    return {"sha256": files.sha256_text(files.canonical(what)), "processes": settings.world}


def _gathered(trainer) -> dict | None:
    """The whole weights, of which each process holds a part."""
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    return weights if distributed.is_first() else None


def arguments(settings: params.Training, num_steps: int, seed: int, folder: Path):
    """transformers' arguments of a training. Of several processes, this connects them."""
    from transformers import TrainingArguments

    found = TrainingArguments(
        output_dir=str(folder),
        max_steps=num_steps,
        per_device_train_batch_size=settings.batch_size // (settings.accumulation * settings.world),
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
        optim=settings.optimizer,
        bf16=settings.dtype == "bfloat16",
        torch_compile=settings.compile,
        activation_checkpointing=settings.gradient_checkpointing and settings.sharding == "none",
        ddp_backend={"cpu": "gloo", "cuda": "nccl"}[settings.device] if settings.world > 1 else None,
        ddp_find_unused_parameters=False,
        **(_sharded(settings) if settings.sharding == "fsdp" else {}),
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
    if found.n_gpu > 1 and settings.world == 1:
        found._n_gpu = 1  # else the Trainer takes as many examples a step, times the GPUs it happens to see
    if settings.sharding == "fsdp" and settings.device == "cpu":
        _shard_on_cpu(found)
    return found


def _sharded(settings: params.Training) -> dict:
    """FSDP2, each of whose processes writes its own part of a checkpoint. The first process of a node reads the weights for the others."""
    return {"fsdp": True, "fsdp_config": {
        "version": 2, "reshard_after_forward": True, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "state_dict_type": "SHARDED_STATE_DICT",
        "cpu_ram_efficient_loading": True, "activation_checkpointing": settings.gradient_checkpointing,
    }}  # fmt: skip


def _shard_on_cpu(arguments) -> None:
    """accelerate takes FSDP on CPUs for plain data parallelism; it does shard where the processes are said to be several GPUs'."""
    from accelerate import state
    from accelerate.utils import DistributedType

    _ = arguments.distributed_state  # connects the processes
    state.PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    state.AcceleratorState._reset_state()


def _trainer(model, dataset, given, settings: params.Training, label: str, record, held_out):
    from transformers import PrinterCallback, Trainer

    from closedbook.training import trainer

    kind = trainer.WeightedTrainer if "weights" in dataset[0] else Trainer
    if settings.world > 1:
        dataset = trainer.WholeSteps(dataset, settings.batch_size)
    measuring = [trainer.Measuring(held_out, settings.evaluate_steps, record)] if held_out and settings.evaluate_steps else []
    recording = [trainer.Recording(record)] if record else []
    result = kind(model=model, args=given, train_dataset=dataset, callbacks=[trainer.Progress(label), trainer.Mark(), *recording, *measuring])
    result.remove_callback(PrinterCallback)
    if settings.sharding == "fsdp" and settings.dtype == "bfloat16":
        _reduce_in_float32(result.accelerator)
    return result


def _reduce_in_float32(accelerator) -> None:
    """As without sharding: what several processes found is summed, and the loss given, in float32, which accelerate would do in bfloat16."""
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy

    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=torch.float32)
    accelerator.state.fsdp_plugin.mixed_precision_policy = policy
