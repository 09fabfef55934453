"""The Trainer of closedbook against a bare PyTorch loop over the same model and blocks, in turns in one process.

    PYTHONPATH=src python benchmarks/training.py [--steps 60] [--rounds 3]

Prints tokens per second of each round and the ratio of the best ones.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from closedbook import models, params
from closedbook.training import loop, pretraining

BASE = Path("src/closedbook/miniature/trained")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = params.load().training
    blocks = made_up(options.steps, settings, 2000)
    found = {"bare": [], "closedbook": []}
    for number in range(options.rounds):
        for name, run in (("bare", bare), ("closedbook", ours)):
            found[name].append(run(models.model(BASE, "float32"), settings, blocks))
            print(f"round {number + 1}: {name} {found[name][-1]:,.0f} tokens/s", flush=True)
    print(f"ratio of the best rounds: {max(found['closedbook']) / max(found['bare']):.3f}")


def made_up(steps: int, settings: params.Training, vocabulary: int) -> list[dict]:
    """Blocks of random tokens for so many steps."""
    drawn = np.random.default_rng(1).integers(1, vocabulary, (steps * settings.batch_size, settings.block_size))
    return [{"input_ids": row, "labels": row} for row in drawn]


def ours(model, settings: params.Training, blocks: list[dict], clock=time.monotonic) -> float:
    """Tokens per second, by the times at which the first and the last step end."""
    times = []

    class Times:
        def step(self, row):
            times.append(clock())

    steps = len(blocks) // settings.batch_size
    with tempfile.TemporaryDirectory() as folder:
        given = settings.model_copy(update={"checkpoint_steps": 10**6})
        loop.arguments(given, steps, 1, Path(folder))
        loop.train(model=pretraining.prepared(model, settings, seed=1, label="benchmark"), dataset=blocks, settings=given, num_steps=steps, seed=1,
                   folder=Path(folder), label="benchmark", fingerprint="", record=Times())  # fmt: skip
    return rate(times, settings)


def bare(model, settings: params.Training, blocks: list[dict]) -> float:
    """The same of a loop of ten lines."""
    torch.set_num_threads(settings.threads)
    model.set_attn_implementation(settings.attention)
    model.to(settings.device).train()
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=True)
    size, times = settings.batch_size // settings.accumulation, []
    for first in range(0, len(blocks), settings.batch_size):
        for start in range(first, first + settings.batch_size, size):
            ids = torch.from_numpy(np.stack([block["input_ids"] for block in blocks[start : start + size]])).to(settings.device)
            with torch.autocast(settings.device, torch.bfloat16, enabled=settings.dtype == "bfloat16"):
                loss = model(input_ids=ids, labels=ids, use_cache=False).loss / settings.accumulation
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if settings.device == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic())
    return rate(times, settings)


def rate(times: list[float], settings: params.Training) -> float:
    return (len(times) - 1) * settings.batch_size * settings.block_size / (times[-1] - times[0])


if __name__ == "__main__":
    main()
