"""Where what others keep of the results is not what the results are: DVC, the ledger, MLflow, and a crate in crate/."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from closedbook import files, ledger, tracking
from closedbook.lineage import breaks, versioned
from closedbook.lineage.digests import Digests
from closedbook.lineage.state import Break, State

CRATE, METADATA = Path("crate"), "ro-crate-metadata.json"
SUM = re.compile(r"([0-9a-f]{64})  (.+)\n")


def of_dvc(state: State, digests: Digests) -> Iterator[Break | str]:
    """dvc.lock against the files here, and the cache's objects against their names.

    An object is compared by SHA-256 with what a receipt says of its file (a stronger hash, and twice as fast), and by MD5 only where
    no receipt does or the two differ.
    """
    if state.held is None:
        yield f"no {versioned.LOCK} and .dvc here: DVC was not asked"
        return
    for path in state.held.md5:
        yield from _versioned_file(state, digests, path)
    for folder in state.held.unread:
        yield from _unread_folder(state, digests, folder)
    if state.revision is None:
        yield from _other_objects(state, digests)


def _versioned_file(state: State, digests: Digests, path: str) -> Iterator[Break]:
    md5, place, here = state.held.md5[path], state.held.place(path), Path(path)
    maker = state.history.maker.get(path)
    if maker and digests.sha256(place) == maker.outputs[path]:
        return
    if (found := digests.md5(place)) not in (md5, None):
        yield Break(file=_near(place), expected=f"MD5 {md5}, its name ({path})", found=f"MD5 {found}", untrusted=state.after(path))
    elif state.revision is None and (found := digests.md5(here)) not in (md5, None):
        yield Break(file=path, expected=f"MD5 {md5}, by {versioned.LOCK}", found=f"MD5 {found}: made again since (closedbook commit records "
                    "it), or changed together with its receipt", untrusted=state.after(path))


def _unread_folder(state: State, digests: Digests, folder: str) -> Iterator[Break | str]:
    md5 = state.held.folders[folder]
    place = state.held.object(md5)
    its = [path for path in state.history.maker if path.startswith(f"{folder}/")]
    if place.is_file():
        name = versioned.folder_name(place.read_bytes())
        yield Break(file=_near(place), expected=f"MD5 {md5}, its name ({folder})", found=f"MD5 {name}", untrusted=state.after(*its))
    if state.revision:
        yield f"what {state.revision} had in {folder} is not in DVC's cache, or broken there: dvc fetch --all-commits"
    elif (found := _folder_md5(digests, Path(folder))) != md5:
        yield Break(file=versioned.LOCK, expected=f"{folder} with MD5 {found}, as it is here", found=f"MD5 {md5}", untrusted=state.after(*its))


def _folder_md5(digests: Digests, folder: Path) -> str:
    """What DVC would record of a folder."""
    paths = sorted((str(path.relative_to(folder)), path) for path in folder.rglob("*") if path.is_file())
    return versioned.folder_name(json.dumps([{"md5": digests.md5(path), "relpath": name} for name, path in paths]).encode())


def _other_objects(state: State, digests: Digests) -> Iterator[Break]:
    """Objects that only other commits name."""
    named = {state.held.object(md5) for md5 in (*state.held.md5.values(), *state.held.folders.values())}
    for place in objects(state):
        if place not in named and digests.md5(place) != place.parent.name + place.stem:
            yield Break(file=_near(place), expected=f"MD5 {place.parent.name}{place.stem}, its name", found=f"MD5 {digests.md5(place)}", untrusted=[])


def objects(state: State) -> list[Path]:
    return sorted(path for path in state.held.cache.glob("??/*") if path.is_file())


def _near(path: Path) -> str:
    return os.path.relpath(path)


def of_ledger(state: State, digests: Digests) -> Iterator[Break | str]:
    """Chains, the texts of documents, and the calls that entity lists and passages carry."""
    folder = ledger.root()
    if not folder.is_dir():
        yield f"no {folder}/ here: whether passages carry the answers that were given was not asked"
        return
    answers: dict[str, dict[str, set[str]]] = {}
    for path in sorted(folder.glob("*/*.jsonl")):
        its = state.with_after([_result(path)])
        answers[_result(path)] = known = {}
        for number, record, problem in ledger.verified(path):
            if problem:
                yield Break(file=f"{path}:{number}", expected="a call as it was written, chained to the line before", found=problem, untrusted=its)
            elif "key" in record:
                known.setdefault(record["key"], set()).add(ledger.struck(record)["text_sha256"])
        for place in (folder / "texts" / f"{sha256}.txt" for sha256 in sorted(ledger.stored_texts(path))):
            if digests.sha256(place) != place.stem:
                yield Break(file=str(place), expected=f"SHA-256 {place.stem}, its name", found=f"SHA-256 {digests.sha256(place)}", untrusted=its)
    yield from _calls(state, digests, answers)


def _result(segment: Path) -> str:
    """What a segment's calls were made for."""
    step = "" if segment.parent.name == "entities" else "passages/"
    return f"results/{step}{segment.parent.name}/{segment.stem}.json"


