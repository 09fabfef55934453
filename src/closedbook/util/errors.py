"""The one kind of error that is a user's to mend; everything else is a fault of ours and keeps its traceback."""

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

REFUSED = re.compile(r"No space left|[Dd]isk is full|Disk quota|File too large|Permission denied|[Rr]ead-only|readonly database|"
                     r"unable to open database|disk I/O error")
FULL_TO_TORCH = re.compile(r"inline_container\.cc.* unexpected pos|PytorchStreamWriter failed writing|iostream error")
"""how torch.save fails on a full disk: about its own place in the file"""
REMEDY = "make room on its disk or give permission, then run again; what is finished is kept"


class UserError(ValueError):
    """Wrong input or a world that does not allow the work: says file, field, value and remedy in one message."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint for an error about a name that is not known: the one that is nearest to it, or `otherwise` where none is near."""
    near = nearest(name, known, most=1)
    return f"did you mean {near[0]}?" if near else otherwise


def nearest(name: str, known: Iterable[str], most: int = 3, cutoff: float = 0.4) -> list[str]:
    """The names that are most like one that is not known, the nearest first; `cutoff`: how like, from 0 (all are) to 1."""
    return difflib.get_close_matches(name, list(known), n=most, cutoff=cutoff)


def refused(error: BaseException) -> str | None:
    """Why a disk did not take a file, in words, whichever library says so; None where the error is about something else."""
    text = " ".join(str(error).split())
    if FULL_TO_TORCH.search(text):
        return f"the disk is full, or no file may be so large; torch says: {text}"
    return text if REFUSED.search(text) else None


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """A block in which a library writes to `path`: where the disk does not let it, UserError names the path and the remedy."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each library has its own way to fail
        if (reason := refused(error)) is None:
            raise
        raise UserError(f"{path}: cannot be written ({reason}): {REMEDY}") from error
