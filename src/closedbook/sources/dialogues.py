"""Dialogues to learn to talk from: rows {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}, …]} of a file of
lines, or of a data set on the Hugging Face Hub, which is named NAME, NAME@REVISION or NAME@REVISION#SPLIT (without: the split train)."""

import json
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from closedbook.util.errors import UserError

Messages = list[dict[str, str]]
WANTED = 'rows {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, one per line'
SPLIT = "train"


def rows(path: str, field: str) -> Iterator[tuple[str, Messages]]:
    """Each dialogue, after where it stands (FILE:LINE), for errors. A system message may come first; then user and assistant alternate, and the
    assistant has the last word.

    Raises UserError for a dialogue that is none, for no dialogue at all, and for a data set that can't be had; `field` is the parameter that
    holds `path`.
    """
    number = 0
    for number, (place, row) in enumerate(_of_file(Path(path)) if is_file(path) else _of_hub(path, field), 1):
        yield place, _checked(row, place, field)
    if not number:
        raise UserError(f"params.yaml: {field}: {path} holds no dialogue: give it {WANTED}")


def is_file(path: str) -> bool:
    return Path(path).is_file()


def _of_file(path: Path) -> Iterator[tuple[str, object]]:
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            try:
                yield f"{path}:{number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}:{number}: not JSON ({error}): dialogues are {WANTED}") from None


def _of_hub(path: str, field: str) -> Iterator[tuple[str, object]]:
    from datasets import load_dataset
    from datasets.utils.logging import disable_progress_bar

    name, _, split = path.partition("#")
    name, _, revision = name.partition("@")
    disable_progress_bar()
    try:
        found = load_dataset(name, revision=revision or None, split=split or SPLIT)
    except Exception as error:  # a library of libraries: what can be wrong with a name, an account or a connection has many kinds
        raise UserError(f"params.yaml: {field}: {path} is neither a file here nor a data set that can be had ({' '.join(str(error).split())[:300]}): "
                        "give a file, or NAME@REVISION#SPLIT of a data set on the Hugging Face Hub; HF_HUB_OFFLINE=1 allows only what is "
                        "downloaded") from error  # fmt: skip
    for number, row in enumerate(found):
        yield f"{path}: row {number}", row


def _checked(row: object, place: str, field: str) -> Messages:
    """The messages of a row, with what they are read for alone."""
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise _wrong(place, field, f"no dialogue: dialogues are {WANTED}")
    for number, one in enumerate(messages, 1):
        if not isinstance(one.get("content"), str) or not one["content"].strip():
            raise _wrong(place, field, f"message {number} ({one.get('role')}) is empty: give it a content, or take the dialogue out")
    talk = messages[1:] if messages[0].get("role") == "system" else messages
    first = len(messages) - len(talk) + 1
    for number, (one, role) in enumerate(zip(talk, cycle(("user", "assistant"))), first):
        if one.get("role") != role:
            raise _wrong(place, field, f"message {number} is of {one.get('role')!r}, where {role} must speak: user and assistant alternate, the user "
                                       "begins, and a system message can only stand before all")  # fmt: skip
    if len(talk) % 2 or not talk:
        raise _wrong(place, field, "the assistant does not have the last word: end the dialogue with its answer, or take it out")
    return [{"role": one["role"], "content": one["content"]} for one in messages]


def _wrong(place: str, field: str, problem: str) -> UserError:
    return UserError(f"{place}: {problem} ({field} in params.yaml)")
