"""What a provider's error means: ask again after a while or otherwise, give up on this request, or stop; and its words without secrets."""

import json
import os
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from closedbook.llm import library
from closedbook.llm.requests import RENAMED, SETTINGS
from closedbook.params import LanguageModel
from closedbook.util import terminal
from closedbook.util.errors import UserError

WORTH_A_LINE = 30
"""waits of so many seconds are reported"""
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
NOT_SET_UP = re.compile(r"missing credentials|default credentials were not found|(unable to locate|cannot configure default) credentials|"
                        r"no api base provided|(api_base|bucket_name) is required|project_id", re.IGNORECASE)  # fmt: skip
"""what libraries say before anything is sent, where the environment lacks something that a provider wants beside a key"""
QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing", re.IGNORECASE)
LOADING = re.compile(r"\b(is|still|currently) (being loaded|loading|starting)\b|(?<!error )(?<!failed )\bloading model\b|warming up|"
                     r"not (yet )?ready", re.IGNORECASE)  # fmt: skip
WEB_PAGE = re.compile(r"<(!doctype html|html|head|body)\b", re.IGNORECASE)
NO_COMPLETION = re.compile(r"Empty or invalid response from LLM endpoint|Invalid response object")
"""LiteLLM's words for a body that it can't read"""
REFUSES = re.compile(r"support|not (permitted|allowed|implemented|accepted|valid)|unexpected|unknown|unrecogni[sz]ed|invalid|extra|"
                     r"deprecated|(should|must) be|\b(enabled|available)\b|fail(ed)? to parse|\"param\": \"", re.IGNORECASE)  # fmt: skip
POINTED = re.compile(r'"(?:param|loc)": (?:\["body", )?"(\w+)"')
"""where an error names a field of the request beside its words"""
NAMED = {"response_format": r"response_format|json_schema|json_object|structured[ _]output|schema|json[ _](mode|output)|"
                            r"guided[ _](decoding|json)|\bgrammar\b", "seed": r"\bseed\b",
         "temperature": r"\btemperature\b", "max_tokens": r"\bmax_tokens\b"}  # fmt: skip
"""how errors name what was sent"""
BOUND = re.compile(r"max_(completion_|new_|output_)?tokens|maxOutputTokens|maximum tokens you requested|(in|for) the (completion|output)|"
                   r"output tokens", re.IGNORECASE)  # fmt: skip
TOO_MUCH = re.compile(r"too (large|high|big|many|long|small|low)|(less|greater|more|fewer|larger|smaller) than|at (most|least)|between|"
                      r"exceed|range|<=|>=| > |maximum|minimum", re.IGNORECASE)  # fmt: skip
"""a value is refused, not the setting"""
EXCEEDED = re.compile(r"exceeds? (the )?(available )?context|context[ _](length|window|size)[ _](is )?exceeded|maximum context length",
                      re.IGNORECASE)  # fmt: skip
CONTEXT = re.compile(r"context (?:length|window|size)\D{0,30}?(\d[\d,]*)|must be <= (\d[\d,]*)", re.IGNORECASE)

RETRY, OTHERWISE, GIVE_UP, STOP = "retry", "otherwise", "give up", "stop"
TOO_LONG, MAX_TOKENS, LOADS, BROKEN, PROXY, NO_ACCESS = "context_length", "max_tokens", "loading", "broken_answer", "proxy", "no_access"
NOT_DONE = "not_done"
"""a batch ended, by its time or otherwise, before this request of it was begun"""
SETTING_REFUSED = {f"{setting}_refused": setting for setting in SETTINGS}
BY_CLASS = {"ContextWindowExceededError": TOO_LONG, "ContentPolicyViolationError": "content_filter", "Timeout": "timeout",
            "APIConnectionError": "connection"}  # fmt: skip
"""what the ledger calls LiteLLM's errors; a more special class comes first"""
BY_STATUS = {401: "key_refused", 402: "quota", 403: "key_refused", 404: "unknown_model", 407: PROXY, 408: "timeout", 409: "conflict",
             425: "too_early", 429: "rate_limit"}  # fmt: skip
"""the same of other errors by HTTP status; of the rest, those under 500 are a bad_request, the others the server's"""
WHAT_NEXT = {TOO_LONG: GIVE_UP, "content_filter": GIVE_UP, **dict.fromkeys(SETTING_REFUSED, OTHERWISE), "key_refused": STOP,
             "unknown_model": STOP, "quota": STOP, "bad_request": STOP, MAX_TOKENS: STOP, PROXY: STOP, NO_ACCESS: STOP}  # fmt: skip
