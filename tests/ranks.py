"""One process of several that train a toy: `torchrun tests/ranks.py FOLDER SETTINGS-AS-JSON`. Each writes what it was given to FOLDER."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import toys

from closedbook.training import checkpoints, distributed, loop, loss, pretraining

STEPS, BLOCKS = 12, 46
"""the last step has two blocks of four"""


def kill_at(step: int, mark):
    """Kill this process in the middle of writing the checkpoint of a step: its files are there, and not its mark."""

    def marked(checkpoint: Path) -> None:
        if checkpoint.name == f"checkpoint-{step}":
            os.kill(os.getpid(), 9)
        mark(checkpoint)

    return marked


def pattern(index: int) -> np.ndarray:
    """Tokens [16] of which most follow from those before."""
    return np.arange(16) * (1 + index % 3) % 7 + 40


class Examples:
    def __init__(self):
        self.read = []

    def __len__(self):
        return BLOCKS

    def __getitem__(self, index):
        if index == int(os.environ.get("KILL_AT", -1)):
            os.kill(os.getpid(), 9)
        self.read.append(index)
        tokens = pattern(index)
        return {"input_ids": tokens, "labels": tokens.copy()}


def accuracy(weights: dict) -> float:
    """The share of next tokens that the trained toy expects."""
    model = toys.model()
    model.load_state_dict(weights)
    blocks = torch.from_numpy(np.stack([pattern(index) for index in range(3)]))
    with torch.no_grad():
        return (model(input_ids=blocks).logits[:, :-1].argmax(-1) == blocks[:, 1:]).float().mean().item()


def main(folder: Path, settings: dict) -> None:
    distributed.die_with_parent()
    examples, model = Examples(), toys.model(dropout=settings.pop("dropout", 0.0))
    loss.MOST_LOGITS = settings.pop("most_logits", loss.MOST_LOGITS)
    chosen = toys.TRAINING.model_copy(update=settings)
    loop.arguments(chosen, STEPS, 3, folder / "checkpoints")
    model = pretraining.prepared(model, chosen, seed=3, label="toy")
    if "KILL_MARK" in os.environ:
        checkpoints.mark = kill_at(int(os.environ["KILL_MARK"]), checkpoints.mark)
    trained = loop.train(model=model, dataset=examples, settings=chosen, num_steps=STEPS, seed=3, folder=folder / "checkpoints", label="toy",
                         fingerprint="data")  # fmt: skip
    (folder / f"read-{distributed.rank()}.json").write_text(json.dumps(examples.read))
    if distributed.is_first():
        weights = trained.weights or model.state_dict()
        (folder / "trained.json").write_text(json.dumps({
            "history": trained.history, "kind": type(next(model.parameters())).__name__,
            "accuracy": accuracy(weights), "weights": {name: tensor.double().sum().item() for name, tensor in sorted(weights.items())},
        }))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
