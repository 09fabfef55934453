"""The process in which a file is converted: python -m closedbook.sources.formats.child FILE SECONDS PARENT prints a JSON object."""

import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

from closedbook.sources.formats import conversion
from closedbook.sources.formats.converted import Unreadable


def main(file: str, seconds: str, parent: str) -> None:
    threading.Thread(target=_end_with, args=[int(parent)], daemon=True).start()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) if hard == resource.RLIM_INFINITY else min(int(seconds), hard), hard))
    try:
        said = conversion.convert(Path(file)).as_dict()
    except Unreadable as problem:
        said = {"unreadable": str(problem)}
    json.dump(said, sys.stdout)


def _end_with(parent: int) -> None:
    """Nobody looks at the memory any more once the parent was killed. A library that is long at work in C ends by its processor time."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
