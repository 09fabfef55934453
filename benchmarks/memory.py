"""How near the estimate of a training's memory is: trainings of a made Llama on the CPU, and the most memory that each process held.

    PYTHONPATH=src python benchmarks/memory.py            all cases, some minutes
    PYTHONPATH=src python benchmarks/memory.py full lora  those whose names begin so
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import numpy as np
import toys  # tests/toys.py

from closedbook.params import Lora
from closedbook.training import loop, memory

SHAPE = {"vocab_size": 16_000, "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8,
         "num_key_value_heads": 4, "max_position_embeddings": 1024, "tie_word_embeddings": False}  # fmt: skip
"""40 million parameters"""
USUAL = {"block_size": 512, "batch_size": 4, "threads": 2, "dtype": "bfloat16", "checkpoint_steps": 100}
LORA = {"lora": Lora(r=16, alpha=32, dropout=0.05)}
CASES = {
    "full": {},
    "full, float32": {"dtype": "float32"},
    "full, checkpointing": {"gradient_checkpointing": True},
    "full, 4 passes a step": {"batch_size": 8, "accumulation": 4},
    "full, long passes": {"batch_size": 4, "block_size": 1024},
    "full, eager": {"attention": "eager"},
    "full, Adafactor": {"optimizer": "adafactor", "batch_size": 1},
    "full, SGD": {"optimizer": "sgd", "batch_size": 1},
    "full, one short example": {"batch_size": 1, "block_size": 64},
    "lora": LORA,
    "lora, float32": LORA | {"dtype": "float32"},
    "lora, checkpointing": LORA | {"gradient_checkpointing": True},
    "lora, one short example": LORA | {"batch_size": 1, "block_size": 64},
}
STEPS = 3


def trained(case: str) -> float:
    """GiB at the peak of this process, which trains."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    settings, config = toys.TRAINING.model_copy(update=USUAL | CASES[case]), LlamaConfig(**SHAPE)
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    if settings.lora:
        model = _adapted(model, settings)
    draws = np.random.default_rng(1).integers(config.vocab_size, size=(STEPS * settings.batch_size, settings.block_size))
    examples = [{"input_ids": row, "labels": row} for row in draws]
    with tempfile.TemporaryDirectory() as folder:
        loop.train(model=model, dataset=examples, settings=settings, num_steps=STEPS, seed=1, folder=Path(folder) / "checkpoints",
                   label=case, fingerprint="made")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _adapted(model, settings):
    import torch
    from peft import LoraConfig, get_peft_model

    lora, dtype = settings.lora, getattr(torch, settings.dtype)
    adapters = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.target_modules)
    return get_peft_model(model.to(dtype), adapters)


def main(wanted: list[str]) -> None:
    from transformers import LlamaConfig

    shape = memory.shape(LlamaConfig(**SHAPE))
    print(f"{shape.parameters:,} parameters\n\n| training | estimate, GiB | measured, GiB | difference |\n|---|---:|---:|---:|")
    for case in CASES:
        if not wanted or case.startswith(tuple(wanted)):
            found = memory.estimate(shape, toys.TRAINING.model_copy(update=USUAL | CASES[case])).total
            done = subprocess.run([sys.executable, __file__, "--one", case], stdout=subprocess.PIPE, check=True, text=True)
            measured = json.loads(done.stdout)
            print(f"| {case} | {found:.2f} | {measured:.2f} | {found / measured - 1:+.0%} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(trained(sys.argv[2])))
    else:
        main(sys.argv[1:])
