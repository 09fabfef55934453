"""A crate in crate/: its files against its SHA256SUMS, and whether it is of this project and describes what is here."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from closedbook.lineage import versioned
from closedbook.lineage.checks.digests import Digests
from closedbook.lineage.checks.state import Break, State
from closedbook.util import files

CRATE = Path("crate")
METADATA, SUMS = CRATE / "ro-crate-metadata.json", CRATE / "SHA256SUMS"
ROW = re.compile(r"([0-9a-f]{64})  (.+)\n")


def of_crate(state: State, digests: Digests) -> Iterator[Break | str]:
    if not CRATE.is_dir():
        return
    text = SUMS.read_text(encoding="utf-8", errors="replace") if SUMS.is_file() else ""
    rows = ROW.findall(text)
    if not rows or "".join(f"{sha256}  {path}\n" for sha256, path in rows) != text:
        yield Break(file=str(SUMS), expected="lines of a SHA-256, two spaces and a path", found="something else" if text else "no file",
                    untrusted=[])
    named = {CRATE / path: sha256 for sha256, path in rows}
    broken = [path for path in sorted({*named, *crate_files()}) if digests.sha256(path) != named.get(path)]
    for path in broken:
        found = digests.sha256(path)
        yield Break(file=str(path), expected=f"SHA-256 {named[path]}, by {SUMS}" if path in named else f"none: {SUMS} does not name it",
                    found=f"SHA-256 {found}" if found else "no file", untrusted=[])
    if METADATA in named and not broken:
        yield from _described(state)


def crate_files() -> list[Path]:
    """All but the sums themselves; results/ in a crate is a link to the project's, and not looked into."""
    return sorted(path for path in CRATE.rglob("*") if path.is_file() and path != SUMS)


def _described(state: State) -> Iterator[Break | str]:
    graph = files.read_json(METADATA)["@graph"]
    root = next(entity for entity in graph if entity["@id"] == "./")
    here = versioned.first_commits()
    if here and root.get("identifier") not in here:
        yield Break(file=str(METADATA), expected=f"the crate of this project, whose first commit is {here[0]}", untrusted=[],
                    found=f"the crate of another one, whose first commit is {root.get('identifier')}")
        return
    told = {unquote(entity["@id"]): entity["sha256"] for entity in graph if "sha256" in entity}
    other = sorted(path for path, job in state.history.maker.items() if told.get(path) != job.outputs[path])
    if other:
        yield (f"{CRATE}/ describes another state, of commit {root.get('version')}: {len(other)} results are others now, {other[0]} among "
               "them (closedbook crate writes it anew)")
