"""The one way to the terminal: what stands in a file's name, a document or a model's answer is shown, never obeyed.

Questions are commands whose answers go there.
"""

import json
import os
import shutil
import sys
from importlib import import_module

CLEAR = "\r\x1b[K"
CLOSED = 128 + 13
"""the exit status of a program whose reader is gone, as a shell knows it from SIGPIPE"""


def show(*lines: str) -> None:
    """Lines of an answer, to stdout. Where nobody reads any more, as behind `| head`, the program ends without a word."""
    write("".join(f"{printable(line)}\n" for line in lines))


def write(text: str) -> None:
    """A piece of an answer as it comes, to stdout; its line breaks are kept."""
    try:
        print("\n".join(map(printable, text.split("\n"))), end="", flush=True)
    except BrokenPipeError:
        _leave(sys.stdout)
        raise SystemExit(CLOSED) from None


def note(*lines: str) -> None:
    """Lines about the work, to stderr at once. The work goes on where nobody reads them."""
    try:
        print(*map(printable, lines), sep="\n", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _leave(sys.stderr)


def over(line: str) -> None:
    """A line about the work that stands until the next one, which takes its place; for a stderr that is a terminal."""
    print(CLEAR + printable(line)[: shutil.get_terminal_size().columns - 1], end="", file=sys.stderr, flush=True)


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


def question(commands, name: str, summary: str, module: str, prefix: str = ""):
    """The parser of a command whose module has `answer(options) -> dict` and `lines(answer) -> list[str]`, with a prefix where the module
    answers several questions.

    The answer is plain data, printed for a person or, with --json, for a program. One that holds something "broken" ends the command with
    exit status 1.
    """
    command = commands.add_parser(name, help=summary)
    command.add_argument("--json", action="store_true", help="the answer as JSON")
    command.set_defaults(command=_answer, module=module, prefix=prefix)
    return command


def _answer(options) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start one thread per core for algebra that no question needs
    module = import_module(options.module)
    answer = getattr(module, f"{options.prefix}answer")(options)
    show(*(as_json(answer).split("\n") if options.json else getattr(module, f"{options.prefix}lines")(answer)))
    if answer.get("broken"):
        raise SystemExit(1)
