"""The parts of a machine that decide the bits of a computation: its kind of processor, and its GPU with what drives it."""

import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
PROCESSOR = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
"""what it says of a processor's kind, on x86 and on ARM"""


def of(recipe: dict) -> dict[str, str]:
    """{"cpu": …} and, where a recipe computes on one, {"gpu": …} of this machine."""
    devices = [section.get("device") for section in recipe["params"].values() if isinstance(section, dict)]
    return {"cpu": cpu(), **({"gpu": gpu()} if "cuda" in devices else {})}


@cache
def cpu() -> str:
    """Its name, family and model, or what stands for them; other systems than Linux have no CPUINFO."""
    first = CPUINFO.read_text(encoding="utf-8").split("\n\n")[0] if CPUINFO.exists() else ""
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    named = ", ".join(fields[name] for name in PROCESSOR if name in fields)
    return named or _said_by("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


@cache
def gpu() -> str:
    """Its name and compute capability, the driver, and the CUDA and cuDNN of torch; "none" where torch sees no GPU."""
    import torch

    if not torch.cuda.is_available():
        return "none"
    major, minor = torch.cuda.get_device_capability(0)
    driver = re.match(r"[\d.]*", _said_by("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"))[0]
    return (f"{torch.cuda.get_device_name(0)} ({major}.{minor}), driver {driver or 'not known'}, CUDA {torch.version.cuda}, "
            f"cuDNN {torch.backends.cudnn.version()}")


def _said_by(*command: str) -> str:
    """What a program of the system prints; nothing where it is not there or has no answer."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() if shutil.which(command[0]) else ""
