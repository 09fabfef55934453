"""A conversion in a process of its own (child.py), so that a file can exhaust or bring down no more than that."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from closedbook.sources.formats import bounds
from closedbook.sources.formats.converted import Converted, Unreadable

PACKAGES = Path(__file__).parents[3]
CHILD = "closedbook.sources.formats.child"
TICK = 0.02
"""seconds between two looks at the memory"""


def convert(file: Path) -> Converted:
    """Raises Unreadable with the reason, a bound that was passed among them.

    Processor time is limited by the system, memory by looking: a request for memory that the system refused could be taken by a library
    for a fault of the file and change its text.
    """
    command = [sys.executable, "-P", "-m", CHILD, str(file), str(bounds.SECONDS), str(os.getpid())]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGES), os.environ.get("PYTHONPATH")]))}
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=answer, stderr=errors, env=environment) as child:
            try:
                status = _watched(child)
            finally:
                child.kill()
        answer.seek(0)
        errors.seek(0)
        if status == -signal.SIGXCPU:
            raise Unreadable(f"takes more than {bounds.SECONDS:,} seconds of processor time: {bounds.REMEDY}")
        if status < 0:
            raise Unreadable(f"broken, or not what its name says (its converter ended by signal {-status})")
        if status:
            raise RuntimeError(f"{file}: its converter ended with status {status}: {errors.read().decode(errors='replace')[-2000:]}")
        said = json.loads(answer.read())
    if "unreadable" in said:
        raise Unreadable(said["unreadable"])
    return Converted(**said)


def _watched(child: subprocess.Popen) -> int:
    """The status with which a process ends."""
    import psutil

    with suppress(psutil.Error):  # it ended between two looks
        process = psutil.Process(child.pid)
        while child.poll() is None:
            if process.memory_info().rss > bounds.MEMORY:
                raise Unreadable(f"takes more than {bounds.MEMORY >> 20:,} MiB of memory: {bounds.REMEDY}")
            with suppress(subprocess.TimeoutExpired):
                child.wait(TICK)
    return child.wait()
