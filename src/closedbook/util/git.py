"""git, asked."""

import os
import subprocess
from pathlib import Path

from closedbook.util.errors import UserError


def git(*arguments: str, given: str | None = None) -> str:
    """What git prints, given this to read; nothing where it fails.

    Raises UserError where the folder is somebody else's, in which git refuses to work.
    """
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, input=given)
    if "dubious ownership" in done.stderr:
        raise UserError(f"{Path.cwd()}: belongs to another user, so git does not answer here: if you trust it, run "
                        f"git config --global --add safe.directory {Path.cwd()}")
    return done.stdout
