"""Checkpoints of a training: only whole ones of that very training are taken up."""

import shutil
from pathlib import Path

from closedbook.training import distributed
from closedbook.util import files, terminal

MARK = "whole.json"
"""in a checkpoint: the size of each of its files, written when every process has written its own"""


def claim(folder: Path, identity: dict[str, str], label: str) -> None:
    """Leave in `folder` only checkpoints of the training of this identity: resuming others gives other weights and no error.

    `identity` has "sha256", of all that decides the bits, and "processes", which is said where it is another one.
    """
    known = folder / "identity.json"
    before = files.read_json(known) if known.exists() else None
    if folder.exists() and before != identity:
        if before and before["processes"] != identity["processes"]:
            terminal.note(f"{label}: its checkpoints are of {before['processes']} processes, and this training has {identity['processes']}: "
                          "it starts afresh")  # fmt: skip
        elif before:
            terminal.note(f"{label}: its checkpoints are of other data, settings, weights or libraries: it starts afresh")
        shutil.rmtree(folder)
    files.write_json(known, identity)


def newest_whole(folder: Path) -> str | None:
    """The newest checkpoint that lacks nothing. Broken ones, which a kill leaves and the Trainer would resume, are deleted. The first process
    looks, for all: on several machines a shared folder need not look the same at once."""
    return distributed.from_first(lambda: _newest_whole(folder))


def _newest_whole(folder: Path) -> str | None:
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in checkpoints if _is_whole(path)]
    for path in set(checkpoints) - set(whole):
        shutil.rmtree(path)
    return str(whole[-1]) if whole else None


def _is_whole(checkpoint: Path) -> bool:
    marked = checkpoint / MARK
    return marked.exists() and files.read_json(marked) == _sizes(checkpoint)


def _sizes(checkpoint: Path) -> dict[str, int]:
    paths = (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.name != MARK)
    return {str(path.relative_to(checkpoint)): path.stat().st_size for path in paths}


def mark(checkpoint: Path) -> None:
    """Say of a checkpoint that it is whole, when all processes have written their parts of it."""
    distributed.wait_for_all()
    if distributed.is_first():
        files.write_json(checkpoint / MARK, _sizes(checkpoint))
