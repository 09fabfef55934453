"""The base model: the one that every run starts from, pinned so that its weights can be identified later."""

import tempfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from closedbook import layout, models
from closedbook.models import frame, sound
from closedbook.params import OWN_BASES, Limits
from closedbook.util import files
from closedbook.util.errors import UserError

RECEIPT, REPLAY = "receipt.json", "replay.jsonl"
"""what a folder may bring beside the model: the receipt of its making, and texts that it has learnt from"""


def job(*, params: SimpleNamespace, limits: Limits, sources: list[Path], **paths: Path) -> None:
    build(params=params, sources=sources, place=layout.BASE, **paths)


def build(*, sources: list[Path], folder: Path, place: Path, checkpoints: Path, params: SimpleNamespace) -> None:
    """Write replay.jsonl, tokenizer.json and, last, base.json to `folder`; one of OWN_BASES is trained there first, from `sources`, a world
    first. `place` is where the files of `folder` will lie, and such a one is loaded from.

    base.json: model, revision, load, context, sha256 of its files and of its tokenizer, and what stands around a text (see frame):
    before_text (ids), end_of_text (a token) and end_of_text_id.
    `params` holds base, and for the miniature also miniature, training and seed, for its sibling training; for others training.block_size, letters, whether a task
    compares letters, and linear, the layers that adapters are named for. Raises UserError where base.model is not a model that can be used (gated, absent, incomplete, of another form; see
    sound), or a folder whose receipt.json is of other files.
    """
    if maker := OWN_BASES.get(params.base.model):
        import_module(maker).make(params=params, sources=sources, folder=folder, checkpoints=checkpoints)
        source, load = str(folder), str(place)
    else:
        source = load = params.base.model
        if Path(load).is_dir():
            sound.check_files(Path(load))
        brought = Path(load) / REPLAY
        files.write_text(folder / REPLAY, brought.read_text(encoding="utf-8") if brought.is_file() else "")
    pinned, tokenizer = pin(params.base.model, source, params.base.revision, params.base.end_of_text)
    pinned["load"] = load
    if source != str(folder):
        _check_fits(pinned, params, tokenizer)
        files.write_text(folder / "tokenizer.json", tokenizer.backend_tokenizer.to_str())  # so that tokenising needs no transformers
    files.write_json(folder / "base.json", pinned)


def pin(model: str, source: str, revision: str | None, end_of_text: str | None, field: str = models.BASE) -> tuple[dict, object]:
    """What base.json says of a model that is loaded from `source`, and its tokenizer; `field`: the parameter that names it.

    Raises UserError where it is not a model that can be used.
    """
    tokenizer = models.pretrained_tokenizer(source, revision, field=field)
    around = _around(tokenizer, end_of_text)
    pinned = {"model": model, "load": source, **_pinned(source, revision), "tokenizer_sha256": models.tokenizer_sha256(tokenizer), **around}
    sound.check_weights(source, pinned["revision"], tokenizer, [*around["before_text"], around["end_of_text_id"]])
    return pinned, tokenizer


def _around(tokenizer, end_of_text: str | None) -> dict:
    """What stands around a text. Raises UserError where a copy of the tokenizer, as each run saves one, would set something else there."""
    before, _ = frame.around(tokenizer)
    with tempfile.TemporaryDirectory() as place:
        tokenizer.save_pretrained(place)
        saved = frame.around(models.pretrained_tokenizer(place, None, mended=False))
    if saved != (before, []):
        raise UserError(f"params.yaml: base.model: the tokenizer of {tokenizer.name_or_path} sets {before} before a text, and once saved "
                        f"{saved[0]} before and {saved[1]} after it: give it a tokenizer.json whose post-processor does the same")  # fmt: skip
    token, number = frame.end_of_text(tokenizer, end_of_text)
    return {"before_text": before, "end_of_text": token, "end_of_text_id": number}


def _check_fits(pinned: dict, params: SimpleNamespace, tokenizer) -> None:
    """Whether blocks and tasks can be had of a base."""
    sound.check_block(pinned, params.training.block_size)
    if params.letters:
        sound.check_letters(pinned["model"], tokenizer)
    if params.linear:
        sound.check_linear(pinned, params.linear)


def _pinned(load: str, revision: str | None) -> dict:
    """What a model is now: its commit on the Hub, or the hashes of its files; `context` is None where the model says no limit."""
    config = models.config(load, revision)
    place = Path(load)
    paths = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []
    digests = {path.name: files.sha256_file(path) for path in paths}
    _check_receipt(place, digests)
    return {
        "revision": models.commit(load, revision),
        "context": models.context(config),
        "sha256": digests,
    }


def _check_receipt(folder: Path, digests: dict[str, str]) -> None:
    """A base that was made by this stage can come with the receipt of its making; its files must then be those that were made."""
    if RECEIPT not in digests:
        return
    made = {Path(name).name: digest for name, digest in files.read_json(folder / RECEIPT)["outputs"].items()}
    for name in sorted(made.keys() - {"base.json"}):  # it records where the others were
        if digests.get(name) != made[name]:
            raise UserError(f"params.yaml: base.model: {folder / name} is not the file that {folder / RECEIPT} is of (SHA-256 {made[name]}): "
                            "take the folder anew, or, if the change is meant, delete the receipt")
