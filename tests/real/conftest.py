import os
from pathlib import Path

import pytest
import smollm2 as package


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The folder of SmolLM2-135M-Instruct: config, safetensors, tokenizer with chat template, generation config. Read only."""
    return package.folder(Path(os.environ.get("REAL_MODELS", ".real")) / "smollm2-135m-instruct")
