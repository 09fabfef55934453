"""dvc.lock against the files here, and the objects of DVC's cache against their names.

An object is compared by SHA-256 with what a receipt says of its file, which is a stronger hash than the MD5 that it is named by, and
twice as fast; by MD5 only where no receipt knows it, or the two differ.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from closedbook.lineage import versioned
from closedbook.lineage.checks.digests import Digests
from closedbook.lineage.checks.state import Break, State
from closedbook.workflow import leftovers


def of_dvc(state: State, digests: Digests, ignored: set[Path]) -> Iterator[Break | str]:
    """`ignored`: files that lie among the results here and that DVC does not record."""
    if state.held is None:
        yield f"no {versioned.LOCK} and .dvc here: DVC was not asked"
        return
    for path in state.held.md5:
        yield from _file(state, digests, path)
    for folder in state.held.unread:
        yield from _folder(state, digests, folder, ignored)
    if state.revision is None:
        yield from _others(state, digests)


def _file(state: State, digests: Digests, path: str) -> Iterator[Break]:
    md5, place, maker = state.held.md5[path], state.held.place(path), state.history.maker.get(path)
    if maker and digests.sha256(place) == maker.outputs[path]:
        return
    if (found := digests.md5(place)) not in (md5, None):
        yield _object(place, md5, found, path, state.after(path))
    elif state.revision is None and (found := digests.md5(Path(path))) not in (md5, None):
        yield Break(file=path, expected=f"MD5 {md5}, by {versioned.LOCK}", untrusted=state.after(path),
                    found=f"MD5 {found}: made again since (closedbook commit records it), or changed together with its receipt")


def _folder(state: State, digests: Digests, folder: str, ignored: set[Path]) -> Iterator[Break | str]:
    """One whose object does not say what was in it."""
    md5 = state.held.folders[folder]
    place = state.held.object(md5)
    its = [path for path in state.history.maker if path.startswith(f"{folder}/")]
    if place.is_file():
        yield _object(place, md5, versioned.folder_name(place.read_bytes()), folder, state.after(*its))
    if state.revision:
        yield f"what {state.revision} had in {folder} is not in DVC's cache, or broken there: dvc fetch --all-commits"
    elif (found := _recorded(digests, Path(folder), ignored)) != md5:
        yield Break(file=versioned.LOCK, expected=f"{folder} with MD5 {found}, as it is here", found=f"MD5 {md5}",
                    untrusted=state.after(*its))


def _recorded(digests: Digests, folder: Path, ignored: set[Path]) -> str:
    """What DVC would record of a folder."""
    paths = sorted((str(path.relative_to(folder)), path) for path in set(folder.rglob("*")) - ignored
                   if path.is_file() and not leftovers.is_unfinished(path))
    return versioned.folder_name(json.dumps([{"md5": digests.md5(path), "relpath": name} for name, path in paths]).encode())


def _others(state: State, digests: Digests) -> Iterator[Break]:
    """Objects that only other commits name."""
    named = {state.held.object(md5) for md5 in (*state.held.md5.values(), *state.held.folders.values())}
    for place in [place for place in state.held.objects() if place not in named]:
        name, found = place.parent.name + place.name, digests.md5(place)
        if found != name.removesuffix(".dir"):
            yield _object(place, name, found, "of another commit", [])


def _object(place: Path, name: str, found: str, what: str, untrusted: list[str]) -> Break:
    return Break(file=os.path.relpath(place), expected=f"MD5 {name}, its name ({what})", found=f"MD5 {found}", untrusted=untrusted)