"""all else is asked again"""
REFUSED = frozenset({*WHAT_NEXT, "rate_limit", "conflict", "too_early", LOADS, NOT_DONE})
"""what a provider turned down before it did anything: it costs nothing"""
NO_REFUSAL = frozenset({401, 402, 403, 407, 408, 409, 425, 429})
"""statuses that speak of who asks and when, not of what is asked"""


class Broken(Exception):
    """An answer that is none, though its status says that all is well; says what is wrong with it."""


class Trouble(NamedTuple):
    kind: str
    what_next: str
    words: str
    retry_after: float = 0.0
    """seconds that the server asks to wait, or 0"""


def sorted_out(error: Exception, sent: frozenset[str], heard: str | None) -> Trouble:
    """`sent` holds those of SETTINGS that the request had; `heard` is the body that came with a status of success.

    Raises `error` again where no provider is to blame for it.
    """
    kind = _kind(error, sent, heard)
    headers = getattr(error, "litellm_response_headers", None) or {}
    words = _broken_words(error, heard) if kind == BROKEN else scrubbed(error)
    return Trouble(kind, WHAT_NEXT.get(kind, RETRY), words, _asked_to_wait(headers.get("retry-after", "")))


def of_kind(kind: str, words: str) -> Trouble:
    return Trouble(kind, WHAT_NEXT.get(kind, RETRY), words)


