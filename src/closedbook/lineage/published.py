"""What a project shows to others: finished work only, and under the commit that it is of."""

from dataclasses import dataclass

from closedbook.lineage.history import History
from closedbook.util.errors import UserError
from closedbook.util.git import git
from closedbook.workflow import plan, receipts, upkeep


@dataclass(frozen=True, kw_only=True)
class Project:
    root: str
    """the first commit of its git history, which all its clones share: says whether two projects are one"""
    commit: str
    """what is checked out"""
    date: str
    """of that commit, ISO 8601 with its offset"""


def history(*stages: str) -> History:
    """All that is planned of some stages (of all of them), as its receipts record it. Raises UserError that names what is stale or missing,
    and where a run is at work.

    The plan is written, as a run does: a clone has none, and then no documents to compare with.
    """
    with upkeep.hold("closedbook crate, cards, or export"):
        planned = plan.make()
        verdicts = {path: reason for path, reason in upkeep.check(planned).items() if not stages or upkeep.stage_of(path) in stages}
    stale = {path: reason for path, reason in verdicts.items() if reason}
    if stale:
        shown = "\n".join(f"  {path}: {reason}" for path, reason in list(stale.items())[:10])
        raise UserError(f"{len(stale)} of {len(verdicts)} results are stale or missing, and what is published must be "
                        f"neither:\n{shown}\nrun snakemake --cores all (or dvc pull), then ask again")
    return History({receipts.name(path): receipts.read(path) for path in verdicts})


def project() -> Project:
    """Raises UserError outside a git repository with a commit."""
    last = git("log", "-1", "--format=%H %cI").split()
    if not last:
        raise UserError("no commit here to say what this is a state of: git init, git add and git commit first")
    return Project(root=min(git("rev-list", "--max-parents=0", "HEAD").split()), commit=last[0], date=last[1])
