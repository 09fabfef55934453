"""Questions as commands. Each answer is plain data, printed for a person or, with --json, for a program."""

import os
from importlib import import_module

from closedbook.util import terminal


def add(commands, name: str, summary: str, module: str):
    """The parser of a command whose module has `answer(options) -> dict` and `lines(answer) -> list[str]`.

    An answer that holds something "broken" ends the command with exit status 1.
    """
    command = commands.add_parser(name, help=summary)
    command.add_argument("--json", action="store_true", help="the answer as JSON")
    command.set_defaults(command=_answer, module=module)
    return command


def _answer(options) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start one thread per core for algebra that no question needs
    module = import_module(options.module)
    answer = module.answer(options)
    terminal.show(*(terminal.as_json(answer).split("\n") if options.json else module.lines(answer)))
    if answer.get("broken"):
        raise SystemExit(1)
