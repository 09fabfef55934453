"""What closedbook adds to transformers' Trainer. Imported only where something is trained: transformers takes seconds to load."""

import resource
import sys
import time
from pathlib import Path

import torch
from transformers import Trainer, TrainerCallback

from closedbook.training import checkpoints, distributed, tracking
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


class Measuring(TrainerCallback):
    """The mean loss per token of held-out datasets, before the first step, every `steps` steps and after the last. Each process takes its share
    of the blocks. Nothing is drawn at random, so no weight depends on it; what was measured is in the Trainer's log, and so in checkpoints."""

    def __init__(self, held_out: dict, steps: int, record):
        self.held_out, self.steps, self.record = held_out, steps, record

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        if not state.global_step:
            self._measure(state, model)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step % self.steps == 0 or state.global_step == state.max_steps:
            self._measure(state, model)

    def _measure(self, state, model) -> None:
        model.eval()
        row = {"step": state.global_step, **{name: _mean_loss(model, blocks) for name, blocks in self.held_out.items()}}
        model.train()
        state.log_history.append({"step": state.global_step, "held_out": row})
        if self.record:
            self.record.step(tracking.held_out(row))


def _mean_loss(model, blocks) -> float:
    """Over all predicted tokens. A process whose share is smaller runs its last block once more, without counting it: weights that are shared
    out are gathered by all together."""
    device = next(model.parameters()).device
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    for first in range(0, len(blocks), distributed.world()):
        number = first + distributed.rank()
        block = blocks[min(number, len(blocks) - 1)]
        ids, labels = (torch.as_tensor(block[name], device=device)[None] for name in ("input_ids", "labels"))
        with torch.no_grad():
            loss = model(input_ids=ids, labels=labels).loss
        predicted = (labels[:, 1:] != -100).sum()
        if number < len(blocks):
            sums += torch.stack([loss.double() * predicted, predicted])
    if distributed.world() > 1:
        torch.distributed.all_reduce(sums)
    return (sums[0] / sums[1]).item()


class Recording(TrainerCallback):
    """Tells a tracking.Live of each step: loss, learning rate, gradient norm, tokens a second, and the most memory used so far."""

    def __init__(self, record):
        self.record = record

    def on_train_begin(self, args, state, control, **kwargs):
        self.tokens, self.time = state.num_input_tokens_seen, time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
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
