"""The base model: the one that every run starts from, pinned so that anyone can tell later which weights it had."""

from pathlib import Path
from types import SimpleNamespace

from closedbook import files, models
from closedbook.errors import UserError

RECEIPT, REPLAY = "receipt.json", "replay.jsonl"
"""what a folder may bring beside the model: the receipt of its making, and texts that it has learnt from"""


def build(*, world: Path | None, folder: Path, place: Path, checkpoints: Path, params: SimpleNamespace) -> None:
    """Write replay.jsonl, tokenizer.json and, last, base.json (model, revision, load, context, tokenizer, sha256) to `folder`; the
    miniature is trained there first. `place` is where the files of `folder` will lie, and a miniature is loaded from.

    `params` holds base, and for the miniature also miniature, training and seed.
    Raises UserError where base.model is not a model that can be used: gated, absent, without a tokenizer, or a folder whose receipt.json
    is of other files.
    """
    if params.base.model == "miniature":
        from closedbook.miniature import base as miniature

        miniature.train(
            settings=params.miniature, training=params.training, world=world, seed=params.seed, folder=folder, checkpoints=checkpoints
        )
        source, load = str(folder), str(place)
    else:
        source = load = params.base.model
        brought = Path(load) / REPLAY
        files.write_text(folder / REPLAY, brought.read_text(encoding="utf-8") if brought.is_file() else "")
    tokenizer = models.pretrained_tokenizer(source, params.base.revision)
    if source != str(folder):
        files.write_text(folder / "tokenizer.json", tokenizer.backend_tokenizer.to_str())  # so that tokenising needs no transformers
    files.write_json(folder / "base.json", {"model": params.base.model, "load": load, **_pinned(source, params.base.revision),
                                            "tokenizer_sha256": models.tokenizer_sha256(tokenizer), "eos_token_id": tokenizer.eos_token_id})


def _pinned(load: str, revision: str | None) -> dict:
    """What a model is now: its commit on the Hub, or the hashes of its files; `context` is None where the model says no limit."""
    config = models.config(load, revision)
    place = Path(load)
    paths = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []
    digests = {path.name: files.sha256_file(path) for path in paths}
    _check_receipt(place, digests)
    return {
        "revision": models.commit(load, revision),
        "context": getattr(config.get_text_config(), "max_position_embeddings", None),
        "sha256": digests,
    }


def _check_receipt(folder: Path, digests: dict[str, str]) -> None:
    """A base that was made by this step can come with the receipt of its making; its files must then be those that were made."""
    if RECEIPT not in digests:
        return
    made = {Path(name).name: digest for name, digest in files.read_json(folder / RECEIPT)["outputs"].items()}
    for name in sorted(made.keys() - {"base.json"}):  # that one tells where the others lay
        if digests.get(name) != made[name]:
            raise UserError(f"params.yaml: base.model: {folder / name} is not the file that {folder / RECEIPT} is of (SHA-256 {made[name]}): "
                            "take the folder anew, or, if the change is meant, delete the receipt")
