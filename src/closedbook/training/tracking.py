"""MLflow's record of the runs: a store beside the repository's own files, shared by DVC's temporary experiments.

It can't change a result: a run is logged when it is done, in one go, so a resumed training leaves no doubled metrics.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from closedbook.util import files
from closedbook.util.errors import UserError, writing

EXPERIMENT = "closedbook"
PARAMS_A_CALL, METRICS_A_CALL = 100, 1000
"""MLflow's limits"""
SECONDS = """SELECT seconds.value FROM tags AS model JOIN tags AS seconds ON seconds.run_uuid = model.run_uuid
WHERE model.key = 'model.sha256' AND model.value = ? AND seconds.key = 'seconds'"""


def root() -> Path:
    """Where mlflow.db and mlartifacts/ live."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def log_run(
    *, name: str, model_sha256: str, settings: dict, tags: dict[str, str], dataset: dict[str, str], history: list[dict],
    metrics: dict[str, float], artifacts: list[Path], seconds: float,
) -> None:  # fmt: skip
    """Log one finished run under `name`, unless the same name with the same model is there already.

    `settings` may be nested; `dataset` is {"name", "source", "sha256"}; each row of `history` holds its "step" and metrics;
    `metrics` belong to the last step; `seconds` is how long the training took in this process.
    """
    with _store() as (client, experiment):
        tags = {**tags, "model.sha256": model_sha256, "dataset.sha256": dataset["sha256"], "seconds": f"{seconds:.0f}"}
        earlier = client.search_runs([experiment], f"attributes.run_name = '{name}' and tags.`model.sha256` = '{model_sha256}'")
        if any(run.info.status == "FINISHED" for run in earlier):
            return
        for run in earlier:
            client.delete_run(run.info.run_id)  # a kill left it half logged
        end = int(time.time() * 1000)
        run_id = client.create_run(experiment, start_time=end - int(seconds * 1000), tags=tags, run_name=name).info.run_id
        client.log_inputs(run_id, [_dataset(dataset)])
        for batch in _batches(settings, [*history, {"step": history[-1]["step"], **metrics}], end):
            client.log_batch(run_id, **batch)
        for artifact in artifacts:
            client.log_artifact(run_id, str(artifact))
        client.set_terminated(run_id, end_time=end)


def seconds(model_sha256: str) -> float | None:
    """How long the training of a model took, by the store; None where there is no store, or it knows no such model."""
    database = root() / "mlflow.db"
    if not database.exists() or not files.is_database(database):
        return None
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store:  # a question changes nothing
        found = store.execute(SECONDS, (model_sha256,)).fetchone()
    return float(found[0]) if found else None


@contextmanager
def _store() -> Iterator[tuple]:
    """MLflow's client and the experiment's id, with nobody else at the store: two processes that create it at once crash."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    for noisy in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    database = root() / "mlflow.db"
    with writing(database), open(root() / "mlflow.db.lock", "w") as lock:
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
    with closing(sqlite3.connect(root() / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", (artifacts, EXPERIMENT))


def _dataset(dataset: dict[str, str]):
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest = dataset["sha256"][:36]  # as much as MLflow has room for; the whole one is in the tags
    entity = Dataset(name=dataset["name"], digest=digest, source_type="local", source=dataset["source"])
    return DatasetInput(dataset=entity, tags=[InputTag("mlflow.data.context", "training")])


def _batches(settings: dict, history: list[dict], timestamp: int) -> Iterator[dict]:
    from mlflow.entities import Metric, Param

    params = [Param(key, str(value)) for key, value in flat(settings)]
    values = ((key, value, row["step"]) for row in history for key, value in row.items() if key != "step")
    metrics = [Metric(key, value, timestamp, step) for key, value, step in values]
    yield from ({"params": params[start : start + PARAMS_A_CALL]} for start in range(0, len(params), PARAMS_A_CALL))
    yield from ({"metrics": metrics[start : start + METRICS_A_CALL]} for start in range(0, len(metrics), METRICS_A_CALL))


def flat(settings: dict, prefix: str = "") -> list[tuple[str, object]]:
    """("training.batch_size", 8) for {"training": {"batch_size": 8}}."""
    nested = (flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)] for key, value in settings.items())
    return list(chain.from_iterable(nested))