def _calls(state: State, digests: Digests, answers: dict[str, dict[str, set[str]]]) -> Iterator[Break | str]:
    unasked = 0
    for path in [*breaks.glob(state, "results/entities/*.json"), *breaks.glob(state, "results/passages/*/*.json")]:
        record = breaks.read(state, digests, path) or {}
        calls = [one["call"] for one in record.get("passages", [record]) if one.get("call")]
        unasked += bool(calls) and path not in answers
        for call in calls if path in answers else []:
            found = answers[path].get(call["key"])
            if found is None or call["response_sha256"] not in found:
                yield Break(file=path, expected=f"the call {call['key']} in the ledger, answered with SHA-256 {call['response_sha256']}",
                            found="no such call: lines are gone" if found is None else f"answered with {', '.join(sorted(found))}",
                            untrusted=state.with_after([path]))
    if unasked:
        yield f"no segment in the ledger here for {unasked} entity lists and passage files: they were made elsewhere"


def of_mlflow(state: State, digests: Digests) -> Iterator[Break | str]:
    """The tags and artefacts of each run in MLflow's store, and each run.json against the run that logged it."""
    database = tracking.root() / "mlflow.db"
    if not database.exists():
        yield "no mlflow.db here: MLflow was not asked"
        return
    try:
        logged = _logged(database)
    except sqlite3.DatabaseError as error:
        yield Break(file=_near(database), expected="MLflow's database", found=str(error), untrusted=[])
        return
    for run_id, tags in logged.items():
        yield from _logged_run(run_id, tags, digests)
    for path in breaks.glob(state, "results/runs/*/run.json"):
        if run := breaks.read(state, digests, path):
            yield from _run_in_mlflow(run, logged)


def _logged(database: Path) -> dict[str, dict[str, str]]:
    """{id: its tags, its data's digest as "dataset" among them} of the finished runs."""
    runs = f"FROM runs JOIN experiments USING (experiment_id) WHERE experiments.name = '{tracking.EXPERIMENT}' AND status = 'FINISHED' " \
           "AND runs.lifecycle_stage = 'active'"
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store:
        found = {run_id: {} for run_id, in store.execute(f"SELECT run_uuid {runs}")}
        rows = [*store.execute("SELECT run_uuid, key, value FROM tags"),
                *store.execute("SELECT destination_id, 'dataset', digest FROM inputs JOIN datasets ON source_id = dataset_uuid")]
    for run_id, key, value in rows:
        if run_id in found:
            found[run_id][key] = value
    return found


def _logged_run(run_id: str, tags: dict[str, str], digests: Digests) -> Iterator[Break]:
    """Its artefacts have the hashes in its tags, and its tags agree with each other."""
    folder = tracking.root() / "mlartifacts" / run_id / "artifacts"
    for path in {folder / "losses.csv", *folder.glob("*")}:
        expected, found = tags.get(f"sha256.{path.name}"), digests.sha256(path)
        if expected not in (found, None):
            yield Break(file=_near(path), expected=f"SHA-256 {expected}, by MLflow's tag sha256.{path.name}", found=f"SHA-256 {found}", untrusted=[])
    for tag, other in (("model.sha256", tags.get("sha256.model.safetensors")), ("dataset", tags.get("dataset.sha256", "")[:36] or None)):
        if tags.get(tag) != other:
            yield _tag(run_id, tag, other, tags)


