"""The Trainer of closedbook against a bare PyTorch loop over the same model and blocks, in turns in one process.

    PYTHONPATH=src:tests python benchmarks/training.py [--steps 60] [--rounds 3]

Prints tokens per second of each round and the ratio of the best ones.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from closedbook import models, params
from closedbook.training import loop

BASE = Path("src/closedbook/miniature/trained")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = params.load().training
    blocks = made_up(options.steps * settings.batch_size, settings.block_size)
    tokens = options.steps * settings.batch_size * settings.block_size
    found = {"bare": [], "closedbook": []}
    for number in range(options.rounds):
        for name, run in (("bare", bare), ("closedbook", ours)):
            found[name].append(tokens / run(settings, blocks, options.steps))
            print(f"round {number + 1}: {name} {found[name][-1]:,.0f} tokens/s", flush=True)
    print(f"ratio of the best rounds: {max(found['closedbook']) / max(found['bare']):.3f}")


def made_up(number: int, size: int) -> list[dict]:
    drawn = np.random.default_rng(1).integers(1, 2000, (number, size))
    return [{"input_ids": row, "labels": row} for row in drawn]


def ours(settings: params.Training, blocks: list[dict], steps: int) -> float:
    """Seconds of the steps alone, by the times at which the first and the last one end."""
    times = []

    class Times:
        def step(self, row):
            times.append(time.monotonic())

    with tempfile.TemporaryDirectory() as folder:
        loop.train(model=models.model(BASE, "float32"), dataset=blocks, settings=settings.model_copy(update={"checkpoint_steps": 10**6}),
                   num_steps=steps, seed=1, folder=Path(folder), label="benchmark", fingerprint="", record=Times())  # fmt: skip
    return (times[-1] - times[0]) * steps / (steps - 1)


def bare(settings: params.Training, blocks: list[dict], steps: int) -> float:
    torch.set_num_threads(settings.threads)
    model = models.model(BASE, "float32")
    model.set_attn_implementation(settings.attention)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=True)
    times = []
    for step in range(steps):
        ids = torch.from_numpy(np.stack([block["input_ids"] for block in blocks[step * settings.batch_size : (step + 1) * settings.batch_size]]))
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.dtype == "bfloat16"):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.monotonic())
    return (times[-1] - times[0]) * steps / (steps - 1)


if __name__ == "__main__":
    main()
