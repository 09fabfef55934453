"""MLflow's record of the runs: a store beside the repository's own files, shared by DVC's temporary experiments.

It can't change a result. A training is seen while it runs; one that is resumed goes on with its record, and no step is there twice.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path

from closedbook.util import files
from closedbook.util.errors import UserError, writing
from closedbook.util.git import git

EXPERIMENT = "closedbook"
DATABASE = "mlflow.db"
PARAMS_A_CALL, METRICS_A_CALL = 100, 1000
"""MLflow's limits"""
SECONDS_BETWEEN_CALLS = 10
PLANNED = "training"
"""the tag by which a training that is resumed finds its record"""
HASHES = "hashes.json"
"""the artefact that holds a record's hashes"""
SECONDS = """SELECT seconds.value FROM tags AS model JOIN tags AS seconds ON seconds.run_uuid = model.run_uuid
WHERE model.key = 'model.sha256' AND model.value = ? AND seconds.key = 'seconds'"""
OF_MODEL = """SELECT runs.run_uuid FROM runs JOIN tags AS model USING (run_uuid) JOIN tags AS name USING (run_uuid)
WHERE status = 'FINISHED' AND lifecycle_stage = 'active' AND model.key = 'model.sha256' AND model.value = ?
AND name.key IN ('run', 'assistant') AND name.value = ?"""


