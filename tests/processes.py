"""Programs that tests start beside them."""

import subprocess


def end(process: subprocess.Popen, seconds: float = 20) -> None:
    """Ask it to end, and make it end where it does not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
