"""What a request is: its settings, its key over all that determines the answer, and the call that a passage carries of it."""

from dataclasses import asdict, dataclass

from closedbook import files, prompts, seeds
from closedbook.params import Llm

NO_CALLS = "CLOSEDBOOK_NO_CALLS"
"""the environment variable that, when set, stops a step which would ask a provider; the miniature's author is code of ours"""


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


def _provider_version(model: str) -> str | None:
    """What determines an answer beside the model's name: of the miniature's author, his code."""
    if not model.startswith("miniature/"):
        return None
    from closedbook.miniature import provider

    return provider.version()


def call_of(record: dict) -> Call:
    shared = {name: record[name] for name in Call.__dataclass_fields__ if name != "response_sha256"}
    return Call(**shared, response_sha256=files.sha256_text(record["text"]))
