"""The base model: the one that every run starts from, pinned so that its weights can be identified later."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from closedbook import layout
from closedbook.models import pinning, sound
from closedbook.params import OWN_BASES, Limits
from closedbook.util import files

REPLAY = "replay.jsonl"
"""what a folder may bring beside the model: texts that it has learnt from"""


def job(*, params: SimpleNamespace, limits: Limits, sources: list[Path], **paths: Path) -> None:
    build(params=params, sources=sources, place=layout.BASE, **paths)


def build(*, sources: list[Path], folder: Path, place: Path, checkpoints: Path, params: SimpleNamespace) -> None:
    """Write replay.jsonl, tokenizer.json and, last, base.json to `folder`; one of OWN_BASES is trained there first, from `sources`, a world
    first. `place` is where the files of `folder` will lie, and such a one is loaded from.

    base.json: model, revision, load, context, sha256 of its files and of its tokenizer, and what stands around a text (see frame):
    before_text (ids), end_of_text (a token) and end_of_text_id.
    `params` holds base, and for the miniature also miniature, training and seed, for its sibling training; for others training.block_size,
    letters, whether a task compares letters, and linear, the layers that adapters are named for. Raises UserError where base.model is not a
    model that can be used (gated, absent, incomplete, of another form; see sound), or a folder whose receipt.json is of other files.
    """
    if maker := OWN_BASES.get(params.base.model):
        import_module(maker).make(params=params, sources=sources, folder=folder, checkpoints=checkpoints)
        source, load = str(folder), str(place)
    else:
        source = load = params.base.model
        brought = Path(load) / REPLAY
        files.write_text(folder / REPLAY, brought.read_text(encoding="utf-8") if brought.is_file() else "")
    pinned, tokenizer = pinning.pin(params.base.model, source, params.base.revision, params.base.end_of_text)
    pinned["load"] = load
    if source != str(folder):
        _check_fits(pinned, params, tokenizer)
        files.write_text(folder / "tokenizer.json", tokenizer.backend_tokenizer.to_str())  # so that tokenising needs no transformers
    files.write_json(folder / "base.json", pinned)


def _check_fits(pinned: dict, params: SimpleNamespace, tokenizer) -> None:
    """Whether blocks and tasks can be had of a base."""
    sound.check_block(pinned, params.training.block_size)
    if params.letters:
        sound.check_letters(pinned["model"], tokenizer)
    if params.linear:
        sound.check_linear(pinned, params.linear)
