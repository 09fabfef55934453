"""What a provider's error means: ask again after a while, give up on this request, or stop; and its words without secrets."""

import os
import re
import sys
import time
from typing import NamedTuple

from closedbook.errors import UserError
from closedbook.llm import library
from closedbook.params import Llm

LONGEST_WAIT = 600
WORTH_A_LINE = 30
"""seconds of a wait that is told"""
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing")
SCHEMA = re.compile(r"response_format|schema")

RETRY, GIVE_UP, STOP = "retry", "give up", "stop"
TOO_LONG, SCHEMA_REFUSED = "context_length", "schema_refused"
SORTS = [
    ("ContextWindowExceededError", TOO_LONG, GIVE_UP),
    ("ContentPolicyViolationError", "content_filter", GIVE_UP),
    ("AuthenticationError", "key_refused", STOP),
    ("PermissionDeniedError", "key_refused", STOP),
    ("NotFoundError", "unknown_model", STOP),
    ("RateLimitError", "rate_limit", RETRY),
    ("PaymentRequiredError", "quota", STOP),
    ("BadRequestError", "bad_request", STOP),
    ("UnprocessableEntityError", "bad_request", STOP),
    ("Timeout", "timeout", RETRY),
    ("APIConnectionError", "connection", RETRY),
    ("InternalServerError", "server", RETRY),
    ("ServiceUnavailableError", "server", RETRY),
    ("BadGatewayError", "server", RETRY),
    ("APIError", "server", RETRY),
]
"""LiteLLM's classes, a more special one first, what the ledger calls them, and what is done; a broken body is an InternalServerError too"""
REFUSED = frozenset({TOO_LONG, "content_filter", "key_refused", "unknown_model", "quota", "rate_limit", "bad_request", SCHEMA_REFUSED})
"""what a provider turned down before it did anything: it costs nothing"""


class Trouble(NamedTuple):
    kind: str
    what_next: str
    words: str
    retry_after: float
    """seconds that the server asks to wait, or 0"""


def sorted_out(error: Exception, schema) -> Trouble:
    """Raises `error` again where no provider is to blame for it."""
    kind, what_next = _sort(error, schema)
    headers = getattr(error, "litellm_response_headers", None) or {}
    asked = headers.get("retry-after", "")
    return Trouble(kind, what_next, scrubbed(error), float(asked) if re.fullmatch(r"\d+(\.\d+)?", asked) else 0.0)


def _sort(error: Exception, schema) -> tuple[str, str]:
    if isinstance(error, TimeoutError):
        return "timeout", RETRY
    if isinstance(error, IndexError):
        return "no_choices", RETRY
    kinds = [(kind, what_next) for name, kind, what_next in SORTS if isinstance(error, getattr(library.litellm().exceptions, name))]
    if not kinds:
        raise error
    if QUOTA.search(str(error)):
        return "quota", STOP
    if schema and kinds[0][0] == "bad_request" and SCHEMA.search(str(error)):
        return SCHEMA_REFUSED, GIVE_UP
    return kinds[0]


def stopping(trouble: Trouble, llm: Llm, tries: int, section: str) -> UserError:
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
    seconds = min(max(trouble.retry_after, own), LONGEST_WAIT)
    if seconds > WORTH_A_LINE:
        print(f"the server asks to wait {seconds:.0f} seconds", file=sys.stderr, flush=True)
    return seconds


def scrubbed(error: Exception) -> str:
    """The error's first words without any secret of the environment."""
    text = f"{type(error).__name__}: {error}"
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= 6:
            text = text.replace(value, f"[{name}]")
    return re.sub(r"\b(sk|key)-[\w*-]{6,}", "[a key]", " ".join(text.split()))[:300]
