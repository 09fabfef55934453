"""LiteLLM, loaded so that it neither phones home nor reads what nobody tracks; what it knows of models, and the keys that they need."""

import os
from functools import cache

from closedbook.errors import UserError
from closedbook.params import LanguageModel

OURS = "miniature/"
"""how the names of models begin that are code of ours: they need no key and cost nothing"""


@cache
def litellm():
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no fetch of a price list at import
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # no .env of a parent folder
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    return litellm


@cache
def known(model: str) -> dict | None:
    """LiteLLM's entry for a model: prices, length of the context; None where it has none."""
    if model.startswith(OURS):
        return None
    try:
        return litellm().model_cost[litellm().get_model_info(model)["key"]]
    except litellm().exceptions.ModelNotMappedError:
        return None


@cache
def takes(model: str) -> frozenset[str]:
    """The parameters of a request that a provider knows."""
    return frozenset(litellm().get_supported_openai_params(model=model) or [])


def check_key(llm: LanguageModel, section: str = "llm") -> None:
    """Raise UserError now where the provider's key is not in the environment, not after hours."""
    if llm.model is None or llm.model.startswith(OURS) or llm.api_base:
        return
    provider = llm.model.split("/")[0].upper()
    for ambient in (f"{provider}_BASE_URL", f"{provider}_API_BASE"):
        if os.environ.get(ambient):
            raise UserError(f"the environment variable {ambient} would decide who answers, and nothing would track it: set {section}.api_base instead")
    missing = [name for name in litellm().validate_environment(llm.model)["missing_keys"] if name == f"{provider}_API_KEY"]
    if missing and provider != "AZURE":  # who has other ways to log in says himself what he misses
        raise UserError(f"{section}.model {llm.model}: needs the environment variable {missing[0]}, which is not set")


def key_name(llm: LanguageModel) -> str:
    missing = litellm().validate_environment(llm.model)["missing_keys"]
    return missing[0] if missing else f"{llm.model.split('/')[0].upper()}_API_KEY"
