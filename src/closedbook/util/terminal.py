"""The one way to the terminal: what stands in a file's name, a document or a model's answer is shown, never obeyed."""

import json
import os
import sys

CLOSED = 128 + 13
"""the exit status of a program whose reader is gone, as a shell knows it from SIGPIPE"""


def show(*lines: str) -> None:
    """Lines of an answer, to stdout. Where nobody reads any more, as behind `| head`, the program ends without a word."""
    try:
        print(*map(printable, lines), sep="\n", flush=True)
    except BrokenPipeError:
        _leave(sys.stdout)
        raise SystemExit(CLOSED) from None


def note(*lines: str) -> None:
    """Lines about the work, to stderr at once. The work goes on where nobody reads them."""
    try:
        print(*map(printable, lines), sep="\n", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _leave(sys.stderr)


def duration(seconds: float) -> str:
    """To two figures or so: "40 s", "3 min", "2.5 h", "4 days"."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.{1 if unit == 'h' else 0}f} {unit}"
    return f"{seconds / 86400:.1f} days"


def as_json(value) -> str:
    """JSON for a program that a terminal can show too: what is not printable is written as its number."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)


def printable(line: str) -> str:
    """A line without characters that a terminal would obey, or can't encode."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)


def _leave(stream) -> None:
    """Let what is written to a stream, at the end of the process too, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
