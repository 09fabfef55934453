"""Questions to a language model through LiteLLM: each asked once, its answer in the ledger before it is used."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from closedbook import files, prompts, seeds
from closedbook.errors import UserError
from closedbook.ledger import Ledger
from closedbook.params import Limits, Llm
from closedbook.records import Document

REFUSAL = re.compile(r"\s*(I'm sorry|I am sorry|Sorry,|I apologi[sz]e|I can(no|')t|I can’t|I am unable|I'm unable|As an AI)", re.IGNORECASE)
SECONDS_BETWEEN_LINES = 30
LONGEST_WAIT = 600
REFUSAL_LENGTH = 400
"""a longer text that begins with such words is a passage, not a refusal"""
NO_CALLS = "CLOSEDBOOK_NO_CALLS"
"""the environment variable that, when set, stops a step which would ask a provider; the miniature's author is code of ours"""
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request and its response, as a passage carries it; the ledger holds the texts beside it."""

    key: str
    model: str
    model_answered: str
    settings: dict
    sample: int
    attempt: int
    prompt: str
    prompt_sha256: str
    usage: dict
    cost_usd: float | None
    finish_reason: str
    response_sha256: str

    def as_record(self) -> dict:
        return asdict(self)


class NotAnswered(Exception):
    """The model gave no usable answer in the attempts allowed; holds the reasons, one an attempt."""

    def __init__(self, reasons: list[str]):
        super().__init__("; ".join(reasons))


class Invalid(Exception):
    """An answer that does not hold what was asked for; says what is wrong with it."""


class _Refused(Exception):
    """The provider will not answer this request, and would not if asked again."""


class Client:
    """Asks a model about one document.

    A missing or refused key, an unknown model, an exhausted quota and a server that stays away raise UserError; requests that are
    in flight then are waited for and kept.
    """

    def __init__(self, *, llm: Llm, limits: Limits, ledger: Ledger, document: Document, seed: int):
        self._llm, self._limits, self._ledger, self._document, self._seed = llm, limits, ledger, document, seed
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._stopped = False

    async def ask(self, prompt: str, *, attempts: int, check: Callable[[str], object], sample: int = 0, schema=None, **fields):
        """(check's result, Call) for the first good answer to a prompt about the document.

        `check` takes the answer's text and raises Invalid where it does not hold what was asked for; `schema` is a pydantic class
        for providers that know structured output. Each attempt is a request of its own, so a bad answer is never asked for twice.
        """
        messages = prompts.messages(prompt, self._document, **fields)
        reasons = []
        for attempt in range(attempts * (1 + self._ledger.reopened)):
            record = await self._record(prompt, messages, sample, attempt, schema)
            try:
                return check(_usable(record)), _call(record)
            except Invalid as problem:
                reasons.append(str(problem))
        raise NotAnswered(reasons)

    async def _record(self, prompt, messages, sample, attempt, schema) -> dict:
        record = await self._known_or_asked(prompt, messages, sample, attempt, schema)
        if record["finish_reason"] == "schema_refused":
            record = await self._known_or_asked(prompt, messages, sample, attempt, None)
        return record

    async def _known_or_asked(self, prompt, messages, sample, attempt, schema) -> dict:
        request = asked(self._llm, self._seed, prompt, messages, sample=sample, attempt=attempt, schema=schema)
        known = self._ledger.find(request["key"])
        if known:
            return known
        if os.environ.get(NO_CALLS) and not self._llm.model.startswith("miniature/"):
            raise UserError(f"document {self._document.id}: the ledger has no answer to the prompt {prompt} (sample {sample}, attempt {attempt}, "
                            f"key {request['key'][:12]}), and {NO_CALLS} forbids to ask {self._llm.model}")
        async with self._slots:
            if self._stopped:
                raise asyncio.CancelledError
            try:
                record = {**request, **await self._send(messages, request["settings"], schema)}
                self._ledger.append(record, self._document.text)
            except BaseException:
                self._stopped = True  # whatever it is: ask no more until somebody has looked at it
                raise
        return record

    async def _send(self, messages, settings, schema) -> dict:
        """The response to one request, tried again while the trouble is the server's."""
        check_key(self._llm)
        litellm = _litellm()
        options = self._options(litellm, settings, schema)
        started = time.time()
        for tried in range(self._limits.retries + 1):
            try:
                response = await asyncio.wait_for(
                    litellm.acompletion(model=self._llm.model, messages=messages, **options), timeout=self._limits.timeout
                )
                return {**_response(response), "cost_usd": self._cost(response), "time": round(started, 3), "seconds": round(time.time() - started, 3)}
            except Exception as error:  # sorted into retry, give up on this request, and stop
                wait = self._sort(litellm, error, tried, schema)
                if isinstance(wait, dict):
                    return {**wait, "time": round(started, 3), "seconds": round(time.time() - started, 3)}
            await asyncio.sleep(wait)

    def _options(self, litellm, settings, schema) -> dict:
        options = {"temperature": settings["temperature"], "max_tokens": settings["max_tokens"], "max_retries": 0,
                   "api_base": settings["api_base"], "timeout": self._limits.timeout}
        known = litellm.get_supported_openai_params(model=self._llm.model) or []
        if "seed" in known:
            options["seed"] = settings["seed"]
        if schema and "response_format" in known:
            options["response_format"] = schema
        if settings["api_base"] and self._llm.model.startswith("openai/") and not os.environ.get("OPENAI_API_KEY"):
            options["api_key"] = "none"  # servers of one's own ask for no key; the client library insists on one
        return options

    def _cost(self, response) -> float | None:
        """Dollars: by the prices in the parameters, else by LiteLLM's; None where neither knows."""
        prices = (self._limits.input_usd_per_million, self._limits.output_usd_per_million)
        if self._llm.model.startswith("miniature/"):
            return 0.0
        if None in prices or not response.usage:
            return response._hidden_params.get("response_cost")
        return (prices[0] * response.usage.prompt_tokens + prices[1] * response.usage.completion_tokens) / 1e6

    def _sort(self, litellm, error, tried, schema) -> float | dict:
        """Seconds to wait before the next try, or the record of a request that is given up; raises UserError to stop the run."""
        if isinstance(error, litellm.ContextWindowExceededError):
            raise UserError(f"document {self._document.id}: longer than the context of llm.model {self._llm.model}: "
                            f"name a model with a larger context ({_scrubbed(error)})") from None
        if isinstance(error, litellm.ContentPolicyViolationError):
            return _given_up("content_filter")
        if isinstance(error, (litellm.AuthenticationError, litellm.PermissionDeniedError)):
            raise UserError(f"llm.model {self._llm.model}: the key was refused: check {self._key_name(litellm)} ({_scrubbed(error)})") from None
        if isinstance(error, litellm.NotFoundError):
            raise UserError(f"llm.model {self._llm.model}: no such model there: check llm.model and llm.api_base ({_scrubbed(error)})") from None
        if re.search(r"insufficient_quota|exceeded your current quota|credit balance|billing", str(error)):
            raise UserError(f"llm.model {self._llm.model}: the quota of {self._key_name(litellm)} is used up ({_scrubbed(error)})") from None
        if isinstance(error, litellm.BadRequestError) and schema and re.search(r"response_format|schema", str(error)):
            return _given_up("schema_refused")
        if isinstance(error, (litellm.BadRequestError, litellm.UnprocessableEntityError)):
            raise UserError(f"llm.model {self._llm.model}: the provider refuses the request: check the llm settings ({_scrubbed(error)})") from None
        if not isinstance(error, (litellm.APIError, litellm.APIConnectionError, litellm.Timeout, litellm.RateLimitError,
                                  litellm.InternalServerError, litellm.ServiceUnavailableError, TimeoutError, IndexError)):
            raise error
        paid_for_nothing = isinstance(error, (litellm.Timeout, TimeoutError)) and tried  # a provider may bill what came too late
        if tried == self._limits.retries or paid_for_nothing:
            place = self._llm.api_base or "its provider"
            raise UserError(f"llm.model {self._llm.model}: no answer from {place} after {tried + 1} tries: check llm.api_base and the "
                            f"network, or raise limits.retries; what was answered is kept ({_scrubbed(error)})") from None
        return _wait(error, tried)

    def _key_name(self, litellm) -> str:
        missing = litellm.validate_environment(self._llm.model)["missing_keys"]
        return missing[0] if missing else f"{self._llm.model.split('/')[0].upper()}_API_KEY"


def asked(llm: Llm, seed: int, prompt: str, messages: list[dict], *, sample: int, attempt: int, schema=None) -> dict:
    """What a record of the ledger holds of a request; its "key" is of all that determines the answer."""
    settings = {
        "api_base": llm.api_base,
        "temperature": llm.temperature,
        "max_tokens": llm.max_tokens,
        "seed": seeds.derive(seed, files.canonical(messages), sample, attempt) % 2**31,
        "schema": files.sha256_text(files.canonical(schema.model_json_schema())) if schema else None,
        "provider_version": _provider_version(llm.model),
    }
    key = files.sha256_text(files.canonical([llm.model, messages, settings, sample, attempt]))
    return {"key": key, "model": llm.model, "settings": settings, "sample": sample, "attempt": attempt,
            "prompt": prompt, "prompt_sha256": prompts.digest(prompt), "messages": messages}


def check_key(llm: Llm) -> None:
    """Raise UserError now where the provider's key is not in the environment, not after hours."""
    if llm.model is None or llm.model.startswith("miniature/") or llm.api_base:
        return
    provider = llm.model.split("/")[0].upper()
    for ambient in (f"{provider}_BASE_URL", f"{provider}_API_BASE"):
        if os.environ.get(ambient):
            raise UserError(f"the environment variable {ambient} would decide who answers, and nothing would track it: set llm.api_base instead")
    missing = [name for name in _litellm().validate_environment(llm.model)["missing_keys"] if name == f"{provider}_API_KEY"]
    if missing and provider != "AZURE":  # who has other ways to log in says himself what he misses
        raise UserError(f"llm.model {llm.model}: needs the environment variable {missing[0]}, which is not set")


def _litellm():
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no fetch of a price list at import
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # no .env of a parent folder
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    from closedbook.miniature import provider

    provider.register()
    return litellm


def _provider_version(model: str) -> str | None:
    """What determines an answer beside the model's name: of the miniature's author, his code."""
    if not model.startswith("miniature/"):
        return None
    from closedbook.miniature import provider

    return provider.version()


def _response(response) -> dict:
    choice = response.choices[0]
    usage = response.usage
    return {
        "model_answered": response.model,
        "text": (choice.message.content or "").encode("utf-8", "replace").decode("utf-8").strip(),  # half a character can't be kept
        "refusal": getattr(choice.message, "refusal", None),
        "finish_reason": choice.finish_reason,
        "usage": {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens} if usage else {},
    }


def _given_up(reason: str) -> dict:
    return {"model_answered": "", "text": "", "refusal": None, "finish_reason": reason, "usage": {}, "cost_usd": None}


def _usable(record: dict) -> str:
    text = record["text"]
    if record["refusal"] or record["finish_reason"] == "content_filter" or (len(text) < REFUSAL_LENGTH and REFUSAL.match(text)):
        raise Invalid("the model refused")
    if not text:
        raise Invalid("the answer is empty")
    if record["finish_reason"] == "length":
        raise Invalid("the answer is cut off at llm.max_tokens")
    return text


def _call(record: dict) -> Call:
    shared = {name: record[name] for name in Call.__dataclass_fields__ if name != "response_sha256"}
    return Call(**shared, response_sha256=files.sha256_text(record["text"]))


def _wait(error, tried: int) -> float:
    """Seconds: what the server asks for, else 0.5, 1, 2 … up to 30, jittered so that many requests do not come back as one."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    asked = headers.get("retry-after", "")
    own = min(30, 0.5 * 2**tried) * (0.5 + time.monotonic_ns() % 1000 / 2000)
    wait = min(max(float(asked), own), LONGEST_WAIT) if re.fullmatch(r"\d+(\.\d+)?", asked) else own
    if wait > SECONDS_BETWEEN_LINES:
        print(f"the server asks to wait {wait:.0f} seconds", file=sys.stderr, flush=True)
    return wait


def _scrubbed(error) -> str:
    """The error's first words without any secret of the environment."""
    text = f"{type(error).__name__}: {error}"
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= 6:
            text = text.replace(value, f"[{name}]")
    return re.sub(r"\b(sk|key)-[\w*-]{6,}", "[a key]", " ".join(text.split()))[:300]


async def gather(tasks: list, label: str) -> list:
    """All results in order, with a line of progress to stderr every half minute.

    Where one stops the run, the others that are in flight end first, so that no paid answer is lost.
    """
    started = [asyncio.ensure_future(task) for task in tasks]
    while True:
        _, open_ones = await asyncio.wait(started, timeout=SECONDS_BETWEEN_LINES)
        if not open_ones:
            break
        print(f"{label}: {len(started) - len(open_ones):,} of {len(started):,} passages", file=sys.stderr, flush=True)
    results = await asyncio.gather(*started, return_exceptions=True)
    for kind in (UserError, Exception, asyncio.CancelledError):
        for result in results:
            if isinstance(result, kind) and not isinstance(result, NotAnswered):
                raise result
    return results
