"""What closedbook adds to transformers' Trainer. Imported only where something is trained: transformers takes seconds to load."""

import time

import torch
from transformers import Trainer, TrainerCallback

from closedbook.util import terminal

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


class Progress(TrainerCallback):
    """One line to stderr every tenth of the steps or 30 seconds: label, step, loss, tokens a second."""

    def __init__(self, label: str):
        self.label = label

    def on_train_begin(self, args, state, control, **kwargs):
        self.tokens, self.time = state.num_input_tokens_seen, time.monotonic()
        if state.global_step:
            terminal.note(f"{self.label}: resumes after step {state.global_step:,} of {state.max_steps:,}")

    def on_log(self, args, state, control, logs=None, **kwargs):
        step, seconds = state.global_step, time.monotonic() - self.time
        due = step == state.max_steps or step % max(1, state.max_steps // 10) == 0 or seconds >= SECONDS_BETWEEN_LINES
        if "loss" not in logs or not due:
            return
        speed = (state.num_input_tokens_seen - self.tokens) / max(seconds, 1e-9)
        terminal.note(f"{self.label}: step {step:,} of {state.max_steps:,}, loss {logs['loss']:.3f}, {speed:,.0f} tokens/s")
        self.tokens, self.time = state.num_input_tokens_seen, time.monotonic()
