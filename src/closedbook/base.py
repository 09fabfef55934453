"""The base model: the one that every run starts from, pinned so that anyone can tell later which weights it had."""

import shutil
from pathlib import Path
from types import SimpleNamespace

from closedbook import files, models


def build(*, world: Path | None, folder: Path, checkpoints: Path, params: SimpleNamespace) -> None:
    """Write replay.jsonl, tokenizer.json and, last, base.json (model, revision, load, context, tokenizer, sha256) to `folder`; the
    miniature is trained there first.

    `params` holds base, and for the miniature also miniature, training and seed.
    Raises UserError where base.model is not a model that can be used: gated, absent, without a tokenizer.
    """
    if folder.exists():
        shutil.rmtree(folder)  # the weights of another base would stay beside the new one's
    if params.base.model == "miniature":
        from closedbook.miniature import base as miniature

        miniature.train(
            settings=params.miniature, training=params.training, world=world, seed=params.seed, folder=folder, checkpoints=checkpoints
        )
        load = str(folder)
    else:
        files.write_text(folder / "replay.jsonl", "")
        load = params.base.model
    tokenizer = models.pretrained_tokenizer(load, params.base.revision)
    if load != str(folder):
        files.write_text(folder / "tokenizer.json", tokenizer.backend_tokenizer.to_str())  # so that tokenising needs no transformers
    files.write_json(folder / "base.json", {"model": params.base.model, "load": load, **_pinned(load, params.base.revision),
                                            "tokenizer_sha256": models.tokenizer_sha256(tokenizer), "eos_token_id": tokenizer.eos_token_id})


def _pinned(load: str, revision: str | None) -> dict:
    """What a model is now: its commit on the Hub, or the hashes of its files; `context` is None where the model says no limit."""
    config = models.config(load, revision)
    place = Path(load)
    paths = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []
    return {
        "revision": models.commit(load, revision),
        "context": getattr(config.get_text_config(), "max_position_embeddings", None),
        "sha256": {path.name: files.sha256_file(path) for path in paths},
    }
