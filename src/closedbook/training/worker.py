"""What torchrun runs: `python -m closedbook.training.worker TORCHRUN'S-OPTIONS PLAN` on each node, and this module again in each process.

PLAN is a JSON file of a pretraining.Plan; the first process writes what came of it to done.json beside that.
"""

import os
import sys
from pathlib import Path

from closedbook.training import distributed
from closedbook.util import terminal
from closedbook.util.errors import UserError


def node(arguments: list[str]) -> None:
    """Start this node's processes, and wait for them."""
    from torch.distributed.run import main

    *options, plan = arguments
    distributed.answer(Path(plan))
    main([*options, "-m", __spec__.name, plan])


def process(plan: Path) -> None:
    """Be one of the processes."""
    from closedbook.training import pretraining

    try:
        pretraining.as_planned(plan)
    except UserError as error:
        terminal.note(*str(error).splitlines())
        raise SystemExit(1) from None


if __name__ == "__main__":
    distributed.die_with_parent()
    if "RANK" in os.environ:
        process(Path(sys.argv[1]))
    else:
        node(sys.argv[1:])
