"""A toy's corpus and the runs of it."""

from contextlib import nullcontext
from pathlib import Path

import toys

from closedbook import params
from closedbook.stages import runs
from closedbook.training import tracking

ARM = params.Arm(strategy="entigraph", corpus_tokens=300, epochs=2)


def world(folder: Path, held_out: int = 0) -> Path:
    """A base and a corpus of 300 tokens, to be read twice."""
    toys.base(folder / "base")
    passages = toys.passages(folder, "lamp", [f"{number}. {toys.SENTENCES[number % 4]}" for number in range(20)])
    toys.built(folder / "corpus", folder, folder / "base", [passages], corpus_tokens=300, held_out=held_out)
    toys.replay(folder / "tokens/replay/all", folder / "base", held_out=held_out)
    return folder


def given(world: Path) -> dict:
    """What a run reads and how long it trains, as runs.build is told."""
    return {"arm": "toy", "length": ARM, "corpus": world / "corpus", "pieces": sorted(world.glob("tokens/entigraph/*.npy")),
            "replay": world / "tokens/replay/all", "replay_overlap": world / "tokens/replay_overlap/all.jsonl", "replay_rate": 0.1}  # fmt: skip


def build(world: Path, folder: Path, run_seed=1, **settings) -> dict[str, bytes]:
    """The files of a run, by their paths within its folder."""
    runs.build(
        **given(world), reference=world / "base" / "base.json", settings=toys.TRAINING.model_copy(update=settings),
        run_seed=run_seed, seed=1, checkpoints=folder.parent / "checkpoints" / folder.name, folder=folder,
    )  # fmt: skip
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unlogged(patch) -> list[dict]:
    """Have nothing go to MLflow, and return what would."""
    calls = []
    patch.setattr(tracking, "log_run", lambda **call: calls.append(call))
    patch.setattr(tracking, "live", lambda record: nullcontext())
    return calls
