"""Dialogues to learn to talk from: rows {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}, …]} of a file or of a
data set on the Hugging Face Hub (see given)."""

from collections.abc import Iterator
from itertools import cycle

from closedbook.sources import given
from closedbook.util.errors import UserError

Messages = list[dict[str, str]]
WANTED = 'dialogues, rows {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, one per line'


def rows(path: str, field: str) -> Iterator[tuple[str, Messages]]:
    """Each dialogue, after where it stands (FILE:LINE), for errors. A system message may come first; then user and assistant alternate, and the
    assistant has the last word.

    Raises UserError for a dialogue that is none, for no dialogue at all, and for a data set that can't be had; `field` is the parameter that
    holds `path`.
    """
    number = 0
    for number, (place, row) in enumerate(given.rows(path, field, WANTED), 1):
        yield place, _checked(row, place, field)
    if not number:
        raise UserError(f"params.yaml: {field}: {path} holds no dialogue: give it {WANTED}")


def _checked(row: object, place: str, field: str) -> Messages:
    """The messages of a row, with what they are read for alone."""
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise _wrong(place, field, f"no dialogue: give it {WANTED}")
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
