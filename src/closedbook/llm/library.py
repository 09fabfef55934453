"""LiteLLM, loaded so that it neither phones home nor reads files that are not tracked; what it knows of models, and the keys that they need."""

import logging
import os
import re
import unicodedata
from functools import cache

from closedbook.llm.requests import FIELDS, RENAMED
from closedbook.params import OWN_MODELS, LanguageModel, Limits
from closedbook.util.errors import UserError

ALSO = {"huggingface": ("HF_TOKEN",), "gemini": ("GOOGLE_API_KEY",)}
"""names of keys that do not begin with their provider's"""


@cache
def litellm():
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no fetch of a price list at import
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # no .env of a parent folder
    import litellm

    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # it writes down the errors that it raises, with their tracebacks
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    return litellm


@cache
def known(model: str) -> dict | None:
    """LiteLLM's entry for a model: prices, length of the context; None where it has none."""
    if model in OWN_MODELS:
        return None
    try:
        return litellm().model_cost.get(litellm().get_model_info(model)["key"])  # of some providers it gives a key for any name
    except litellm().exceptions.ModelNotMappedError:
        return None


@cache
def lacks(model: str) -> frozenset[str]:
    """Those of the settings that servers may refuse which LiteLLM does not send to a model's provider, by its lists."""
    takes = set() if model in OWN_MODELS else set(litellm().get_supported_openai_params(model=model) or ())
    if not takes:
        return frozenset()  # it has no list of this provider
    return frozenset((FIELDS.keys() - takes) | ({"max_tokens"} if RENAMED in takes and "max_tokens" not in takes else set()))


def check_key(llm: LanguageModel, section: str = "llm") -> None:
    """Raise UserError now where LiteLLM knows no such provider, or its key is not in the environment or can't be sent; not after hours."""
    if llm.model is None or llm.model in OWN_MODELS:
        return
    _check_provider(llm.model, section)
    _check_characters(llm.model.split("/")[0])
    if llm.api_base:
        return
    provider = llm.model.split("/")[0].upper()
    for ambient in (f"{provider}_BASE_URL", f"{provider}_API_BASE"):
        if os.environ.get(ambient):
            raise UserError(f"the environment variable {ambient} would decide who answers, and nothing would track it: set {section}.api_base instead")
    missing = [name for name in litellm().validate_environment(llm.model)["missing_keys"] if name == f"{provider}_API_KEY"]
    if missing and provider != "AZURE":  # who has other ways to log in says himself what he misses
        raise UserError(f"{section}.model {llm.model}: needs the environment variable {missing[0]}, which is not set")


def _check_provider(model: str, section: str) -> None:
    provider = model.split("/")[0]
    if provider in litellm().provider_list:
        return
    try:
        litellm().get_llm_provider(model)
    except litellm().BadRequestError:
        raise UserError(f"{section}.model {model}: LiteLLM knows no provider {provider!r}: of a server that speaks OpenAI's protocol write "
                        f"openai/NAME and give {section}.api_base") from None


def _check_characters(provider: str) -> None:
    """A key that was copied with a line's end or in curly quotes makes no request at all, and what is said then names nothing."""
    own = re.sub(r"\W|_", "", provider.upper())
    for name, value in os.environ.items():
        if name.endswith(("_KEY", "_TOKEN")) and (name in ALSO.get(provider, ()) or name.replace("_", "").startswith(own)):
            if wrong := re.search(r"[^!-~]", value):
                raise UserError(f"the environment variable {name} can't be a key: its character {wrong.start() + 1} of {len(value)} is "
                                f"{_named(wrong[0])}, which no key holds: set it again without")


def _named(character: str) -> str:
    known = {"\n": "a line break", "\r": "a carriage return", " ": "a space", "\t": "a tab"}
    return known.get(character) or f"{unicodedata.name(character, 'a control character').lower()} (U+{ord(character):04X})"


def connection(llm: LanguageModel, limits: Limits) -> dict:
    """How LiteLLM reaches a model's server."""
    options = {"api_base": llm.api_base,
               "max_retries": 0,  # the only number that means one try
               "timeout": limits.timeout}  # fmt: skip # of each read; always the same, for LiteLLM keeps a connection pool for each
    if llm.api_base and llm.model.startswith("openai/") and not os.environ.get("OPENAI_API_KEY"):
        options["api_key"] = "none"  # servers of one's own ask for no key; the client library insists on one
    return options


def key_name(llm: LanguageModel) -> str:
    missing = litellm().validate_environment(llm.model)["missing_keys"]
    return missing[0] if missing else f"{llm.model.split('/')[0].upper()}_API_KEY"
