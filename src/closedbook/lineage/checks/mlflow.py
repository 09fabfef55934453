"""MLflow's store: the tags and artefacts of each finished run, and each run.json against the run that logged it.

Read with sqlite3: MLflow's own client takes seconds to load.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from closedbook import layout, models
from closedbook.lineage.checks.digests import Digests
from closedbook.lineage.checks.state import Break, State
from closedbook.training import tracking

FINISHED = f"""FROM runs JOIN experiments USING (experiment_id)
WHERE experiments.name = '{tracking.EXPERIMENT}' AND status = 'FINISHED' AND runs.lifecycle_stage = 'active'"""
TAGS = """SELECT run_uuid, key, value FROM tags
UNION ALL SELECT destination_id, 'dataset', digest FROM inputs JOIN datasets ON source_id = dataset_uuid"""


def of_mlflow(state: State, digests: Digests) -> Iterator[Break | str]:
    database = tracking.root() / "mlflow.db"
    if not database.exists():
        yield "no mlflow.db here: MLflow was not asked"
        return
    try:
        logged = _logged(database)
    except sqlite3.DatabaseError as error:
        yield Break(file=os.path.relpath(database), expected="MLflow's database", found=str(error), untrusted=[])
        return
    for run_id, tags in logged.items():
        yield from _artefacts(run_id, tags, digests)
        yield from _agreement(run_id, tags)
    for path in state.results(f"{layout.RUNS}/*/run.json"):
        if run := state.read(path, digests):
            yield from _run(run, logged)


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


def _artefacts(run_id: str, tags: dict[str, str], digests: Digests) -> Iterator[Break]:
    folder = tracking.root() / "mlartifacts" / run_id / "artifacts"
    for path in sorted({folder / "losses.csv", *folder.glob("*")}):
        expected, found = tags.get(f"sha256.{path.name}"), digests.sha256(path)
        if expected not in (found, None):
            yield Break(file=os.path.relpath(path), expected=f"SHA-256 {expected}, by MLflow's tag sha256.{path.name}",
                        found=f"SHA-256 {found}" if found else "no file", untrusted=[])


def _agreement(run_id: str, tags: dict[str, str]) -> Iterator[Break]:
    """What MLflow holds twice."""
    twice = {"model.sha256": _model(tags), "dataset": tags.get("dataset.sha256", "")[:36] or None}
    yield from (_tag(run_id, tag, expected, tags) for tag, expected in twice.items() if tags.get(tag) != expected)


def _model(tags: dict[str, str]) -> str:
    """The digest of a model's weights by the tags of its files."""
    return models.weights_sha256({name.removeprefix("sha256."): sha256 for name, sha256 in tags.items() if name.startswith("sha256.")})


def _run(run: dict, logged: dict[str, dict[str, str]]) -> Iterator[Break | str]:
    model = models.weights_sha256(run["sha256"])
    wanted = {"run": run["run"], "model.sha256": model, "dataset.sha256": run["data_sha256"], "dataset": run["data_sha256"][:36],
              **{f"sha256.{name}": sha256 for name, sha256 in run["sha256"].items()}}
    wrong = {run_id: [tag for tag in wanted if tags.get(tag) != wanted[tag]] for run_id, tags in logged.items()
             if model in (tags.get("model.sha256"), _model(tags))}
    if not wrong:
        yield f"runs/{run['run']}: MLflow's store here holds no run with its model: it was trained elsewhere"
        return
    run_id = min(wrong, key=lambda run_id: len(wrong[run_id]))  # two arms may have trained the same
    yield from (_tag(run_id, tag, wanted[tag], logged[run_id]) for tag in wrong[run_id])


def _tag(run_id: str, tag: str, expected: str | None, tags: dict[str, str]) -> Break:
    return Break(file=f"{os.path.relpath(tracking.root() / 'mlflow.db')}: run {run_id}: {tag}", expected=str(expected),
                 found=str(tags.get(tag)), untrusted=[])
