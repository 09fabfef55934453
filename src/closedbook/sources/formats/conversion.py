"""The converter of each format, and a process for each conversion, so that a file can exhaust or bring down no more than that."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from closedbook.sources.article import is_empty
from closedbook.sources.cleaning import clean
from closedbook.sources.formats import common, docx, epub, html, pdf
from closedbook.sources.formats.common import Converted, Unreadable

CONVERTERS: dict[str, Callable[[bytes], Converted]] = {
    ".pdf": pdf.convert, ".docx": docx.convert, ".epub": epub.convert,
    ".html": html.convert, ".htm": html.convert, ".xhtml": html.convert_xhtml,
}
PAPERS = CONVERTERS | {".pdf": pdf.convert_paper}
PACKAGES = Path(__file__).parents[3]
CHILD = "import sys; from closedbook.sources.formats.conversion import child; child(*sys.argv[1:])"
"""what the process runs"""
TICK = 0.02
"""seconds between two looks at the memory"""


def convert(file: Path, papers: bool = False) -> Converted:
    """A file as text, in this process, and nothing kept; a PDF as a paper if `papers`. Raises Unreadable with the reason."""
    try:
        converted = _clean((PAPERS if papers else CONVERTERS)[file.suffix.lower()](file.read_bytes()))
        converted.text.encode("utf-8")
    except Unreadable:
        raise
    except RecursionError:
        raise Unreadable("its elements are nested too deeply to be read") from None
    except Exception as error:  # a broken file can make a converter stumble anywhere
        raise Unreadable(f"broken, or not what its name says ({type(error).__name__}: {' '.join(str(error).split())[:120]})") from error
    common.check_length(len(converted.text))
    if is_empty(converted.text, converted.is_html):
        raise Unreadable("no text in it")
    return converted


def _clean(converted: Converted) -> Converted:
    values = {name: getattr(converted, name) for name in ("title", "author", "license", "text")}
    return replace(converted, **{name: clean(value) for name, value in values.items() if value})


def convert_apart(file: Path, papers: bool = False) -> Converted:
    """The same in a process of its own. Raises Unreadable with the reason, a bound that was passed among them.

    Processor time is limited by the system, memory by looking: a request for memory that the system refused could be taken by a library
    for a fault of the file and change its text.
    """
    command = [sys.executable, "-P", "-c", CHILD, str(file), "papers" if papers else "", str(common.SECONDS), str(os.getpid())]
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
            raise Unreadable(f"takes more than {common.SECONDS:,} seconds of processor time: {common.REMEDY}")
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
            if process.memory_info().rss > common.MEMORY:
                raise Unreadable(f"takes more than {common.MEMORY >> 20:,} MiB of memory: {common.REMEDY}")
            with suppress(subprocess.TimeoutExpired):
                child.wait(TICK)
    return child.wait()


def child(file: str, papers: str, seconds: str, parent: str) -> None:
    """What the process does: it converts a file and prints a JSON object."""
    threading.Thread(target=_end_with, args=[int(parent)], daemon=True).start()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) if hard == resource.RLIM_INFINITY else min(int(seconds), hard), hard))
    try:
        said = convert(Path(file), bool(papers)).as_dict()
    except Unreadable as problem:
        said = {"unreadable": str(problem)}
    json.dump(said, sys.stdout)


def _end_with(parent: int) -> None:
    """Nobody looks at the memory any more once the parent was killed. A library that is long at work in C ends by its processor time."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
