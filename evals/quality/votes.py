"""What a model's several responses to one question amount to."""

import hashlib
import re
from collections import Counter

LETTERS = "ABCDEFGHIJ"
ANSWER = r"^[^\w\n]*Answer:[^\w\n]*([A-{last}])(?:[.):*\]].*)?[^\S\n]*$"
"""a line that gives one letter, up to that of the last option, alone or before a full stop, a bracket, a colon or an asterisk and whatever
follows it"""


def choose(resps: list[list[str]], docs: list[dict]) -> list[dict]:
    """A filter of lm_eval: each question's responses become {"answers", "paper", "first", "majority"}, options by index, None for none."""
    return [_choices(doc["id"], [answer(text, len(doc["options"])) for text in texts]) for texts, doc in zip(resps, docs, strict=True)]


def answer(response: str, num_options: int) -> int | None:
    """The one of so many options that a response gives; None makes it invalid. What follows the first answer is no part of it."""
    match = re.search(ANSWER.replace("{last}", LETTERS[num_options - 1]), response, re.MULTILINE)
    return LETTERS.index(match[1]) if match else None


def _choices(question: str, answers: list[int | None]) -> dict:
    valid = [index for index in answers if index is not None]
    if not valid:
        return {"answers": answers, "paper": None, "first": None, "majority": None}
    pick = int.from_bytes(hashlib.sha256(question.encode("utf-8")).digest()) % len(valid)
    majority = Counter(valid).most_common(1)[0][0]  # of several with most votes the one that came first
    return {"answers": answers, "paper": valid[pick], "first": valid[0], "majority": majority}
