"""What came back: the answer as the ledger holds it, and whether it is of use."""

import re

REFUSAL = re.compile(r"\s*(I'm sorry|I am sorry|Sorry,|I apologi[sz]e|I can(no|')t|I can’t|I am unable|I'm unable|As an AI)", re.IGNORECASE)
REFUSAL_LENGTH = 400
"""a longer text that begins with such words is a passage, not a refusal"""


class Invalid(Exception):
    """An answer that does not hold what was asked for; says what is wrong with it."""


def read(response) -> dict:
    choice = response.choices[0]
    usage = response.usage
    return {
        "model_answered": response.model,
        "text": (choice.message.content or "").encode("utf-8", "replace").decode("utf-8").strip(),  # half a character can't be kept
        "refusal": getattr(choice.message, "refusal", None),
        "finish_reason": choice.finish_reason,
        "usage": {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens} if usage else {},
    }


def given_up(reason: str) -> dict:
    return {"model_answered": "", "text": "", "refusal": None, "finish_reason": reason, "usage": {}, "cost_usd": None}


def usable(record: dict) -> str:
    text = record["text"]
    if record["refusal"] or record["finish_reason"] == "content_filter" or (len(text) < REFUSAL_LENGTH and REFUSAL.match(text)):
        raise Invalid("the model refused")
    if not text:
        raise Invalid("the answer is empty")
    if record["finish_reason"] == "length":
        raise Invalid("the answer is cut off at llm.max_tokens")
    return text
