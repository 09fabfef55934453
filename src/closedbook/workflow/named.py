"""What people call documents and runs, and the one name that each has here: for every command that takes one."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePath

from closedbook import layout
from closedbook.sources import folder
from closedbook.util import files
from closedbook.util.errors import UserError, did_you_mean

SHOWN = 8
"""documents that are listed where a name may mean several"""


def document(name: str, known: Iterable[str] | None = None) -> str:
    """The id of a document by this id, the path of its source or of a result of its own, its title, or a part of a title that no other has.

    `known`: the ids that it may have (all that are here). Raises UserError that lists those that it may mean where these are several, and
    names the nearest where it means none.
    """
    ids = documents() if known is None else list(known)
    found = matching(name, ids)
    if not found:
        near = did_you_mean(name, [*ids, *map(_title, ids)], otherwise=f"the ids are the names of the files in {layout.DOCUMENTS}")
        raise UserError(f"{name}: no such document: {near}")
    if len(found) > 1:
        more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        rows = [f"  {identity}  {_title(identity)}" for identity in found[:SHOWN]]
        raise UserError("\n".join([f"{name}: {len(found)} documents have this in their title: give the id of one:", *rows, *more]))
    return found[0]


def matching(name: str, ids: Collection[str]) -> list[str]:
    """Those of some documents that a name may mean."""
    for identity in (name, *_by_path(name)):
        if identity in ids:
            return [identity]
    titles, wanted = {identity: _plain(_title(identity)) for identity in ids}, _plain(name)
    whole = [identity for identity, title in titles.items() if title == wanted]
    return whole or [identity for identity, title in titles.items() if wanted and wanted in title]


def documents() -> list[str]:
    """The ids of all documents that are here, or of which a receipt is."""
    places = (layout.DOCUMENTS, layout.RECEIPTS / layout.DOCUMENTS.name)
    return sorted({path.stem for place in places for path in place.glob("*.json")})


def run(name: str, known: Collection[str]) -> str:
    """One of the `known` runs, by its own name (raw-s1), or by that of its arm where it is the only run of it. Raises UserError otherwise."""
    found = runs(name, known)
    if len(found) > 1:
        raise UserError(f"{name}: has several runs: name one of {', '.join(found)}")
    return found[0]


def runs(name: str, known: Collection[str]) -> list[str]:
    """One of the `known` runs, or all that an arm has of them. Raises UserError that names the nearest where there is none."""
    found = [name] if name in known else [one for one in known if name and layout.arm_of(one) == name]
    if not found:
        there = f"there are {', '.join(known)}" if known else "nothing is trained yet: run snakemake --cores all, or dvc pull"
        raise UserError(f"{name}: no such arm or run here: {did_you_mean(name, with_arms(known), otherwise=there)}")
    return found


def with_arms(runs: Iterable[str]) -> list[str]:
    """The names of some runs, and those of their arms."""
    return list(dict.fromkeys(name for run in runs for name in (run, layout.arm_of(run)) if name))


def strategy(name: str, known: Collection[str]) -> str:
    """One of the strategies of which there are passages. Raises UserError that names the nearest, or all."""
    if name not in known:
        raise UserError(f"{name}: no passages of such a strategy: {did_you_mean(name, known, otherwise='there are those of ' + ', '.join(sorted(known)))}")
    return name


def _by_path(name: str) -> Iterator[str]:
    """The ids that a document may have of which a path is a result's, or its source's in a folder of texts. From which folder the path
    leads there does not matter: an id says what path it had within documents.path."""
    parts = PurePath(name).parts
    yield PurePath(name).stem
    for within in ("/".join(parts[start:]) for start in range(len(parts))):
        yield from (folder.identifier(folder.known_as(within, papers)) for papers in (False, True))


def _title(identity: str) -> str:
    """Of a document, or of what its source has where it is not made yet; none where it is not here, or what lies there is no document."""
    path = next((path for path in (layout.document(identity), layout.source(identity)) if path.is_file()), None)
    found = files.read_json(path) if path else None
    return found.get("title", "") if isinstance(found, dict) else ""


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()
