"""What the whole pipeline costs on this machine: seconds and peak memory of a command, and whether two folders hold the same results.

    python benchmarks/pipeline.py run make reproduce           seconds, and peak memory of all its processes together
    python benchmarks/pipeline.py run .venv/bin/snakemake --cores all
    python benchmarks/pipeline.py same FOLDER OTHER            compares every file under results/ of two checkouts
"""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import psutil

POLL_SECONDS = 0.2


def run(command: list[str]) -> None:
    """Memory is the sum of the processes' proportional set sizes, so that what they share counts once."""
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(command)
    while process.poll() is None:
        peak = max(peak, sum(_memory(each) for each in _family(process.pid)))
        time.sleep(POLL_SECONDS)
    print(f"{' '.join(command)}: {time.monotonic() - started:.1f} s, peak {peak / 2**30:.2f} GiB, exit status {process.returncode}")
    sys.exit(process.returncode)


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0  # it ended while it was looked at


def same(one: Path, other: Path) -> None:
    digests = [
        {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "results").rglob("*") if path.is_file()}
        for folder in (one, other)
    ]
    names = digests[0].keys() | digests[1].keys()
    different = sorted(name for name in names if digests[0].get(name) != digests[1].get(name))
    models = sum(name.endswith(".safetensors") for name in names)
    print("\n".join(f"{'differs' if name in different else 'same   '} {name}" for name in sorted(names)))
    print(f"{len(names)} files compared, {models} of them *.safetensors; {len(different)} differ")
    sys.exit(bool(different) or not models)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] and len(sys.argv) > 2:
        run(sys.argv[2:])
    elif sys.argv[1:2] == ["same"] and len(sys.argv) == 4:
        same(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(__doc__)
