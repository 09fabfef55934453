"""What a shell needs to complete commands, options, and the names of documents, runs and presets, with shtab."""

import argparse
from collections.abc import Iterable

from closedbook import layout

SHELLS = ("bash", "zsh", "fish")
DOCUMENTS = f"ls {layout.DOCUMENTS} 2>/dev/null | cut -d. -f1"
RUNS = f"ls {layout.RUNS} {layout.ASSISTANTS} 2>/dev/null | grep -e -s"
PRESETS = "ls presets 2>/dev/null | cut -d. -f1"
LISTED = {"document": DOCUMENTS, "documents": DOCUMENTS, "preset": PRESETS} | dict.fromkeys(("run", "arm", "arms", "a", "b", "name"), RUNS)
"""what lists the values of an argument, by its name, in the folder of a project: every shell of these reads it, so it has no quotes and no wildcards"""


def script(parser: argparse.ArgumentParser, commands: Iterable[argparse.ArgumentParser], shell: str) -> str:
    """The script for a shell. `commands`: the parsers of all commands."""
    import shtab

    for command in commands:
        for action in command._actions:
            if action.dest in LISTED and not action.choices:
                action.complete = shtab.cmd(LISTED[action.dest])
            elif action.type is not None and action.type.__name__ == "Path":
                action.complete = shtab.FILE
    return shtab.complete(parser, shell)
