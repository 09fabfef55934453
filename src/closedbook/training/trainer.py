"""What closedbook adds to transformers' Trainer. Imported only where something is trained: transformers takes seconds to load."""

import resource
import sys
import time
from pathlib import Path

import torch
from transformers import Trainer, TrainerCallback

from closedbook.training import checkpoints
from closedbook.util import tables, terminal

SECONDS_BETWEEN_LINES = 30


class WeightedTrainer(Trainer):
    """A Trainer whose loss is the mean of the token losses weighted by the examples' "weights", over a whole step."""

    loss_is_scaled_for_ga = True

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        return batches, sum(_weights(batch).sum() for batch in batches).to(device)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        logits = model(input_ids=inputs["input_ids"]).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), inputs["labels"][:, 1:], reduction="none")
        loss = (losses * _weights(inputs)).sum() / num_items_in_batch
        return (loss, {"logits": logits}) if return_outputs else loss


def _weights(batch) -> torch.Tensor:
    """Weight of each prediction [B, S-1]: a label's own, 0 where the label is to be ignored."""
    return batch["weights"][:, 1:] * (batch["labels"][:, 1:] != -100)


class WholeSteps:
    """A dataset with blocks at its end of which nothing is to be predicted, so that its last step has as many as the others: several processes
    share a step's blocks evenly, and would else read some of the first ones again."""

    def __init__(self, dataset, batch_size: int):
        self.dataset, self.num_blocks = dataset, -(-len(dataset) // batch_size) * batch_size

    def __len__(self) -> int:
        return self.num_blocks

    def __getitem__(self, block: int) -> dict:
        if block < len(self.dataset):
            return self.dataset[block]
        last = self.dataset[len(self.dataset) - 1]
        return last | {"labels": [-100] * len(last["labels"])}


class Mark(TrainerCallback):
    """Says of a checkpoint that it is whole."""

    def on_save(self, args, state, control, **kwargs):
        checkpoints.mark(Path(args.output_dir) / f"checkpoint-{state.global_step}")


class Progress(TrainerCallback):
    """A line to stderr every tenth of the steps or 30 seconds: label, step, loss, tokens a second, time left."""

    def __init__(self, label: str):
        self.label = label

    def on_train_begin(self, args, state, control, **kwargs):
        self.tokens, self.time = state.num_input_tokens_seen, time.monotonic()
        if state.global_step and state.is_world_process_zero:
            terminal.note(f"{self.label}: resumes after step {state.global_step:,} of {state.max_steps:,}")

    def on_log(self, args, state, control, logs=None, **kwargs):
        step, seconds = state.global_step, time.monotonic() - self.time
        due = step == state.max_steps or step % max(1, state.max_steps // 10) == 0 or seconds >= SECONDS_BETWEEN_LINES
        if "loss" not in logs or not due or not state.is_world_process_zero:
            return
        speed = (state.num_input_tokens_seen - self.tokens) / max(seconds, 1e-9)
        left = (state.max_steps - step) * state.num_input_tokens_seen / step / max(speed, 1e-9)
        terminal.note(f"{self.label}: step {step:,} of {state.max_steps:,}, loss {logs['loss']:.3f}, {speed:,.0f} tokens/s, "
                      f"{tables.duration(left)} left")  # fmt: skip
        self.tokens, self.time = state.num_input_tokens_seen, time.monotonic()


class Recording(TrainerCallback):
    """Tells a tracking.Live of each step: loss, learning rate, gradient norm, tokens a second, and the most memory used so far."""

    def __init__(self, record):
        self.record = record

    def on_train_begin(self, args, state, control, **kwargs):
        self.tokens, self.time = state.num_input_tokens_seen, time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
        measured = {name: value for name, value in logs.items() if name.startswith("eval_") and name.endswith("_loss")}
        if measured:
            self.record.step({"step": state.global_step, **{f"held_out.{name[5:-5]}": value for name, value in measured.items()}})
        if "loss" not in logs:
            return
        now = time.monotonic()
        speed = (state.num_input_tokens_seen - self.tokens) / max(now - self.time, 1e-9)
        self.tokens, self.time = state.num_input_tokens_seen, now
        values = {name: logs[name] for name in ("loss", "learning_rate", "grad_norm")}
        self.record.step({"step": state.global_step, **values, "tokens_per_second": speed, "memory_gib": _memory(args.device) / 2**30})


def _memory(device: torch.device) -> int:
    """Bytes that were in use at most: of the device, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
