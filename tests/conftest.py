import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
for name in list(os.environ):
    if name.endswith("_API_KEY"):
        del os.environ[name]  # no test may reach a provider
