"""A task vector added to a run of an 8B model's shapes: memory and speed, beside a plain copy of the same disk in the same minutes.

    PYTHONPATH=src nice python benchmarks/vectors.py [--layers 32] [--folder /tmp/vectors]

Makes three models of random bfloat16 in shards, as Llama 3 8B has them (32 layers: 16 GB each, and 16 GB of result), and removes them at the end.
Fewer layers take less room. All files are dropped from the cache before each measurement, as far as the system does so when asked.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from closedbook.models import slices, vector

ROWS, HIDDEN, INNER, KEYS = 128_256, 4096, 14_336, 1024
SHARD = 5_000_000_000
BLOCK = 64 * 2**20
"""bytes that the plain copy moves at a time"""


def shapes(layers: int) -> dict[str, tuple[int, ...]]:
    """Of Llama 3 8B, with so many layers."""
    found = {"model.embed_tokens.weight": (ROWS, HIDDEN)}
    for layer in range(layers):
        its = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEYS, HIDDEN), "self_attn.v_proj": (KEYS, HIDDEN),
               "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN),
               "mlp.down_proj": (HIDDEN, INNER), "input_layernorm": (HIDDEN,), "post_attention_layernorm": (HIDDEN,)}  # fmt: skip
        found |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in its.items()}
    return found | {"model.norm.weight": (HIDDEN,), "lm_head.weight": (ROWS, HIDDEN)}


def make(folder: Path, layers: int, seed: int) -> None:
    import torch

    torch.manual_seed(seed)
    block, files, size = torch.randn(BLOCK, dtype=torch.bfloat16).mul_(0.02), [{}], 0
    for name, shape in shapes(layers).items():
        values = torch.Size(shape).numel()
        if size + 2 * values > SHARD:
            files, size = [*files, {}], 0
        files[-1][name], size = shape, size + 2 * values
    for number, named in enumerate(files, 1):
        values = (block[: min(BLOCK, left)] for shape in named.values() for left in _down(torch.Size(shape).numel()))
        slices.write(folder / f"model-{number:05}-of-{len(files):05}.safetensors", {name: ("BF16", shape) for name, shape in named.items()}, values)


def _down(values: int):
    while values > 0:
        yield values
        values -= BLOCK


def forget(*folders: Path) -> None:
    """Have the system read these files from disk again."""
    os.sync()
    for path in (path for folder in folders for path in folder.iterdir()):
        with open(path, "rb") as handle:
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def copied(source: Path, target: Path) -> float:
    """Bytes read and written per second by a plain copy."""
    forget(source)
    target.mkdir()
    started, moved = time.perf_counter(), 0
    for path in sorted(source.iterdir()):
        with open(path, "rb", buffering=0) as read, open(target / path.name, "wb", buffering=0) as written:
            while data := read.read(BLOCK):
                written.write(data)
                moved += 2 * len(data)
            os.fsync(written.fileno())
    seconds = time.perf_counter() - started
    shutil.rmtree(target)
    return moved / seconds


def added(folder: Path, target: Path) -> dict:
    """Measured in a process of its own, whose peak of memory is the addition's."""
    forget(*(folder / name for name in ("run", "base", "instruct")))
    done = subprocess.run([sys.executable, __file__, "--folder", str(folder), "--add", str(target)], stdout=subprocess.PIPE, check=True, text=True)
    moved = sum(path.stat().st_size for place in (folder / "run", folder / "base", folder / "instruct", target) for path in place.iterdir())
    shutil.rmtree(target)
    found = json.loads(done.stdout)
    return found | {"bytes_per_second": moved / found["seconds"]}


def add(folder: Path, target: Path) -> None:
    named = [slices.tensors(sorted((folder / name).iterdir())) for name in ("run", "base", "instruct")]
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    vector.write(*named, 0.75, target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_gib": peak / 2**20, "libraries_gib": before / 2**20}))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--layers", type=int, default=32)
    options.add_argument("--folder", type=Path, default=Path("/tmp/vectors"))
    options.add_argument("--add", type=Path, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.add:
        add(options.folder, options.add)
        return
    options.folder.mkdir()
    try:
        for seed, name in enumerate(("run", "base", "instruct")):
            (options.folder / name).mkdir()
            make(options.folder / name, options.layers, seed)
        for turn in range(2):
            plain, found = copied(options.folder / "run", options.folder / "copy"), added(options.folder, options.folder / "sum")
            print(f"turn {turn + 1}: copy {plain / 1e6:,.0f} MB/s read and written; vector {found['bytes_per_second'] / 1e6:,.0f} MB/s, "
                  f"{found['bytes_per_second'] / plain:.2f} of it, {found['seconds']:,.0f} s; peak {found['peak_gib']:.2f} GiB, of which "
                  f"{found['libraries_gib']:.2f} GiB libraries", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
