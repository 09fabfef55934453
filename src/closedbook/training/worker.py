"""What torchrun runs: `python -m closedbook.training.worker TORCHRUN'S-OPTIONS PLAN` on each node, and this module again in each process.

PLAN is a JSON file that is named after the module beside this one whose `as_planned` takes it; the first process writes what that returns to
distributed.DONE beside it.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

from closedbook.training import distributed
from closedbook.util import files, terminal
from closedbook.util.errors import UserError


def node(arguments: list[str]) -> None:
    """Start this node's processes, and wait for them."""
    from torch.distributed.run import main

    *options, plan = arguments
    distributed.answer(Path(plan))
    main([*options, "-m", __spec__.name, plan])


def process(plan: Path) -> None:
    """Be one of the processes."""
    try:
        found = import_module(f"closedbook.training.{plan.stem}").as_planned(plan)
        if distributed.is_first():
            files.write_json(plan.with_name(distributed.DONE), found)
    except UserError as error:
        terminal.note(*str(error).splitlines())
        raise SystemExit(1) from None


if __name__ == "__main__":
    distributed.die_with_parent()
    if "RANK" in os.environ:
        process(Path(sys.argv[1]))
    else:
        node(sys.argv[1:])
