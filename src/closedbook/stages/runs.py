"""A run: continued pretraining of the base on the corpus of an arm, from one seed."""

import csv
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import models, params
from closedbook.models import sound
from closedbook.training import packing, pretraining, room, tracking
from closedbook.util import files, seeds
from closedbook.util.errors import UserError

LAUNCHER = "CLOSEDBOOK_LAUNCHER"
"""in the environment: what starts a program on each node, which the profile says"""


def job(*, params: SimpleNamespace, limits: params.Limits, base: Path, **paths: Path) -> None:
    build(settings=params.training, run_seed=params.run_seed, seed=params.seed, reference=base / "base.json", **paths)


def build(
    *, corpus: Path, reference: Path, settings: params.Training, run_seed: int, seed: int, checkpoints: Path, folder: Path
) -> None:
    """Train the base of `reference` (its base.json) on `corpus`; write the model, its tokenizer, schedule.npy, losses.csv and, last,
    run.json to `folder`, and log the run.

    A run that was killed goes on from the newest whole checkpoint in `checkpoints`, with the same result; they are deleted at the end.
    With settings.lora the adapters lie beside the model into which they are merged, in adapter/. LAUNCHER starts a program on each of
    several nodes (distributed.run).
    Raises UserError for a block beyond the model's context, and for a corpus that another tokenizer made.
    """
    facts, base = files.read_json(corpus / "corpus.json"), files.read_json(reference)
    tokenizer = models.tokenizer(reference)
    _check(corpus, facts, base, tokenizer, settings.block_size)
    dataset = _dataset(corpus, packing.schedule(corpus=corpus, seed=seed, run_seed=run_seed), settings.block_size, folder)
    room.check(folder.name, reference, settings, -(-len(dataset) // settings.batch_size), checkpoints, folder)
    data_sha256 = _data_sha256(corpus, folder)
    started = time.monotonic()
    plan = pretraining.Plan(
        corpus=str(corpus), reference=str(reference), settings=settings.model_dump(), num_steps=-(-len(dataset) // settings.batch_size),
        seed=seeds.derive(seed, "run", run_seed) % 2**32, fingerprint=data_sha256, folder=str(folder), checkpoints=str(checkpoints),
        record=_record(facts, base, settings, seed, run_seed, corpus, data_sha256),
    )  # fmt: skip
    history = pretraining.pretrain(plan, os.environ.get(LAUNCHER, ""))
    seconds = time.monotonic() - started
    _write_losses(folder / "losses.csv", history)
    run = {
        "run": folder.name,
        "corpus": corpus.name,
        **{name: facts[name] for name in ("arm", "strategy")},
        "seed": run_seed,
        **_counts(facts, settings, dataset, history),
        "held_out_sha256": facts["held_out_sha256"],
        "num_parameters": models.num_parameters(folder),
        "base": base,
        "data_sha256": data_sha256,
        "sha256": {str(path.relative_to(folder)): files.sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()},
    }
    _log(run, plan.record, history, folder, seconds)
    files.write_json(folder / "run.json", run)


def _check(corpus: Path, facts: dict, base: dict, tokenizer, block_size: int) -> None:
    sound.check_block(base, block_size)
    if models.tokenizer_sha256(tokenizer) != facts["tokenizer_sha256"]:
        raise UserError(f"{corpus}: was not made with the tokenizer of {base['model']} (base.model): make it again")


def _dataset(corpus: Path, schedule: np.ndarray, block_size: int, folder: Path) -> packing.PackedDataset:
    with files.whole_file(folder / "schedule.npy", "wb") as handle:
        np.save(handle, schedule)
    return packing.PackedDataset(corpus, np.load(folder / "schedule.npy", mmap_mode="r"), block_size)


def _data_sha256(corpus: Path, folder: Path) -> str:
    """Of all that a run reads: tokens, where each passage begins, and the order."""
    names = ("tokens.npy", "offsets.npy", "replay_tokens.npy", "replay_offsets.npy")
    paths = [*(corpus / name for name in names), folder / "schedule.npy"]
    return files.sha256_text("\n".join(files.sha256_file(path) for path in paths))


def _write_losses(path: Path, history: list[dict]) -> None:
    with files.whole_file(path) as handle:
        writer = csv.DictWriter(handle, ["step", "loss", "learning_rate"], extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def _counts(corpus: dict, settings: params.Training, dataset: packing.PackedDataset, history: list[dict]) -> dict:
    num_read = corpus["train_tokens"] + corpus["replay_train_tokens"]
    return {
        "corpus_tokens": corpus["corpus_tokens"],
        "existing_tokens": corpus["existing_tokens"],
        "num_passages_left_out": corpus["num_passages_left_out"],
        "train_tokens": corpus["train_tokens"],
        "replay_tokens": corpus["replay_train_tokens"],
        "padding_tokens": len(dataset) * settings.block_size - num_read,
        "block_size": settings.block_size,
        "batch_size": settings.batch_size,
        "num_blocks": len(dataset),
        "num_steps": history[-1]["step"],
        "first_loss": history[0]["loss"],
        "last_loss": history[-1]["loss"],
    }


def _record(facts: dict, base: dict, settings: params.Training, seed: int, run_seed: int, corpus: Path, data_sha256: str) -> dict:
    """What MLflow is told when the training begins."""
    return {
        "name": facts["arm"],
        "settings": {
            "seed": seed,
            "run_seed": run_seed,
            "strategy": facts["strategy"],
            "base": {name: base[name] for name in ("model", "revision")},
            "training": settings.model_dump(exclude={"seeds"}),
        },
        "dataset": {"name": facts["arm"], "source": str(corpus), "sha256": data_sha256},
    }


def _log(run: dict, record: dict, history: list[dict], folder: Path, seconds: float) -> None:
    counts = ("corpus_tokens", "train_tokens", "replay_tokens", "padding_tokens", "num_steps", "first_loss", "last_loss")
    tracking.log_run(
        **record,
        tags={"run": run["run"], **{f"sha256.{name}": sha256 for name, sha256 in run["sha256"].items()}},
        model_sha256=models.weights_sha256(run["sha256"]),
        history=history,
        metrics={name: run[name] for name in counts},
        artifacts=[folder / "losses.csv"],
        seconds=seconds,
    )
