"""What a model is now, so that it can be told later which weights it had."""

import tempfile
from pathlib import Path

from closedbook import models
from closedbook.models import frame, sound
from closedbook.util import files
from closedbook.util.errors import UserError

RECEIPT = "receipt.json"
"""the receipt of its making, which a folder may bring beside the model"""


def pin(model: str, source: str, revision: str | None, end_of_text: str | None, field: str = models.BASE) -> tuple[dict, object]:
    """What base.json says of a model that is loaded from `source`, and its tokenizer; `field`: the parameter that names it.

    Raises UserError where it is not a model that can be used.
    """
    if Path(source).is_dir():
        sound.check_files(Path(source), field)
    tokenizer = models.pretrained_tokenizer(source, revision, field=field)
    around = _around(tokenizer, end_of_text, field)
    pinned = {"model": model, "load": source, **_pinned(source, revision, field), "tokenizer_sha256": models.tokenizer_sha256(tokenizer), **around}
    sound.check_weights(source, pinned["revision"], tokenizer, [*around["before_text"], around["end_of_text_id"]], field)
    return pinned, tokenizer


def _around(tokenizer, end_of_text: str | None, field: str) -> dict:
    """What stands around a text. Raises UserError where a copy of the tokenizer, as each run saves one, would set something else there."""
    before, _ = frame.around(tokenizer)
    with tempfile.TemporaryDirectory() as place:
        tokenizer.save_pretrained(place)
        saved = frame.around(models.pretrained_tokenizer(place, None, mended=False))
    if saved != (before, []):
        raise UserError(f"params.yaml: {field}: the tokenizer of {tokenizer.name_or_path} sets {before} before a text, and once saved "
                        f"{saved[0]} before and {saved[1]} after it: give it a tokenizer.json whose post-processor does the same")  # fmt: skip
    token, number = frame.end_of_text(tokenizer, end_of_text)
    return {"before_text": before, "end_of_text": token, "end_of_text_id": number}


def _pinned(load: str, revision: str | None, field: str) -> dict:
    """What a model is now: its commit on the Hub, or the hashes of its files; `context` is None where the model says no limit."""
    config = models.config(load, revision)
    place = Path(load)
    paths = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []
    digests = {path.name: files.sha256_file(path) for path in paths}
    _check_receipt(place, digests, field)
    return {
        "revision": models.commit(load, revision),
        "context": models.context(config),
        "sha256": digests,
    }


def _check_receipt(folder: Path, digests: dict[str, str], field: str) -> None:
    """A base that was made here can come with the receipt of its making; its files must then be those that were made."""
    if RECEIPT not in digests:
        return
    made = {Path(name).name: digest for name, digest in files.read_json(folder / RECEIPT)["outputs"].items()}
    for name in sorted(made.keys() - {"base.json"}):  # it records where the others were
        if digests.get(name) != made[name]:
            raise UserError(f"params.yaml: {field}: {folder / name} is not the file that {folder / RECEIPT} is of (SHA-256 {made[name]}): "
                            "take the folder anew, or, if the change is meant, delete the receipt")
