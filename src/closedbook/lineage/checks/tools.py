"""What other tools hold of the results: dvc.lock and DVC's cache, MLflow's store, and a crate, each against what is here."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from closedbook import layout, models
from closedbook.lineage.checks.state import Break, Digests, State
from closedbook.training import tracking
from closedbook.util import files
from closedbook.workflow import leftovers, versioned

FINISHED = f"""FROM runs JOIN experiments USING (experiment_id)
WHERE experiments.name = '{tracking.EXPERIMENT}' AND status = 'FINISHED' AND runs.lifecycle_stage = 'active'"""
TAGS = """SELECT run_uuid, key, value FROM tags
UNION ALL SELECT destination_id, 'dataset', digest FROM inputs JOIN datasets ON source_id = dataset_uuid"""
CRATE = Path("crate")
METADATA, SUMS = CRATE / "ro-crate-metadata.json", CRATE / "SHA256SUMS"
ROW = re.compile(r"([0-9a-f]{64})  (.+)\n")


def of_dvc(state: State, digests: Digests, ignored: set[Path]) -> Iterator[Break | str]:
    """An object is compared by SHA-256 with what a receipt says of its file, which is a stronger hash than the MD5 that it is named by, and
    twice as fast; by MD5 only where no receipt knows it, or the two differ.

    `ignored`: files that lie among the results here and that DVC does not record.
    """
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


def of_mlflow(state: State, digests: Digests) -> Iterator[Break | str]:
    """Read with sqlite3: MLflow's own client takes seconds to load."""
    database = tracking.root() / tracking.DATABASE
    if not database.exists():
        yield f"no {tracking.DATABASE} here: MLflow was not asked"
        return
    try:
        logged = _logged(database)
    except sqlite3.DatabaseError as error:
        yield Break(file=os.path.relpath(database), expected="MLflow's database", found=str(error), untrusted=[])
        return
    kept = {}
    for run_id, tags in logged.items():
        hashes = yield from _hashes(run_id, tags, digests)
        if hashes is None:
            continue  # nothing more can be asked of it
        kept[run_id] = tags | hashes
        yield from _artefacts(run_id, kept[run_id], digests)
        yield from _agreement(run_id, kept[run_id])
    for kind, pattern in (("run", f"{layout.RUNS}/*/run.json"), ("assistant", f"{layout.ASSISTANTS}/*/assistant.json")):
        for path in state.results(pattern):
            if (facts := state.read(path, digests)) and "refused" not in facts:
                yield from _logged_model(kind, facts, kept)


def _logged(database: Path) -> dict[str, dict[str, str]]:
    """{id: its tags, the digest of its data among them as "dataset"} of all finished runs."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store:
        found = {run_id: {} for run_id, in store.execute(f"SELECT run_uuid {FINISHED}")}
        for run_id, key, value in store.execute(TAGS):
            if run_id in found:
                found[run_id][key] = value
    return found


def artefacts() -> list[Path]:
    return sorted((tracking.root() / "mlartifacts").glob("*/artifacts/*"))


def _hashes(run_id: str, tags: dict[str, str], digests: Digests) -> Iterator[Break]:
    """What the artefact of hashes says, in the form of the tags that earlier records have in its place; None where it can't be believed."""
    expected = tags.get("hashes.sha256")
    if expected is None:
        return {}
    path = _folder_of(run_id) / tracking.HASHES
    if (found := digests.sha256(path)) != expected:
        yield _artefact(path, expected, "hashes.sha256", found)
        return None
    held = files.read_json(path)
    dataset = {"dataset.sha256": held["dataset"]} if held["dataset"] else {}
    return {**dataset, **{f"sha256.{name}": sha256 for name, sha256 in held["files"].items()}}


def _folder_of(run_id: str) -> Path:
    return tracking.root() / "mlartifacts" / run_id / "artifacts"


def _artefacts(run_id: str, tags: dict[str, str], digests: Digests) -> Iterator[Break]:
    for path in sorted({_folder_of(run_id) / "losses.csv", *_folder_of(run_id).glob("*")}):
        expected, found = tags.get(f"sha256.{path.name}"), digests.sha256(path)
        if expected not in (found, None):
            yield _artefact(path, expected, f"sha256.{path.name}", found)


def _artefact(path: Path, expected: str, tag: str, found: str | None) -> Break:
    return Break(file=os.path.relpath(path), expected=f"SHA-256 {expected}, by MLflow's {tag}", found=f"SHA-256 {found}" if found else "no file",
                 untrusted=[])


def _model(tags: dict[str, str]) -> str | None:
    """The digest of a model's weights by those of its files."""
    return models.weights_sha256({name.removeprefix("sha256."): sha256 for name, sha256 in tags.items() if name.startswith("sha256.")})


def _agreement(run_id: str, tags: dict[str, str]) -> Iterator[Break]:
    """What MLflow holds twice."""
    twice = {"model.sha256": _model(tags), "dataset": tags.get("dataset.sha256", "")[:36] or None}
    yield from (_tag(run_id, tag, expected, tags) for tag, expected in twice.items() if tags.get(tag) != expected)


def _logged_model(kind: str, facts: dict, logged: dict[str, dict[str, str]]) -> Iterator[Break | str]:
    """A run's record, or an assistant's, which before there was an artefact of hashes was a part of one, or none."""
    model, data = models.weights_sha256(facts["sha256"]), facts.get("data_sha256")
    wanted = {kind: facts[kind], "model.sha256": model, **{f"sha256.{name}": sha256 for name, sha256 in facts["sha256"].items()}}
    wanted |= {"dataset.sha256": data, "dataset": data[:36]} if data else {}
    wrong = {run_id: [tag for tag in wanted if tags.get(tag) != wanted[tag]] for run_id, tags in logged.items()
             if model in (tags.get("model.sha256"), _model(tags)) and (kind == "run" or kind in tags and "hashes.sha256" in tags)}
    if not wrong:
        if kind == "run":
            yield f"runs/{facts['run']}: MLflow's store here holds no run with its model: it was trained elsewhere"
        return
    run_id = min(wrong, key=lambda run_id: len(wrong[run_id]))  # two arms may have trained the same
    yield from (_tag(run_id, tag, wanted[tag], logged[run_id]) for tag in wrong[run_id])


def _tag(run_id: str, tag: str, expected: str | None, tags: dict[str, str]) -> Break:
    return Break(file=f"{os.path.relpath(tracking.root() / tracking.DATABASE)}: run {run_id}: {tag}", expected=str(expected),
                 found=str(tags.get(tag)), untrusted=[])


def of_crate(state: State, digests: Digests) -> Iterator[Break | str]:
    """A crate in crate/, and whether it is of this project and describes what is here."""
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
