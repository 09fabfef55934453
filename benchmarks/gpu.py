"""Training on one GPU: tokens per second and the share of the GPU's arithmetic that is used (MFU), within ten minutes.

    PYTHONPATH=src python benchmarks/gpu.py [--device cpu --small] [--quality FOLDER --base MODEL]

Random weights in the shape of Llama 3 8B, blocks of 2,048 tokens, bfloat16: all weights of as many layers as fit, adapters in all layers, each
beside a bare loop over the same model, and all weights shared out (FSDP2) to one process. Each part runs in a process of its own and has its
share of the time; one that fails says why, and the others go on. `--device cpu --small` tries the script itself. With a folder of QuALITY's files
and a base, `quality-trial` is run on the GPU from documents to report, with rule-based entities and the extractive generator.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import training
from ruamel.yaml import YAML
from transformers import LlamaConfig, LlamaForCausalLM

from closedbook import params, presets
from closedbook.training import memory

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from pipeline import copy_project  # noqa: E402  tests/pipeline.py

PARTS = ("full", "full bare", "lora", "lora bare", "fsdp", "trial")
SECONDS = 560
"""in all"""
STEPS = 8
LLAMA_3_8B = {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
              "max_position_embeddings": 8192, "rope_theta": 500000.0}
SMALL = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000,
         "max_position_embeddings": 256}
LAYERS = 32
PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
"""multiplications and additions per second in bfloat16, dense, by part of a GPU's name (NVIDIA's data sheets)"""
SLACK = 0.9
"""of the memory that may be planned for"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--quality", type=Path)
    parser.add_argument("--base")
    options = parser.parse_args()
    if options.part:
        (trial if options.part == "trial" else measure)(options)
        return
    begun = time.monotonic()
    for number, part in enumerate(PARTS):
        left = (SECONDS - (time.monotonic() - begun)) / (len(PARTS) - number)
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"] if part == "fsdp" else []
        try:
            subprocess.run([sys.executable, *launcher, __file__, *sys.argv[1:], "--part", part], timeout=left, check=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"{part}: {error}", flush=True)


def trial(options: argparse.Namespace) -> None:
    if not (options.quality and options.base):
        print("trial: left out: it needs --quality and --base", flush=True)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        copy_project(folder)
        yaml = YAML(typ="safe", pure=True)
        settings = yaml.load(presets.text("quality-trial"))
        settings["documents"]["path"], settings["base"]["model"], settings["llm"]["model"] = str(options.quality.resolve()), options.base, None
        for section in ("training", "scores"):
            settings[section]["device"] = options.device
        yaml.dump(settings, folder / "params.yaml")
        begun = time.monotonic()
        subprocess.run([Path(sys.prefix) / "bin/snakemake", "--cores", "all", "--quiet", "all"], cwd=folder, check=True)
        print(f"trial: documents to report in {time.monotonic() - begun:.0f} s", flush=True)
        subprocess.run([sys.executable, "-m", "closedbook", "table"], cwd=folder, check=True)


def measure(options: argparse.Namespace) -> None:
    kind = options.part.partition(" ")[0]
    settings = chosen(options, kind)
    layers = LAYERS if kind == "lora" and not options.small else fitting(options, settings)
    config = shape(options, layers)
    torch.manual_seed(1)
    with torch.device("cpu" if kind == "fsdp" else options.device):
        torch.set_default_dtype(torch.bfloat16 if kind == "lora" else torch.float32)
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    blocks = training.made_up(STEPS, settings, config.vocab_size)
    if options.part.endswith("bare"):
        model = adapted(model, settings)
    speed = (training.bare if options.part.endswith("bare") else training.ours)(model, settings, blocks)
    print(f"{options.part}: {layers} layers, {model.num_parameters():,} parameters, {speed:,.0f} tokens/s{mfu(options, config, kind, speed)}{peak()}", flush=True)


def adapted(model, settings: params.Training):
    from closedbook.training import adapters

    return adapters.added(model, settings.lora)


def chosen(options: argparse.Namespace, kind: str) -> params.Training:
    usual = params.load().training.model_dump() | {
        "device": options.device, "dtype": "bfloat16", "attention": "sdpa", "block_size": 128 if options.small else 2048,
        "batch_size": 4, "accumulation": 4, "gradient_checkpointing": True, "threads": os.cpu_count(),
        "lora": {"r": 16, "alpha": 32, "dropout": 0.0} if kind == "lora" else None,
    }  # fmt: skip
    settings = params.Training(**usual)
    return settings.model_copy(update={"sharding": "fsdp"}) if kind == "fsdp" else settings  # one process is refused, but for this


def shape(options: argparse.Namespace, layers: int) -> LlamaConfig:
    return LlamaConfig(num_hidden_layers=layers, **(SMALL if options.small else LLAMA_3_8B))


def fitting(options: argparse.Namespace, settings: params.Training) -> int:
    """The most layers whose training fits the device by closedbook's own estimate."""
    if options.small:
        return 2
    room = torch.cuda.get_device_properties(0).total_memory / memory.GIB * SLACK
    return max(number for number in range(1, LAYERS + 1) if memory.estimate(memory.shape(shape(options, number)), settings).total <= room)


def mfu(options: argparse.Namespace, config: LlamaConfig, kind: str, speed: float) -> str:
    """Of the arithmetic that the model needs, without what checkpointing does twice: six operations per weight and token, four where no
    gradient of the weight is needed, and attention's (arXiv 2204.02311, appendix B)."""
    name = torch.cuda.get_device_name(0) if options.device == "cuda" else ""
    most = next((most for part, most in PEAK.items() if part in name), None)
    if most is None:
        return ""
    heads = config.num_key_value_heads / config.num_attention_heads
    layer = config.hidden_size**2 * (2 + 2 * heads) + 3 * config.hidden_size * config.intermediate_size
    weights = config.num_hidden_layers * layer + config.vocab_size * config.hidden_size
    attention = 12 * config.num_hidden_layers * config.hidden_size * 2048
    return f", MFU {speed * ((4 if kind == 'lora' else 6) * weights + attention) / most:.3f}"


def peak() -> str:
    return f", peak {torch.cuda.max_memory_allocated() / memory.GIB:.1f} GiB" if torch.cuda.is_available() else ""


if __name__ == "__main__":
    main()
