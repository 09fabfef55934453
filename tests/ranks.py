"""One process of several that train a toy: `torchrun tests/ranks.py FOLDER SETTINGS-AS-JSON`. Each writes what it was given to FOLDER."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import toys

from closedbook.training import distributed, loop

STEPS, BLOCKS = 4, 14
"""the last step has two blocks of four"""


class Examples:
    def __init__(self):
        self.read = []

    def __len__(self):
        return BLOCKS

    def __getitem__(self, index):
        if index == int(os.environ.get("KILL_AT", -1)):
            os.kill(os.getpid(), 9)
        self.read.append(index)
        tokens = np.random.default_rng(index).integers(0, 350, 16)
        return {"input_ids": tokens, "labels": tokens.copy()}


def main(folder: Path, settings: dict) -> None:
    distributed.die_with_parent()
    chosen = toys.TRAINING.model_copy(update=settings)
    loop.arguments(chosen, STEPS, 3, folder / "checkpoints")
    examples, model = Examples(), toys.model(dropout=settings.pop("dropout", 0.0))
    trained = loop.train(model=model, dataset=examples, settings=chosen, num_steps=STEPS, seed=3, folder=folder / "checkpoints", label="toy",
                         fingerprint="data")  # fmt: skip
    (folder / f"read-{distributed.rank()}.json").write_text(json.dumps(examples.read))
    if distributed.is_first():
        weights = trained.weights or model.state_dict()
        (folder / "trained.json").write_text(json.dumps({
            "history": trained.history, "kind": type(next(model.parameters())).__name__,
            "weights": {name: tensor.double().sum().item() for name, tensor in sorted(weights.items())},
        }))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
