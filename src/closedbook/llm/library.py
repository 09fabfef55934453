"""LiteLLM, loaded so that it neither phones home nor reads what nobody tracks; and the keys that it needs."""

import os

from closedbook.errors import UserError
from closedbook.params import Llm


def check_key(llm: Llm) -> None:
    """Raise UserError now where the provider's key is not in the environment, not after hours."""
    if llm.model is None or llm.model.startswith("miniature/") or llm.api_base:
        return
    provider = llm.model.split("/")[0].upper()
    for ambient in (f"{provider}_BASE_URL", f"{provider}_API_BASE"):
        if os.environ.get(ambient):
            raise UserError(f"the environment variable {ambient} would decide who answers, and nothing would track it: set llm.api_base instead")
    missing = [name for name in litellm().validate_environment(llm.model)["missing_keys"] if name == f"{provider}_API_KEY"]
    if missing and provider != "AZURE":  # who has other ways to log in says himself what he misses
        raise UserError(f"llm.model {llm.model}: needs the environment variable {missing[0]}, which is not set")


def litellm():
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no fetch of a price list at import
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # no .env of a parent folder
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    from closedbook.miniature import provider

    provider.register()
    return litellm