def _asked_to_wait(retry_after: str) -> float:
    """Seconds, by a header that gives them or a date; 0 where it is neither."""
    if re.fullmatch(r"\d+(\.\d+)?", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0


def _kind(error: Exception, sent: frozenset[str], heard: str | None) -> str:
    from openai import APIError  # LiteLLM's errors of all providers are its children

    if isinstance(error, TimeoutError):
        return "timeout"
    if NOT_SET_UP.search(str(error)) and not any(map(_came_over_http, _causes(error))):
        return NO_ACCESS
    if isinstance(error, IndexError):
        return "no_choices"
    if isinstance(error, Broken):
        return BROKEN
    if not isinstance(error, APIError):
        raise error
    told, status = _told(error, heard), _status(error, heard)
    if LOADING.search(told) and status not in NO_REFUSAL:
        return LOADS
    if status is None:
        return BROKEN
    if status in (400, 402, 403, 429) and QUOTA.search(told):
        return "quota"
    if status in (401, 403) and WEB_PAGE.search(told):
        return PROXY
    if EXCEEDED.search(told) and status not in NO_REFUSAL:
        return TOO_LONG
    by_class = next((kind for name, kind in BY_CLASS.items() if isinstance(error, getattr(library.litellm(), name))), None)
    return by_class or _refused(told, status, sent) or BY_STATUS.get(status, "bad_request" if status < 500 else "server")


def _refused(told: str, status: int, sent: frozenset[str]) -> str | None:
    """That of the settings sent which an error names first, as refused. Whether that was it shows when it is left out."""
    refuses = REFUSES.search(told)
    if status in NO_REFUSAL or (not refuses and status >= 500):
        return None
    named = {setting: found.start() for setting, words in NAMED.items() if (found := re.search(words, told, re.IGNORECASE))}
    pointed = POINTED.search(told)
    first = pointed[1] if pointed and pointed[1] in sent else min(sent & named.keys(), key=named.get, default=None)
    if first in ("max_tokens", RENAMED, None) and BOUND.search(told) and TOO_MUCH.search(told):
        return MAX_TOKENS
    if not refuses or first not in SETTINGS or (first != "response_format" and TOO_MUCH.search(told)):
        return None
    return f"{first}_refused"


def _told(error: Exception, heard: str | None) -> str:
    """All that the server said: LiteLLM passes on the message and leaves out fields beside it. What was sent is cut out of it."""
    if heard is not None:
        return json.dumps(_error_within(heard), ensure_ascii=False)
    bodies = [link.response.text for link in _causes(error) if _came_over_http(link)]
    return _without_input(bodies[-1]) if bodies else str(error)


def _without_input(body: str) -> str:
    """A body whose parts named "input", with which validators repeat what was sent, are left out, as are those that are null."""

    def left(part: dict) -> dict:
        return {key: value for key, value in part.items() if key != "input" and value is not None}

    try:
        return json.dumps(json.loads(body, object_hook=left), ensure_ascii=False)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return body


def _status(error: Exception, heard: str | None) -> int | None:
    """The HTTP status; None for an answer that came with one of success and is none."""
    if heard is not None or NO_COMPLETION.search(str(error)) or any(isinstance(link, json.JSONDecodeError) for link in _causes(error)):
        return _status_within(heard)
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else 500


def _status_within(heard: str | None) -> int | None:
    """The status that an error under another one, that of success, claims for itself, as routers pass on those of others."""
    said = _error_within(heard)
    code = said.get("code") if isinstance(said, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else None


def _error_within(heard: str | None):
    """What a body says of an error; None where it says of none."""
    try:
        body = json.loads(heard or "null")
    except (ValueError, RecursionError):
        return None
    return body.get("error") if isinstance(body, dict) else None


def _came_over_http(error: BaseException) -> bool:
    """Whether it holds the server's response; LiteLLM's own errors hold one that they made up."""
    return type(error).__module__.partition(".")[0] in ("openai", "httpx") and getattr(error, "response", None) is not None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _broken_words(error: Exception, heard: str | None) -> str:
    if said := _error_within(heard):
        words = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        return f"an error under the status of success: {scrubbed_text(words)}"
    return scrubbed([link for link in _causes(error) if str(link)][-1] if heard is not None else error)


def stopping(trouble: Trouble, llm: LanguageModel, tries: int, section: str) -> UserError:
    """The message to the user where asking on makes no sense."""
    place = llm.api_base or "its provider"
    say = {
        "key_refused": lambda: f"the key was refused: check {library.key_name(llm)}",
        "unknown_model": lambda: f"no such model there: check {section}.model and {section}.api_base",
        NO_ACCESS: lambda: f"the access to {llm.model.split('/')[0]} is not set up: set in the environment what it misses",
        "quota": lambda: f"the quota of {library.key_name(llm)} is used up",
        "bad_request": lambda: "the provider refuses the request: check its settings",
        MAX_TOKENS: lambda: f"{bound(section)}, {llm.max_tokens:,}, is more than the model may write or its context holds: lower it",
        PROXY: lambda: f"a proxy or another server on the way to {place} refuses, with a page for browsers: check {section}.api_base "
                       "and the proxy's settings (HTTPS_PROXY, NO_PROXY)",
        LOADS: lambda: f"the model was still loading at {place} after {tries} tries: wait until it is there, or raise limits.deadline",
        NOT_DONE: lambda: f"{place} did not come to it in {tries} batches: run again later, or set limits.batch: false; what was "
                          "answered is kept",
        BROKEN: lambda: f"{place} answers, but what comes is broken, after {tries} tries: check {section}.api_base (most "
                        "servers' ends with /v1) and the server itself",
    }.get(trouble.kind, lambda: f"no answer from {place} after {tries} tries: check {section}.api_base and the network, or raise "
                                "limits.retries and limits.deadline; what was answered is kept")  # fmt: skip
    return UserError(f"{section}.model {llm.model}: {say()} ({trouble.words})")


def bound(section: str) -> str:
    """The parameter that bounds the length of an answer."""
    return "scores.cot.max_tokens" if section.startswith("api_models.") else f"{section}.max_tokens"


def context(words: str) -> int | None:
    """The length of a context that an error names."""
    found = CONTEXT.search(words)
    return int((found[1] or found[2]).replace(",", "")) if found else None


def wait(trouble: Trouble, tries: int) -> float:
    """Seconds: what the server asks for and up to a fifth more, else 0.5, 1, 2 … up to 30 (of a model that loads 5, 10 … up to 60),
    jittered, so that many requests do not come back as one."""
    jitter = time.monotonic_ns() % 1000 / 1000
    first, most = (5, 60) if trouble.kind == LOADS else (0.5, 30)
    seconds = max(trouble.retry_after * (1 + jitter / 5), min(most, first * 2 ** (tries - 1)) * (1 + jitter) / 2)
    if seconds > WORTH_A_LINE:
        why = "the model is loading" if trouble.kind == LOADS else "the server asks to wait"
        terminal.note(f"{why}: {seconds:.0f} seconds")
    return seconds


def scrubbed(error: BaseException) -> str:
    """The error's first words without any secret of the environment."""
    return scrubbed_text(f"{type(error).__name__}: {error}".partition("Traceback (most recent call last)")[0])


def _forms(secret: str) -> set[str]:
    """As it is, and as Python writes it where it holds what no header can."""
    return {secret, repr(secret)[1:-1], ascii(secret)[1:-1], str(secret.encode("utf-8", "surrogateescape"))[2:-1]}


def scrubbed_text(text: str) -> str:
    """The first words without any secret of the environment."""
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value.strip()) >= 6:
            for form in _forms(value) | _forms(value.strip()):
                text = text.replace(form, f"[{name}]")
    return re.sub(r"\b(sk|key)-[\w*-]{6,}", "[a key]", " ".join(text.split()))[:300]