def root() -> Path:
    """Where mlflow.db and mlartifacts/ live."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def log_run(
    *, name: str, source: str, settings: dict, dataset: dict[str, str] | None, tags: dict[str, str], sha256: dict[str, str], model_sha256: str,
    history: list[dict], metrics: dict[str, float], artifacts: list[Path], seconds: float | None,
) -> None:  # fmt: skip
    """Finish the record of a run `name`, which Live began, or make it anew; not where the same name with the same model is there already.

    `source` is the command that makes it; `settings` may be nested; `dataset` is {"name", "source", "sha256"}; `sha256` is of the run's files, by
    name; each row of `history` holds its "step" and metrics; `metrics` belong to the last step; `seconds` is how long the training took in this
    process, None of what was not trained.
    """
    hashes = files.json_text({**tags, "model": model_sha256, "dataset": dataset and dataset["sha256"], "files": sha256})
    tags = {**tags, "model.sha256": model_sha256, "hashes.sha256": files.sha256_text(hashes)} | ({"seconds": f"{seconds:.0f}"} if seconds else {})
    with _store() as (client, experiment):
        begun = _begun(client, experiment, name, settings, dataset)
        earlier = client.search_runs([experiment], f"attributes.run_name = '{name}' and tags.`model.sha256` = '{model_sha256}'")
        if any(run.info.status == "FINISHED" for run in earlier):
            if begun:
                client.delete_run(begun)  # the same, trained once more
            return
        end = int(time.time() * 1000)
        run_id = begun or _begin(client, experiment, name, source, settings, dataset, end - int((seconds or 0) * 1000))
        rows = [*history, {"step": max((row["step"] for row in history), default=0), **metrics}]
        for batch in _batches(rows, end, _known(client, run_id)):
            client.log_batch(run_id, metrics=batch)
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
        client.log_text(run_id, hashes, HASHES)
        for artifact in artifacts:
            client.log_artifact(run_id, str(artifact))
        client.set_terminated(run_id, end_time=end)
        client.delete_tag(run_id, PLANNED)


def log_scores(measured: dict[tuple[str, str], dict[str, float]]) -> None:
    """Have the records of runs and assistants hold how well these do: {(name, SHA-256 of its model): {metric: value}}. MLflow is loaded only where
    one lacks something; a model that has no record here, as it was trained elsewhere, gets none."""
    lacking = _lacking(measured)
    if lacking:
        from mlflow.entities import Metric

        with _store() as (client, _):
            for run_id, values in lacking.items():
                now = int(time.time() * 1000)
                client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in values.items()])


def _lacking(measured: dict[tuple[str, str], dict[str, float]]) -> dict[str, dict[str, float]]:
    """{id of a record: what it does not hold, or holds with another value}"""
    found = {}
    with _questions() as store:
        for (name, model_sha256), values in measured.items() if store else ():
            for (run_id,) in store.execute(OF_MODEL, (model_sha256, name)).fetchall():
                known = dict(store.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", (run_id,)))
                found[run_id] = {metric: value for metric, value in values.items() if known.get(metric) != value}
    return {run_id: values for run_id, values in found.items() if values}


def log_calls(step: str, sums: dict[str, float]) -> None:
    """Log what a stage or strategy asked of language models in one run of Snakemake."""
    from mlflow.entities import Metric

    with _store() as (client, experiment):
        run_id = client.create_run(experiment, tags={"calls": step}, run_name=f"calls: {step}").info.run_id
        now = int(time.time() * 1000)
        client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in sums.items()])
        client.set_terminated(run_id)


class Live:
    """The record of a run while it is trained. A training that is resumed goes on with the record that it began."""

    def __init__(self, *, name: str, source: str, settings: dict, dataset: dict[str, str]):
        with _store() as (client, experiment):
            begun = _begun(client, experiment, name, settings, dataset)
            self.run_id = begun or _begin(client, experiment, name, source, settings, dataset, int(time.time() * 1000))
            self.known, self.rows, self.sent = _known(client, self.run_id), [], time.monotonic()

    def step(self, row: dict) -> None:
        """Note a row {"step", metric: value, …}. It is sent with others: each call to MLflow takes its time."""
        self.rows.append(row)
        if time.monotonic() - self.sent >= SECONDS_BETWEEN_CALLS:
            self.send()

    def send(self) -> None:
        with _store() as (client, _):
            for batch in _batches(self.rows, int(time.time() * 1000), self.known):
                client.log_batch(self.run_id, metrics=batch)
        self.rows, self.sent = [], time.monotonic()


@contextmanager
def live(arguments: dict | None) -> Iterator[Live | None]:
    """A run's record from here on; of None there is none. MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true adds the machine's own figures, as MLflow
    has it."""
    if arguments is None:
        yield None
        return
    record = Live(**arguments)
    with _machine(record.run_id):
        yield record
    record.send()


@contextmanager
def _machine(run_id: str) -> Iterator[None]:
    if os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "").lower() != "true":
        yield
        return
    import mlflow
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    mlflow.set_tracking_uri(f"sqlite:///{root() / DATABASE}")
    monitor = SystemMetricsMonitor(run_id, resume_logging=True)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def _begun(client, experiment: str, name: str, settings: dict, dataset: dict[str, str] | None) -> str | None:
    """The id of the record that a training of these began and has not finished."""
    same = f"attributes.run_name = '{name}' and attributes.status = 'RUNNING' and tags.`{PLANNED}` = '{_plan(settings, dataset)}'"
    found = client.search_runs([experiment], same)
    return found[0].info.run_id if found else None


def _plan(settings: dict, dataset: dict[str, str] | None) -> str:
    """Of this very training: one of the same in another folder, as an experiment of DVC's, may be at work at the same time."""
    return files.sha256_text(files.canonical([settings, dataset and dataset["sha256"], os.getcwd()]))


def _begin(client, experiment: str, name: str, source: str, settings: dict, dataset: dict[str, str] | None, start: int) -> str:
    run_id = client.create_run(experiment, start_time=start, tags=_origin(source), run_name=name).info.run_id
    if dataset:
        client.log_inputs(run_id, [_dataset(dataset)])
    for batch in _params(settings):
        client.log_batch(run_id, params=batch)
    client.set_tag(run_id, PLANNED, _plan(settings, dataset))  # last: a record that a kill left without the rest is not gone on with
    return run_id


