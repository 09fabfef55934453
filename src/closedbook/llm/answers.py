"""What came back: the answer as the ledger holds it, and whether it is of use."""

import re
from collections.abc import Callable
from functools import lru_cache

from closedbook import files, prompts
from closedbook.ledger import GIVEN_UP

REFUSAL = re.compile(r"\s*(I'm sorry|I am sorry|Sorry,|I apologi[sz]e|I can(no|')t|I can’t|I am unable|I'm unable|As an AI)", re.IGNORECASE)
REFUSAL_LENGTH = 400
"""a longer text that begins with such words is a passage, not a refusal"""
CACHED, WRITTEN = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"
"""what the ledger calls those tokens of the input that the provider had in its cache, and those that it put there"""
RUN = 20
"""words in a row that nobody writes by chance as they were sent"""


class Invalid(Exception):
    """An answer that does not hold what was asked for; says what is wrong with it."""


def read(response) -> dict:
    """An answer in the ledger's terms; tokens are None where the server did not count them."""
    choice = response.choices[0]
    text = (choice.message.content or "").encode("utf-8", "replace").decode("utf-8").strip()  # half a character can't be kept
    usage = response.usage if response.usage and response.usage.prompt_tokens else None  # LiteLLM puts noughts for what is not there
    usage = usage if usage and is_count(usage.prompt_tokens) and is_count(usage.completion_tokens) else None
    return {
        "gen_ai.response.id": response.id,
        "gen_ai.response.model": response.model,
        "gen_ai.response.finish_reasons": [choice.finish_reason],
        "gen_ai.usage.input_tokens": usage and usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage and usage.completion_tokens,
        CACHED: _of_the_input(usage, "cached_tokens"),
        WRITTEN: _of_the_input(usage, "cache_creation_tokens"),
        "text": text,
        "refusal": getattr(choice.message, "refusal", None),
        "response_sha256": files.sha256_text(text),
    }


def _of_the_input(usage, detail: str) -> int | None:
    """So many of a usage's input tokens; None where the server does not say, or says what can't be."""
    number = getattr(getattr(usage, "prompt_tokens_details", None), detail, None)
    return number if is_count(number) and number <= usage.prompt_tokens else None


def is_count(number) -> bool:
    """Whether that can be a number of tokens. Servers say texts, fractions, less than none, and more than a database can hold."""
    return type(number) is int and 0 <= number < 2**53


def judged(record: dict, check: Callable[[str], object], sent: tuple[str, ...]) -> tuple[object, str | None]:
    """(what `check` makes of an answer, None), or (None, why it is of no use); `sent`: what of the things sent it must not repeat."""
    if record["outcome"] == GIVEN_UP:
        return None, record["reason"]
    try:
        return check(_usable(record, sent)), None
    except Invalid as problem:
        return None, str(problem)


def _usable(record: dict, sent: tuple[str, ...]) -> str:
    text, finish_reason = record["text"], record["gen_ai.response.finish_reasons"][0]
    if record["refusal"] or finish_reason == "content_filter" or (len(text) < REFUSAL_LENGTH and REFUSAL.match(text)):
        raise Invalid("the model refused")
    if not text:
        raise Invalid("the answer is empty")
    if finish_reason == "length":
        raise Invalid("the answer is cut off at max_tokens")
    if prompts.MARKER.search(text) or echoes(text, sent):
        raise Invalid("the answer repeats what was sent")
    return text


def echoes(text: str, sent: tuple[str, ...]) -> bool:
    """Whether more than half of a text, in runs of RUN words, stands word for word in what was sent."""
    words = text.split()
    runs = [" ".join(words[at : at + RUN]) for at in range(0, len(words) - RUN + 1, RUN)]
    return 2 * sum(any(run in _plain(part) for part in sent) for run in runs) > len(runs)


@lru_cache(maxsize=16)
def _plain(text: str) -> str:
    """With single spaces: a copy may be wrapped otherwise. Of a document made once."""
    return " ".join(text.split())
