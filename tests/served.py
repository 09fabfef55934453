"""A real server of a model's folder: `transformers serve`, which the locked libraries bring."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import processes

PATIENCE = 180
"""seconds for a start, which takes ten where nothing else runs"""


@contextmanager
def served(folder: Path, log: Path):
    """Its address, for as long as the block lasts; what the server says goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder), "--device", "cpu", "--host", "127.0.0.1",
               "--port", str(port)]
    with open(log, "wb") as said:
        quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        server = subprocess.Popen(command, stdout=said, stderr=said, env=quiet)
    try:
        _wait_for(server, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        processes.end(server)


def _wait_for(server: subprocess.Popen, url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"transformers serve did not start: {log.read_text(errors='replace')[-2000:]}")