def _origin(source: str) -> dict[str, str]:
    """Under MLflow's own names: the command, and the commit that is checked out, where git answers."""
    from mlflow.utils import mlflow_tags as names

    found = {names.MLFLOW_SOURCE_NAME: source, names.MLFLOW_SOURCE_TYPE: "LOCAL"}
    with suppress(UserError, OSError):
        if commit := git("rev-parse", "--verify", "--quiet", "HEAD").strip():
            changed = git("status", "--porcelain", "--untracked-files=no")
            found |= {names.MLFLOW_GIT_COMMIT: commit, names.MLFLOW_GIT_DIRTY: "true" if changed else "false"}
    return found


def _known(client, run_id: str) -> dict[str, set[int]]:
    """The steps that a record has of each metric."""
    return {name: {metric.step for metric in client.get_metric_history(run_id, name)} for name in client.get_run(run_id).data.metrics}


def held_out(row: dict) -> dict:
    """A row of losses on held-out data under MLflow's names."""
    return {"step": row["step"], **{f"held_out.{name}": value for name, value in row.items() if name != "step"}}


def seconds(model_sha256: str) -> float | None:
    """How long the training of a model took, by the store; None where there is no store, or it knows no such model."""
    with _questions() as store:
        found = store and store.execute(SECONDS, (model_sha256,)).fetchone()
    return float(found[0]) if found else None


@contextmanager
def _questions() -> Iterator[sqlite3.Connection | None]:
    """The store, to be asked without MLflow's client, which loads for seconds; None where there is none. A question changes nothing."""
    database = root() / DATABASE
    if not database.exists() or not files.is_database(database):
        yield None
        return
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store:
        yield store


@contextmanager
def _store() -> Iterator[tuple]:
    """MLflow's client and the experiment's id, with nobody else at the store: two processes that create it at once crash."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    for noisy in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    database = root() / DATABASE
    with writing(database), open(root() / f"{DATABASE}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not files.is_database(database):
            raise UserError(f"{database}: not a database: move it away; MLflow then lists the runs from here on, and no result depends on it")
        client = MlflowClient(f"sqlite:///{database}")
        known = client.get_experiment_by_name(EXPERIMENT)
        artifacts = (root() / "mlartifacts").as_uri()
        if known and known.artifact_location != artifacts:
            _follow_the_folder(artifacts)
        yield client, known.experiment_id if known else client.create_experiment(EXPERIMENT, artifact_location=artifacts)


def _follow_the_folder(artifacts: str) -> None:
    """In a project that was moved or copied, MLflow would go on writing to the old place, and offers no call to change that."""
    with closing(sqlite3.connect(root() / DATABASE)) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", (artifacts, EXPERIMENT))


def _dataset(dataset: dict[str, str]):
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest = dataset["sha256"][:36]  # as much as MLflow has room for; the whole one is in the artefact
    entity = Dataset(name=dataset["name"], digest=digest, source_type="local", source=dataset["source"])
    return DatasetInput(dataset=entity, tags=[InputTag("mlflow.data.context", "training")])


def _params(settings: dict) -> Iterator[list]:
    from mlflow.entities import Param

    found = [Param(key, str(value)) for key, value in flat(settings)]
    yield from (found[start : start + PARAMS_A_CALL] for start in range(0, len(found), PARAMS_A_CALL))


def _batches(rows: list[dict], timestamp: int, known: dict[str, set[int]]) -> Iterator[list]:
    """The metrics of some rows, without those that are `known`."""
    from mlflow.entities import Metric

    found = [Metric(key, value, timestamp, row["step"]) for row in rows for key, value in row.items()
             if key != "step" and row["step"] not in known.get(key, ())]  # fmt: skip
    yield from (found[start : start + METRICS_A_CALL] for start in range(0, len(found), METRICS_A_CALL))


def flat(settings: dict, prefix: str = "") -> list[tuple[str, object]]:
    """("training.batch_size", 8) for {"training": {"batch_size": 8}}."""
    nested = (flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)] for key, value in settings.items())
    return list(chain.from_iterable(nested))
