"""tracking: MLflow's record of a run, logged once, by several processes, into one store."""

import multiprocessing
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from closedbook.training import tracking
from closedbook.util import files
from closedbook.util.errors import UserError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent

RUN = {
    "name": "raw-s1",
    "source": "closedbook job runs/raw-s1",
    "model_sha256": "a" * 64,
    "sha256": {"model.safetensors": "a" * 64},
    "settings": {"seed": 1, "training": {"batch_size": 8, "learning_rate": 0.002}},
    "tags": {"run": "raw-s1"},
    "dataset": {"name": "raw", "source": "results/corpora/raw", "sha256": "d" * 64},
    "history": [{"step": step, "loss": 5 - step / 1000, "learning_rate": 0.001} for step in range(1, 1201)],
    "metrics": {"train_tokens": 4000},
    "artifacts": [],
    "seconds": 65.0,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store that two processes created at once, each logging a run of its own."""
    folder = tmp_path_factory.mktemp("store")
    losses = folder / "losses.csv"
    losses.write_text("step,loss\n")
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_log, args=(folder, {"name": name, "artifacts": [losses]})) for name in ("raw-s1", "entigraph-s1")]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    return folder


def _log(folder, change):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        tracking.log_run(**{**RUN, **change})


def found(folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment,) = (item for item in client.search_experiments() if item.name == tracking.EXPERIMENT)
    return client, sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.run_name)


def test_two_processes_share_a_new_store(store):
    assert [run.info.run_name for run in found(store)[1]] == ["entigraph-s1", "raw-s1"]


def test_run_holds_everything(store):
    client, (_, run) = found(store)
    assert run.info.status == "FINISHED" and run.info.end_time - run.info.start_time == 65_000
    assert run.data.params == {"seed": "1", "training.batch_size": "8", "training.learning_rate": "0.002"}
    assert run.data.metrics["train_tokens"] == 4000
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 1200
    assert run.data.tags["model.sha256"] == "a" * 64 and run.data.tags["run"] == "raw-s1" and run.data.tags["mlflow.source.name"] == RUN["source"]
    assert re.fullmatch("[0-9a-f]{40}", run.data.tags["mlflow.source.git.commit"]) and "training" not in run.data.tags
    hashes = store / "mlartifacts" / run.info.run_id / "artifacts" / tracking.HASHES
    assert files.read_json(hashes) == {"run": "raw-s1", "model": "a" * 64, "dataset": "d" * 64, "files": RUN["sha256"]}
    assert run.data.tags["hashes.sha256"] == files.sha256_file(hashes)
    assert [(item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs] == [("raw", "d" * 36)]
    assert list(store.glob(f"mlartifacts/{run.info.run_id}/artifacts/losses.csv"))


def test_same_run_is_not_logged_twice_and_another_model_is(store, tmp_path):
    _log(store, {"name": "twice"})
    _log(store, {"name": "twice"})
    _log(store, {"name": "twice", "model_sha256": "b" * 64})
    assert [run.info.run_name for run in found(store)[1]].count("twice") == 2


def test_run_that_a_kill_left_half_logged_is_replaced(store):
    with pytest.raises(FileNotFoundError):
        _log(store, {"name": "half", "artifacts": [store / "missing.csv"]})
    _log(store, {"name": "half"})
    assert [run.info.status for run in found(store)[1] if run.info.run_name == "half"] == ["FINISHED"]


def test_how_long_a_model_took_is_found_by_its_hash(store, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(store))
    assert tracking.seconds(RUN["model_sha256"]) == 65 and tracking.seconds("0" * 64) is None
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert tracking.seconds(RUN["model_sha256"]) is None and not list(tmp_path.iterdir()), "to ask makes no store"


def test_the_accuracy_of_each_task_stands_with_the_run_and_is_sent_once(store, tmp_path, monkeypatch):
    place = shutil.copytree(store, tmp_path / "store")
    monkeypatch.setenv("DVC_ROOT", str(place))

    def scored(value: float, model: str = "a") -> dict:
        return {("raw-s1", model * 64): {"accuracy.quality_closed": value}}

    tracking.log_scores(scored(0.25) | scored(0.9, "c"))
    tracking.log_scores(scored(0.25))
    client, runs = found(place)
    (run,) = (run for run in runs if run.info.run_name == "raw-s1")
    assert run.data.metrics["accuracy.quality_closed"] == 0.25 and len(client.get_metric_history(run.info.run_id, "accuracy.quality_closed")) == 1
    assert not any(run.data.metrics.get("accuracy.quality_closed") == 0.9 for run in runs), "a model that was trained elsewhere has no record"
    tracking.log_scores(scored(0.5))
    assert client.search_runs([run.info.experiment_id], "metrics.accuracy.quality_closed > 0.4 and params.training.batch_size = '8'")


def test_what_is_not_trained_has_a_record_without_steps_and_time(store, tmp_path, monkeypatch):
    place = shutil.copytree(store, tmp_path / "store")
    _log(place, {"name": "chat-s1", "dataset": None, "history": [], "metrics": {"strength": 0.5}, "seconds": None, "tags": {"assistant": "chat-s1"}})
    (run,) = (run for run in found(place)[1] if run.info.run_name == "chat-s1")
    assert run.data.metrics == {"strength": 0.5} and not run.inputs.dataset_inputs and "seconds" not in run.data.tags


def test_in_a_copied_folder_a_run_is_logged_there_and_not_where_it_came_from(store, tmp_path):
    before = set(store.rglob("*.csv"))
    copy = shutil.copytree(store, tmp_path / "copy")
    _log(copy, {"name": "elsewhere", "artifacts": [copy / "losses.csv"]})
    assert set(store.rglob("*.csv")) == before
    (run,) = (run for run in found(copy)[1] if run.info.run_name == "elsewhere")
    assert (copy / "mlartifacts" / run.info.run_id / "artifacts" / "losses.csv").exists()


def test_a_training_is_seen_while_it_runs_and_goes_on_in_its_record_after_a_kill(store, tmp_path, monkeypatch):
    place = shutil.copytree(store, tmp_path / "store")
    monkeypatch.setenv("DVC_ROOT", str(place))
    begun = {name: RUN[name] for name in ("source", "settings", "dataset")} | {"name": "live"}
    with pytest.raises(KeyboardInterrupt), tracking.live(begun) as record:
        for row in RUN["history"][:5]:
            record.step(row | {"tokens_per_second": 100.0})
        record.send()
        raise KeyboardInterrupt

    def metric(name) -> list[int]:
        client, runs = found(place)
        (run,) = (run for run in runs if run.info.run_name == "live")
        return [value.step for value in client.get_metric_history(run.info.run_id, name)]

    assert metric("loss") == metric("tokens_per_second") == [1, 2, 3, 4, 5]
    with tracking.live(begun) as record:
        for row in RUN["history"][3:8]:
            record.step(row)
    assert metric("loss") == [*range(1, 9)], "steps 4 and 5, done once more, are there once"
    tracking.log_run(**RUN | {"name": "live", "model_sha256": "b" * 64})
    assert metric("loss") == [*range(1, 1201)]
    (run,) = (run for run in found(place)[1] if run.info.run_name == "live")
    assert run.info.status == "FINISHED" and run.data.tags["model.sha256"] == "b" * 64


def test_the_machine_s_own_figures_are_there_where_asked(store, tmp_path, monkeypatch):
    place = shutil.copytree(store, tmp_path / "store")
    for name, value in (("DVC_ROOT", str(place)), ("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true"), ("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2"),
                        ("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")):  # fmt: skip
        monkeypatch.setenv(name, value)
    begun = {name: RUN[name] for name in ("source", "settings", "dataset")}
    with tracking.live(begun | {"name": "asked"}):
        time.sleep(2)
    monkeypatch.delenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING")
    with tracking.live(begun | {"name": "not asked"}):
        time.sleep(1)
    told = {run.info.run_name: [name for name in run.data.metrics if name.startswith("system/")] for run in found(place)[1]}
    assert "system/cpu_utilization_percentage" in told["asked"] and not told["not asked"]


def test_another_training_does_not_go_on_in_that_record(store, tmp_path, monkeypatch):
    place = shutil.copytree(store, tmp_path / "store")
    monkeypatch.setenv("DVC_ROOT", str(place))
    begun = {name: RUN[name] for name in ("source", "settings", "dataset")} | {"name": "live"}
    ids = set()
    for change in ({}, {"settings": {"seed": 2}}, {"dataset": RUN["dataset"] | {"sha256": "e" * 64}}, {}):
        with tracking.live(begun | change) as record:
            ids.add(record.run_id)
    assert len(ids) == 3


def test_a_store_that_is_no_database_is_named(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"something else")
    with pytest.raises(UserError, match="mlflow.db: not a database: move it away"):
        _log(tmp_path, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path))
        assert tracking.seconds("a" * 64) is None


def test_the_runs_are_shown_by_the_command_of_readme(store, tmp_path):
    """MLflow's server loads LiteLLM, which would wait for a list of prices where there is no network."""
    words = shlex.split(re.search("`([^`]*mlflow ui[^`]*)`", (ROOT / "docs/commands.md").read_text())[1])
    variables = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("-"))
    command = [str(Path(sys.prefix) / "bin/mlflow"), *words[words.index("mlflow") + 1 :]]
    place = shutil.copytree(store, tmp_path / "store")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("LITELLM")}
    server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], cwd=place, env=bare | variables, start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)  # fmt: skip
    try:
        assert any(answers(port) for _ in range(240)), "no answer within two minutes"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as found:
            return found.status == 200
    except OSError:
        time.sleep(0.5)
        return False
