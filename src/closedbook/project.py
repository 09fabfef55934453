"""Which folder is a closedbook project."""

from pathlib import Path

from closedbook import layout
from closedbook.util.errors import UserError

MARKS = (Path("params.yaml"), Path("Snakefile"), layout.RECEIPTS)
"""what a project has one of, at least"""


def home(here: Path) -> Path:
    """The project that a folder is, or lies in, as git looks for one. Raises UserError where it is none."""
    found = next((folder for folder in (here, *here.parents) if any((folder / mark).exists() for mark in MARKS)), None)
    if found is None:
        raise UserError(f"{here}: not a closedbook project, nor is any folder above it: go to the folder of a clone, which holds params.yaml")
    return found
