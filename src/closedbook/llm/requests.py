"""What a question and a request are: the key over all that determines the answer, and the call that a passage carries of it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import combinations

from closedbook.llm import prompts
from closedbook.params import OWN_MODELS, LanguageModel
from closedbook.util import files, seeds

SETTINGS = ("response_format", "seed", "temperature", "max_tokens")
"""what a server may refuse; the last is then sent as RENAMED, the others are left out"""
RENAMED = "max_completion_tokens"
FIELDS = {"response_format": "schema", "seed": "gen_ai.request.seed", "temperature": "gen_ai.request.temperature"}
"""what the ledger calls those that are left out"""
SCHEMA_REFUSED = "schema_refused"
"""what ledgers of earlier versions hold of a request that was sent again without its schema"""


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
    prompt_sha256: str | None
    usage: dict
    cost_usd: float | None
    finish_reason: str
    response_sha256: str

    def as_record(self) -> dict:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked; each attempt at it is a request."""

    name: str
    """its prompt's"""
    messages: list[dict]
    sent: tuple[str, ...]
    """the messages as texts: the document's, if it is in them, and all else; so that a document's tokens are counted once"""
    sample: int
    schema: type | None
    """a pydantic class"""
    check: Callable[[str], object]
    not_to_repeat: tuple[str, ...] = ()
    """those of `sent` of which an answer must not be made up"""
    searches: int = 0
    """what rerankers are paid by"""


def asked(llm: LanguageModel, seed: int, prompt: str, messages: list[dict], *, sample: int, attempt: int, schema=None) -> dict:
    """What a line of the ledger holds of a request. Its "key" is the SHA-256 of "request", which names all that determines the answer.

    Names that begin with gen_ai are those of OpenTelemetry's semantic conventions for generative AI.
    """
    content = files.canonical(messages)
    return _keyed(prompt, messages, {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": llm.model.partition("/")[0],
        "gen_ai.request.model": llm.model,
        "gen_ai.request.temperature": llm.temperature,
        "gen_ai.request.max_tokens": llm.max_tokens,
        "gen_ai.request.seed": seeds.derive(seed, content, sample, attempt) % 2**31,
        "api_base": llm.api_base,
        "schema": files.sha256_text(files.canonical(schema.model_json_schema())) if schema else None,
        "provider_version": _provider_version(llm.model),
        "messages_sha256": files.sha256_text(content),
        "sample": sample,
        "attempt": attempt,
    })  # fmt: skip


def without(whole: dict, refused: frozenset[str]) -> dict:
    """A request without those of SETTINGS that its server refuses: another request, with a key of its own."""
    left_out = {FIELDS[setting]: None for setting in refused & FIELDS.keys()}
    renamed = {"max_tokens_as": RENAMED} if "max_tokens" in refused else {}
    return _keyed(whole["prompt"], whole["messages"], {**whole["request"], **left_out, **renamed})


def _keyed(prompt: str, messages: list[dict], request: dict) -> dict:
    return {"key": files.sha256_text(files.canonical(request)), "request": request,
            "prompt": prompt, "prompt_sha256": prompts.digest(prompt), "messages": messages}


def sent(request: dict) -> frozenset[str]:
    """Those of SETTINGS, or RENAMED, that a request has; `request` as in a line of the ledger."""
    has = {setting for setting, field in FIELDS.items() if request.get(field) is not None}
    return frozenset({*has, request.get("max_tokens_as", "max_tokens")})


def found(whole: dict, refused: frozenset[str], find: Callable[[str], dict | None]) -> dict | None:
    """The line with the answer to a request in any form that its server may have taken: with all settings first, then without ever more
    of those that it refuses."""
    line = find(whole["key"])
    if line and line["error.type"] != SCHEMA_REFUSED:
        return line
    forms = _forms(refused | {"response_format"} if line else refused)
    return next((line for form in forms if (line := find(without(whole, form)["key"]))), None)


def _forms(refused: frozenset[str]) -> Iterator[frozenset[str]]:
    for number in range(1, len(refused) + 1):
        yield from map(frozenset, combinations(sorted(refused), number))


def call_of(record: dict) -> Call:
    """The call behind a passage, from the ledger's line."""
    request = record["request"]
    tokens = {"prompt_tokens": record["gen_ai.usage.input_tokens"], "completion_tokens": record["gen_ai.usage.output_tokens"]}
    return Call(
        key=record["key"], model=request["gen_ai.request.model"], model_answered=record["gen_ai.response.model"],
        settings={
            "api_base": request["api_base"], "temperature": request["gen_ai.request.temperature"],
            "max_tokens": request["gen_ai.request.max_tokens"], "seed": request["gen_ai.request.seed"], "schema": request["schema"],
            "provider_version": request["provider_version"],
        },
        sample=request["sample"], attempt=request["attempt"], prompt=record["prompt"], prompt_sha256=record["prompt_sha256"],
        usage=tokens if tokens["prompt_tokens"] is not None else {}, cost_usd=record["cost_usd"],
        finish_reason=record["gen_ai.response.finish_reasons"][0], response_sha256=record["response_sha256"],
    )  # fmt: skip


def _provider_version(model: str) -> str | None:
    """What determines an answer beside the model's name: of a model that is code of ours, that."""
    return import_module(OWN_MODELS[model]).version() if model in OWN_MODELS else None
