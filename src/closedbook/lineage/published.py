"""What a project shows to others: finished work only, and under the commit that it is of."""

import subprocess
from dataclasses import dataclass

from closedbook.errors import UserError
from closedbook.freshness import plan, receipts, upkeep
from closedbook.lineage.history import History


@dataclass(frozen=True, kw_only=True)
class Project:
    root: str
    """the first commit of its git history, which all its clones share: says whether two projects are one"""
    commit: str
    """what is checked out"""
    date: str
    """of that commit, ISO 8601 with its offset"""


def history() -> History:
    """All that is planned, as its receipts tell. Raises UserError that names what is stale or missing."""
    planned = plan.make(write=False)
    stale = {path: reason for path, reason in upkeep.check(planned).items() if reason}
    if stale:
        shown = "\n".join(f"  {path}: {reason}" for path, reason in list(stale.items())[:10])
        raise UserError(f"{len(stale)} of {len(planned.receipts())} results are stale or missing, and what is published must be "
                        f"neither:\n{shown}\nrun snakemake --cores all (or dvc pull), then ask again")
    return History({str(path.relative_to(receipts.FOLDER).with_suffix("")): receipts.read(path) for path in planned.receipts()})


def project() -> Project:
    """Raises UserError outside a git repository with a commit."""
    roots = _git("rev-list", "--max-parents=0", "HEAD").split()
    commit, date = _git("log", "-1", "--format=%H %cI").split()
    return Project(root=min(roots), commit=commit, date=date)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise UserError("no commit here to say what this is a state of: git init, git add and git commit first")
    return done.stdout