def _run_in_mlflow(run: dict, logged: dict[str, dict[str, str]]) -> Iterator[Break | str]:
    model = run["sha256"]["model.safetensors"]
    wanted = {"run": run["run"], "model.sha256": model, "dataset.sha256": run["data_sha256"], "dataset": run["data_sha256"][:36],
              **{f"sha256.{name}": sha256 for name, sha256 in run["sha256"].items()}}
    its = {run_id: [tag for tag in wanted if tags.get(tag) != wanted[tag]] for run_id, tags in logged.items()
           if model in (tags.get("model.sha256"), tags.get("sha256.model.safetensors"))}
    if not its:
        yield f"runs/{run['run']}: MLflow's store here holds no run with its model"
        return
    run_id = min(its, key=lambda run_id: len(its[run_id]))  # two arms may have trained the same
    for tag in its[run_id]:
        yield _tag(run_id, tag, wanted[tag], logged[run_id])


def _tag(run_id: str, tag: str, expected: str | None, tags: dict[str, str]) -> Break:
    return Break(file=f"{_near(tracking.root() / 'mlflow.db')}: run {run_id}: {tag}", expected=str(expected), found=str(tags.get(tag)), untrusted=[])


def of_crate(state: State, digests: Digests) -> Iterator[Break | str]:
    """The files of crate/ against its SHA256SUMS; and whether it describes what is here."""
    sums = CRATE / "SHA256SUMS"
    if not CRATE.is_dir():
        return
    if not sums.is_file():
        yield Break(file=str(sums), expected="the hashes of the crate's files", found="no file", untrusted=[])
        return
    text = sums.read_text(encoding="utf-8", errors="replace")
    rows = SUM.findall(text)
    if "".join(f"{sha256}  {path}\n" for sha256, path in rows) != text:
        yield Break(file=str(sums), expected="a hash, two spaces and a path on each line", found="something else", untrusted=[])
    named = {CRATE / path: sha256 for sha256, path in rows}
    broken = [path for path in sorted({*named, *crate_files()}) if digests.sha256(path) != named.get(path)]
    for path in broken:
        yield Break(file=str(path), expected=f"SHA-256 {named[path]}, by {sums}" if path in named else f"no such file: {sums} does not name it",
                    found=f"SHA-256 {digests.sha256(path)}" if path.is_file() else "no file", untrusted=[])
    if CRATE / METADATA in named and not broken:
        yield from _described(state)


def crate_files() -> list[Path]:
    """All but the sums themselves; results/ in a crate is a link to the project's, and not looked into."""
    return sorted(path for path in CRATE.rglob("*") if path.is_file() and path != CRATE / "SHA256SUMS")


def _described(state: State) -> Iterator[Break | str]:
    """Whether the crate is of this project, and of what is here now."""
    graph = files.read_json(CRATE / METADATA)["@graph"]
    root = next(entity for entity in graph if entity["@id"] == "./")
    first = versioned.git("rev-list", "--max-parents=0", "HEAD").split()
    if first and root.get("identifier") not in first:
        yield Break(file=str(CRATE / METADATA), expected=f"the crate of this project, whose first commit is {min(first)}",
                    found=f"the crate of another one, whose first commit is {root.get('identifier')}", untrusted=[])
        return
    told = {unquote(entity["@id"]): entity["sha256"] for entity in graph if "sha256" in entity}
    other = sorted(path for path, job in state.history.maker.items() if told.get(path) != job.outputs[path])
    if other:
        yield (f"{CRATE}/ describes another state, of commit {root.get('version')}: {len(other)} results are others now, {other[0]} among "
               "them (closedbook crate writes it anew)")
