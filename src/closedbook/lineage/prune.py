"""Removing results that are not planned any more: those that can be brought back, and each says by which command."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from closedbook.workflow import dvc, leftovers, plan, receipts, upkeep, versioned
from closedbook.workflow.registry import STAGES

SHOWN = 20


def answer(options: Namespace) -> dict:
    """{"removed": whether it was done; "back": {name for closedbook restore: {job: its files}}; "stay": {job: its files}, results of which
    some are not in DVC's cache under any name; "foreign": files that closedbook did not write, or that were edited}.

    Raises UserError beside a live run.
    """
    with upkeep.hold("closedbook prune"):
        planned = plan.make(write=False)
        made = leftovers.made(planned)
        back = _to_bring_back(made, options.yes) if dvc.is_here() else {}
        if options.yes:
            for its in back.values():
                leftovers.remove([path for paths in its.values() for path in paths])
            leftovers.tell_dvc(planned)
    named = {job for its in back.values() for job in its}
    known = {path for paths in made.values() for path in paths}
    return {
        "removed": options.yes,
        "back": {name: _as_text(its) for name, its in back.items()},
        "stay": _as_text({job: paths for job, paths in made.items() if job not in named}),
        "foreign": [str(path) for path in leftovers.unplanned(planned) if path not in known],
    }


def lines(answer: dict) -> list[str]:
    told = []
    for name, its in answer["back"].items():
        does = "removed" if answer["removed"] else "would be removed"
        back = "--yes gives them a name for closedbook restore" if name == versioned.LOCK else f"closedbook restore {name} brings them back"
        told += [f"{does}, not planned any more: {_count(its)}", *_some(its), f"  {back}"]
    if answer["stay"]:
        told += [f"stay, not planned any more: {_count(answer['stay'])} (not in DVC's cache under any dvc.lock: nothing could bring them "
                 "back)", *_some(answer["stay"])]
    if answer["foreign"]:
        told += [f"stay: {len(answer['foreign'])} files that closedbook did not write, or that were edited",
                 *(f"  {path}" for path in answer["foreign"][:SHOWN]),
                 *([f"  and {len(answer['foreign']) - SHOWN} more (--json lists all)"] if len(answer["foreign"]) > SHOWN else [])]
    if answer["back"] and not answer["removed"]:
        told.append("closedbook prune --yes removes what can be brought back")
    return told or ["everything among the results is planned"]


def _to_bring_back(made: dict[str, list[Path]], keep: bool) -> dict[str, dict[str, list[Path]]]:
    """Each job all of whose files lie in DVC's cache, under the newest name that says so (`keep`: see `_states`)."""
    hashes, waiting, found = receipts.Hashes(), dict(made), {}
    for name, held in _states(keep):
        if not waiting:
            break
        its = {job: paths for job, paths in waiting.items() if all(_holds(held, path, hashes) for path in paths)}
        waiting = {job: paths for job, paths in waiting.items() if job not in its}
        found |= {name: its} if its else {}
    hashes.save()
    return found


def _states(keep: bool) -> Iterator[tuple[str, versioned.Held]]:
    """All states of results; where none of them is enough, what the dvc.lock that is here holds, which is given a name if it is to be kept."""
    yield from versioned.states()
    if not keep and Path(versioned.LOCK).is_file():
        yield versioned.LOCK, versioned.Held(Path(versioned.LOCK).read_text(encoding="utf-8"))
    elif keep and (name := dvc.keep(list(STAGES))):
        yield name, versioned.Held(versioned.named(name), name)


def _holds(held: versioned.Held, path: Path, hashes: receipts.Hashes) -> bool:
    place = held.place(str(path))
    return place.is_file() and hashes.sha256(place) == hashes.sha256(path)


def _as_text(its: dict[str, list[Path]]) -> dict[str, list[str]]:
    return {job: list(map(str, paths)) for job, paths in its.items()}


def _count(its: dict[str, list[str]]) -> str:
    return f"{len(its)} results, {sum(map(len, its.values()))} files"


def _some(its: dict[str, list[str]]) -> list[str]:
    return [f"  {job}" for job in list(its)[:SHOWN]] + ([f"  and {len(its) - SHOWN} more (--json lists all)"] if len(its) > SHOWN else [])
