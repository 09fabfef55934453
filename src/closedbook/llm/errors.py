"""What a provider's error means: ask again after a while, give up on this request, or stop; and its words without secrets."""

import os
import re
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from closedbook import terminal
from closedbook.errors import UserError
from closedbook.llm import library
from closedbook.params import LanguageModel

WORTH_A_LINE = 30
"""seconds of a wait that is told"""
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing")
SCHEMA = re.compile(r"response_format|schema")

RETRY, GIVE_UP, STOP = "retry", "give up", "stop"
TOO_LONG, SCHEMA_REFUSED = "context_length", "schema_refused"
BY_CLASS = {"ContextWindowExceededError": TOO_LONG, "ContentPolicyViolationError": "content_filter", "Timeout": "timeout",
            "APIConnectionError": "connection"}  # fmt: skip
"""what the ledger calls LiteLLM's errors; a more special class comes first"""
BY_STATUS = {401: "key_refused", 402: "quota", 403: "key_refused", 404: "unknown_model", 408: "timeout", 429: "rate_limit"}
"""the same of other errors by HTTP status; of the rest, those under 500 are a bad_request, the others (a broken body too) the server's"""
WHAT_NEXT = {TOO_LONG: GIVE_UP, "content_filter": GIVE_UP, SCHEMA_REFUSED: GIVE_UP, "key_refused": STOP, "unknown_model": STOP,
             "quota": STOP, "bad_request": STOP}  # fmt: skip
"""all else is asked again"""
REFUSED = frozenset({*WHAT_NEXT, "rate_limit"})
"""what a provider turned down before it did anything: it costs nothing"""


class Trouble(NamedTuple):
    kind: str
    what_next: str
    words: str
    retry_after: float
    """seconds that the server asks to wait, or 0"""


def sorted_out(error: Exception, schema) -> Trouble:
    """Raises `error` again where no provider is to blame for it."""
    kind = _kind(error, schema)
    headers = getattr(error, "litellm_response_headers", None) or {}
    return Trouble(kind, WHAT_NEXT.get(kind, RETRY), scrubbed(error), _asked_to_wait(headers.get("retry-after", "")))


def _asked_to_wait(retry_after: str) -> float:
    """Seconds, by a header that gives them or a date; 0 where it is neither."""
    if re.fullmatch(r"\d+(\.\d+)?", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0


def _kind(error: Exception, schema) -> str:
    from openai import APIError  # LiteLLM's errors of all providers are its children

    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, IndexError):
        return "no_choices"
    if not isinstance(error, APIError):
        raise error
    if QUOTA.search(str(error)):
        return "quota"
    kind = next((kind for name, kind in BY_CLASS.items() if isinstance(error, getattr(library.litellm(), name))), None)
    kind = kind or BY_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "server")
    return SCHEMA_REFUSED if schema and kind == "bad_request" and SCHEMA.search(str(error)) else kind


def stopping(trouble: Trouble, llm: LanguageModel, tries: int, section: str) -> UserError:
    """What to tell the user where asking on makes no sense."""
    place = llm.api_base or "its provider"
    say = {
        "key_refused": lambda: f"the key was refused: check {library.key_name(llm)}",
        "unknown_model": lambda: f"no such model there: check {section}.model and {section}.api_base",
        "quota": lambda: f"the quota of {library.key_name(llm)} is used up",
        "bad_request": lambda: "the provider refuses the request: check its settings",
    }.get(trouble.kind, lambda: f"no answer from {place} after {tries} tries: check {section}.api_base and the network, or raise limits.retries "
                                "and limits.deadline; what was answered is kept")  # fmt: skip
    return UserError(f"{section}.model {llm.model}: {say()} ({trouble.words})")


def wait(trouble: Trouble, tries: int) -> float:
    """Seconds: what the server asks for, else 0.5, 1, 2 … up to 30, jittered so that many requests do not come back as one."""
    own = min(30, 0.5 * 2 ** (tries - 1)) * (0.5 + time.monotonic_ns() % 1000 / 2000)
    seconds = max(trouble.retry_after, own)
    if seconds > WORTH_A_LINE:
        terminal.note(f"the server asks to wait {seconds:.0f} seconds")
    return seconds


def scrubbed(error: Exception) -> str:
    """The error's first words without any secret of the environment."""
    text = f"{type(error).__name__}: {error}"
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= 6:
            text = text.replace(value, f"[{name}]")
    return re.sub(r"\b(sk|key)-[\w*-]{6,}", "[a key]", " ".join(text.split()))[:300]
