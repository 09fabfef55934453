"""Several processes for one training. torchrun starts them on each node; each holds one device, and the first alone writes and deletes."""

import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which

from closedbook import params
from closedbook.util import files
from closedbook.util.errors import UserError

WORKER = "closedbook.training.worker"
NODE_SECONDS = 300
"""for which a node waits for the others"""
DONE = "done.json"
"""beside a plan: what came of it"""
LAUNCHER = "CLOSEDBOOK_LAUNCHER"
"""in the environment: what starts a program on each node, which the profile says"""
ANSWERED = "answered"
"""folder beside a plan in which each node that has started leaves a file of its name"""


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def world() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def local_rank() -> int:
    """Which of the processes of its node this is."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_first() -> bool:
    return rank() == 0


def is_first_here() -> bool:
    return local_rank() == 0


def wait_for_all() -> None:
    """Return when every process of the training has come here."""
    if world() > 1:
        import torch

        torch.distributed.barrier()


def from_first(function: Callable):
    """What the first process gets from a function, in every process."""
    found = [function() if is_first() else None]
    if world() > 1:
        import torch

        torch.distributed.broadcast_object_list(found, src=0)
    return found[0]


def check(settings: params.Training, launcher: str) -> None:
    """Raises UserError where nothing starts the processes of further nodes."""
    if settings.nodes > 1 and not launcher.strip():
        raise UserError(f"params.yaml: training.nodes: {settings.nodes} nodes, and nothing starts them: give the profile's config a launcher, as "
                        'in --config launcher="srun --nodes 2 --ntasks-per-node 1" (docs/training.md), or training.nodes: 1')  # fmt: skip


def run(plan: Path, settings: params.Training, launcher: str) -> None:
    """Run what `plan` (a JSON file, see worker) describes in settings.processes processes on each of settings.nodes nodes.

    `launcher` is put before torchrun's command and starts it on each node, as "srun"; on one node it may be empty. What the processes say
    goes to stderr. Raises UserError where a node does not answer or a process fails.
    """
    check(settings, launcher)
    answered = plan.parent / ANSWERED
    answered.mkdir()
    environment, begun = os.environ | {"OMP_NUM_THREADS": str(settings.threads)}, time.monotonic()
    try:
        command = [*shlex.split(launcher), sys.executable, "-m", WORKER, *_rendezvous(settings), str(plan)]
        process = subprocess.Popen(command, env=environment, stdout=2, preexec_fn=_end_with_parent)
    except (OSError, ValueError) as error:
        raise UserError(f"the profile's config: launcher: {launcher}: can't be started ({error})") from None
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status:
        _explain(sorted(path.name for path in answered.iterdir()), settings, time.monotonic() - begun)
        raise UserError(f"the processes of the training ended with exit status {status}: what went wrong stands above")


def _rendezvous(settings: params.Training) -> list[str]:
    """torchrun's options: how many processes, and where those of several nodes meet."""
    per_node = ["--nnodes", str(settings.nodes), "--nproc-per-node", str(settings.processes)]
    if settings.nodes == 1:
        return ["--standalone", *per_node]
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    conf = f"timeout={NODE_SECONDS},join_timeout={NODE_SECONDS},last_call_timeout=5"
    return [*per_node, "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{socket.gethostname()}:{port}", "--rdzv-id", str(port), "--rdzv-conf", conf]


def _explain(answered: list[str], settings: params.Training, seconds: float) -> None:
    """Raises UserError where fewer nodes than planned have started."""
    if len(answered) < settings.nodes:
        missing = [name for name in _nodes_of_slurm() if name not in answered] or [f"{settings.nodes - len(answered)} of {settings.nodes} nodes"]
        raise UserError(f"training.nodes: {settings.nodes}: {', '.join(missing)} did not answer within {seconds:.0f} seconds; "
                        f"{', '.join(answered) or 'none'} did: see that the launcher (the profile's config: launcher) starts on every node")  # fmt: skip


def _nodes_of_slurm() -> list[str]:
    """The names of the nodes of this job of Slurm's; none elsewhere."""
    listed = os.environ.get("SLURM_JOB_NODELIST")
    if not listed or not which("scontrol"):
        return []
    return subprocess.run(["scontrol", "show", "hostnames", listed], capture_output=True, text=True).stdout.split()


def answer(plan: Path) -> None:
    """Say that this node has started."""
    node = os.environ.get("SLURMD_NODENAME") or f"{socket.gethostname()}-{os.getpid()}"
    files.write_text(plan.parent / ANSWERED / node, "")


def _end_with_parent() -> None:
    """Have the kernel end a process that is started here when this one dies, a launcher too, which would live on. On Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def die_with_parent() -> None:
    """End this process when the one that started it ends, in whatever way: one that lived on would write beside its successor."""
    parent = os.getppid()
    if parent == 1 and "RANK" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)  # it has ended already

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
