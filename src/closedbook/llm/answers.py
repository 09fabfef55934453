"""What came back: the answer as the ledger holds it, and whether it is of use."""

import json
import re
from collections.abc import Callable
from functools import lru_cache

from pydantic import BaseModel

from closedbook.llm import prompts
from closedbook.llm.errors import Broken
from closedbook.llm.ledger import GIVEN_UP
from closedbook.llm.reasoning import said_after
from closedbook.util import files, units

REFUSAL = re.compile(
    r"[\s*_\"'#>]*((Unfortunately|Regrettably|Hello|Hi)[,.!]? |No[,.!] |Thank(s| you) for (your|the) [\w ]{1,40}(,? but|[,.!]) )?"
    r"((I'm|I am|We're|We are) ((so|very|really|truly|deeply|terribly) )?sorry\b|Sorry[,.!]|Sorry but|"
    r"Sorry ?[\u2013\u2014-]+ ?(I|we|but)\b|(My )?(sincere )?apologies\b|(I|We) ((must|do|sincerely) )?apologi[sz]e\b|I cant\b|"
    r"((Sorry|(I'm|I am|We're|We are) afraid|I regret( to (inform|tell|say)( you)?)?)( that)? (I|we)|I) "
    r"(can't|cannot|can not|won't|will not|could not|couldn't)\b|"
    r"(I'm|I am) afraid (that |this |it )+(isn't|is not|(wouldn't|would not|won't|will not) be) (possible|something|appropriate|allowed)\b|"
    r"((I'm|I am) afraid (that )?)?(I'm|I am) (unable|not (able|allowed|permitted|comfortable|programmed|designed|going to))\b|"
    r"I (don't|do not) (think|believe|feel) (that )?(I (can|could|should)|(I'm|I am) able to) (help|assist|do|write|answer|comply)\b|"
    r"I (don't|do not) feel (comfortable|right) (\w+ing|with)\b|"
    r"I ((must|have to|need to|will|would have to) )?((respectfully|politely) )?(decline|refuse)\b|"
    r"As an? ((responsible|helpful|ethical|large) )?(AI|language model|assistant)\b|"
    r"(I'm|I am) ((just|only|merely) )?an? ((large|helpful) )?(AI|language model)\b|"
    r"(This|That|Your|The) (request|prompt|content) (violates|may violate|goes against|(was|is|has been) (flagged|blocked|against))\b|"
    r"It (is|would be|wouldn't be) (not |in)?appropriate\b)",
    re.IGNORECASE,
)  # fmt: skip
APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))
REFUSAL_LENGTH = 400
"""a longer text that begins with such words is a passage, not a refusal"""
CACHED, WRITTEN = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"
"""what the ledger calls those tokens of the input that the provider had in its cache, and those that it put there"""
RUN = 20
"""words in a row that nobody writes by chance as they were sent"""
ENDS = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "complete", "completed", "finished", "end", "done",
                  "finish_reason_unspecified"})  # fmt: skip
"""how providers say that an answer ended as its model meant it to"""
REASONED = ("reasoning_content", "reasoning")
"""fields in which servers give a model's reasoning apart"""


class Invalid(Exception):
    """An answer that does not hold what was asked for; says what is wrong with it."""


def read(response) -> dict:
    """An answer in the ledger's terms; tokens are None where the server did not count them. Raises Broken where its text is elsewhere."""
    choice = response.choices[0]
    reasoning = next((found for name in REASONED if (found := getattr(choice.message, name, None))), "")
    if not choice.message.content and (elsewhere := _text_fields(choice.message)) and not reasoning:
        raise Broken(f"the answer has no content: its text is in the field {elsewhere[0]}, where no chat completion has it")
    text = (choice.message.content or "").encode("utf-8", "replace").decode("utf-8").strip()  # half a character can't be kept
    usage = response.usage if response.usage and response.usage.prompt_tokens else None  # LiteLLM puts noughts for what is not there
    usage = usage if usage and is_count(usage.prompt_tokens) and is_count(usage.completion_tokens) else None
    return {
        "gen_ai.response.id": response.id,
        "gen_ai.response.model": response.model,
        "gen_ai.response.finish_reasons": [_finish_reason(choice)],
        "gen_ai.usage.input_tokens": usage and usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage and usage.completion_tokens,
        CACHED: _of_the_input(usage, "cached_tokens"),
        WRITTEN: _of_the_input(usage, "cache_creation_tokens"),
        "reasoning_characters": len(reasoning),
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


def _text_fields(message) -> list[str]:
    beside = getattr(message, "provider_specific_fields", None) or {}
    return [name for name, value in beside.items() if isinstance(value, str) and value.strip() and name != "refusal"]


def _finish_reason(choice) -> str:
    """LiteLLM calls what it does not know a stop, and errors too; the provider's own word stands beside it."""
    own = (getattr(choice, "provider_specific_fields", None) or {}).get("native_finish_reason")
    return str(own) if own and choice.finish_reason == "stop" and str(own).lower() not in ENDS else choice.finish_reason


def from_json(text: str, kind: type[BaseModel]) -> BaseModel:
    """The JSON object in an answer, bare or fenced, as `kind`. Raises Invalid where it holds none, or one of another form."""
    match = re.search(r"\{.*\}", text, re.DOTALL)
    if match is None:
        raise Invalid("the answer holds no JSON object")
    try:
        return kind.model_validate(json.loads(match[0]))
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid(f"the answer is not the JSON asked for ({type(error).__name__})") from None


def judged(record: dict, check: Callable[[str], object], sent: tuple[str, ...]) -> tuple[object, str | None]:
    """(what `check` makes of an answer, None), or (None, why it is of no use); `sent`: what of the things sent it must not repeat."""
    if record["outcome"] == GIVEN_UP:
        return None, record["reason"]
    try:
        return check(_usable(record, sent)), None
    except Invalid as problem:
        return None, str(problem)


def _usable(record: dict, sent: tuple[str, ...]) -> str:
    """The answer without what a model thought before it."""
    finish_reason, reasoned = record["gen_ai.response.finish_reasons"][0], record.get("reasoning_characters", 0)
    if record["refusal"] or finish_reason == "content_filter":
        raise Invalid("the model refused")
    text, why = said_after(record["text"], sent, reasoned > 0)
    if finish_reason == "length":
        used_up = " before it began: the model's reasoning used them up" if why or (reasoned and not text) else ""
        raise Invalid(f"the answer is cut off at max_tokens{used_up}")
    if why:
        raise Invalid(why)
    if len(text) < REFUSAL_LENGTH and REFUSAL.match(text.translate(APOSTROPHES)):
        raise Invalid("the model refused")
    if not text:
        raise Invalid("the answer is empty" + (": all that came is the model's reasoning" if reasoned or record["text"] else ""))
    if finish_reason and finish_reason.lower() not in ENDS:
        raise Invalid(f"the answer did not come to its end: the finish reason is {finish_reason!r}")
    if prompts.MARKER.search(text) or echoes(text, sent):
        raise Invalid("the answer repeats what was sent")
    return text


def echoes(text: str, sent: tuple[str, ...]) -> bool:
    """Whether more than half of a text, in runs of RUN words, stands word for word in what was sent."""
    runs = [run for run in units.pieces(" ".join(text.split()), RUN) if units.count(run) == RUN]
    return 2 * sum(any(run in _plain(part) for part in sent) for run in runs) > len(runs)


@lru_cache(maxsize=16)
def _plain(text: str) -> str:
    """With single spaces: a copy may be wrapped otherwise. Of a document made once."""
    return " ".join(text.split())
