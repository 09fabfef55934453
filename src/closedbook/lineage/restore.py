"""Bringing back results that DVC's cache still holds, by the name of the state that they are of."""

import shutil
from argparse import Namespace
from pathlib import Path

from closedbook.lineage.checks.state import Digests
from closedbook.lineage.history import History
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import dvc, leftovers, plan, upkeep, versioned
from closedbook.workflow.registry import STAGES


def answer(options: Namespace) -> dict:
    """Bring back the files of a state, or of some jobs of it, that are not here; with --replace also those that are here with another
    content, if that one can be brought back too. {"name", "restored", "other": here with another content, and left, "gone": not in DVC's
    cache}; without a name {"names": {name: {"missing": how many of its files are not here, "back": how many of these could be}}}.

    Raises UserError for an unknown name or job, beside a live run, and for an object of the cache that is not what its name says.
    """
    if options.name is None:
        return {"names": {name: _missing(held) for name, held in versioned.states()}}
    with upkeep.hold("closedbook restore"):
        planned = plan.make(write=False)
        held, digests = versioned.Held(versioned.named(options.name), options.name), Digests()
        wanted = _wanted(held, options)
        missing = [path for path in wanted if not Path(path).exists()]
        other = [path for path in wanted if path in held.md5 and digests.md5(Path(path)) not in (None, held.md5[path])]
        replaced = _recorded(other, digests) if options.replace else []
        back = [path for path in [*missing, *replaced] if held.place(path).is_file()]
        for path in back:
            _bring(held, path, digests)
        leftovers.tell_dvc(planned)
    gone = [*([] if options.jobs else held.unread), *(path for path in missing if path not in back)]
    return {"name": options.name, "restored": back, "gone": gone, "other": [path for path in other if path not in back]}


def lines(answer: dict) -> list[str]:
    if "names" in answer:
        return [*(f"{name}: {one['missing']:,} files of it are not here, and {one['back']:,} of them are in DVC's cache"
                  for name, one in answer["names"].items()),
                f"{len(answer['names'])} states of results have a name: closedbook restore NAME brings back what is not here"]
    told = [f"{len(answer['restored']):,} files of {answer['name']} are back"]
    if answer["other"]:
        told.append(f"{len(answer['other']):,} are here with another content and stay, {answer['other'][0]} among them: --replace takes "
                    "those whose present content can be brought back too")
    if answer["gone"]:
        told.append(f"{len(answer['gone']):,} are not in DVC's cache, {answer['gone'][0]} among them: dvc fetch --all-commits looks for "
                    "them in the remote")
    return told


def _missing(held: versioned.Held) -> dict[str, int]:
    missing = [path for path in held.md5 if not Path(path).exists()]
    return {"missing": len(missing), "back": sum(held.place(path).is_file() for path in missing)}


def _wanted(held: versioned.Held, options: Namespace) -> list[str]:
    if not options.jobs:
        return list(held.md5)
    known = History.held(held, options.name).jobs
    for job in options.jobs:
        if job not in known:
            raise UserError(f"{job}: no job of {options.name}: they are called as closedbook prune lists them (runs/raw-s1)")
    return [path for job in options.jobs for path in (*known[job].outputs, known[job].receipt)]


def _recorded(paths: list[str], digests: Digests) -> list[str]:
    """Those whose present content is in DVC's cache, under a dvc.lock that has a name."""
    dvc.keep(list(STAGES))
    lock = Path(versioned.LOCK)
    now = versioned.Held(lock.read_text(encoding="utf-8")) if lock.is_file() else None
    return [path for path in paths if now and now.place(path).is_file() and digests.md5(Path(path)) == now.md5[path]]


def _bring(held: versioned.Held, path: str, digests: Digests) -> None:
    place = held.place(path)
    if digests.md5(place) != held.md5[path]:
        raise UserError(f"{place}: is not what its name says, so {path} can't be brought back from it: closedbook audit lists all such")
    with open(place, "rb") as source, files.whole_file(Path(path), "wb") as target:
        shutil.copyfileobj(source, target)
