"""The GPUs of this machine: each job holds its own, so that eight jobs of one GPU use eight."""

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which

from closedbook import params
from closedbook.util import terminal
from closedbook.util.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
SLURM = "SLURM_JOB_ID"
"""in the environment of what runs within a job of Slurm's, which has GPUs of its own"""


def visible() -> list[str]:
    """The GPUs that a job may use, as CUDA_VISIBLE_DEVICES names them."""
    if (chosen := os.environ.get(VISIBLE)) is not None:
        return [name for name in chosen.split(",") if name.strip()]
    if not which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True)
    return listed.stdout.split() if listed.returncode == 0 else []


def needed(recipe: dict) -> int:
    """How many GPUs of a node the job of a recipe computes on."""
    sections = [section for section in recipe["params"].values() if isinstance(section, dict) and section.get("device") == "cuda"]
    return max((section.get("processes", 1) for section in sections), default=0)


def check(settings: params.Training) -> None:
    """Raises UserError where trainings want more processes on a node than this machine has devices."""
    if settings.device == "cuda":
        _enough(settings.processes, len(visible()), "GPUs")
    else:
        _enough(settings.processes, len(os.sched_getaffinity(0)), "processors")


def _enough(processes: int, devices: int, kind: str) -> None:
    if processes > max(1, devices):
        raise UserError(f"params.yaml: training.processes: {processes} processes on a node, and this machine has {devices} {kind}: give "
                        f"{max(1, devices)} or less, or run on a machine that has more")  # fmt: skip


@contextmanager
def held(count: int, folder: Path | None = None) -> Iterator[None]:
    """Let this process and those that it starts see `count` GPUs that no other job of this user's here holds. Waits until there are as many.

    The kernel lets go of them when the process ends, in whatever way. `folder`: for the locks.
    """
    names = visible()
    if not count or not names:
        yield
        return
    _enough(count, len(names), "GPUs")
    within = os.environ.get(SLURM, "here")  # jobs of Slurm's may each call theirs "0"
    folder = folder or Path(tempfile.gettempdir()) / f"closedbook-gpus-{os.getuid()}-{within}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as locks:
        taken = _take(names, count, folder, locks)
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = ",".join(taken)
        try:
            yield
        finally:
            os.environ.pop(VISIBLE) if before is None else os.environ.update({VISIBLE: before})


def _take(names: list[str], count: int, folder: Path, locks: ExitStack) -> list[str]:
    """All of them at once or none, so that two jobs never wait for each other's."""
    said = False
    while True:
        with ExitStack() as tried:
            taken = []
            for name in names:
                if len(taken) < count and _locked(folder / name.replace("/", "-"), tried):
                    taken.append(name)
            if len(taken) == count:
                locks.callback(tried.pop_all().close)
                return taken
        if not said:
            terminal.note(f"waits for {count} of the GPUs {', '.join(names)}")
            said = True
        time.sleep(1)


def _locked(path: Path, locks: ExitStack) -> bool:
    handle = locks.enter_context(open(path, "w"))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
