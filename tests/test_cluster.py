"""The pipeline on a cluster: real daemons of Slurm on this machine, a driver that is killed, trainings that are preempted or on two nodes."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import kubernetes_server
import pytest
import slurm
from pipeline import Pipeline
from secrets_in import holding
from texts import write_documents

from closedbook.util import files
from closedbook.workflow import registry

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PLUGINS = ROOT / ".cluster/packages"
SEEN = """
include: "Snakefile"
import json
Path("seen.json").write_text(json.dumps({rule.name: rule.name in workflow._localrules for rule in workflow.rules if rule.output}))
"""
"""says of each rule that makes something whether its jobs stay on the submitting host"""
RUN = "results/runs/entigraph-s1/run.json"
SECONDS = 300
"""for whatever is waited for"""
CANARY = "canary-0123456789"
"""the key of the driver's environment"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if not PLUGINS.exists() and not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip(f"needs Snakemake's plugins for clusters, which make test puts into {PLUGINS}")
    slurm.install()
    cluster = slurm.Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


def start(cluster, pipeline: Pipeline, *arguments: str, partition: str | None = "low") -> subprocess.Popen:
    """Snakemake on the submitting host, in a session of its own, with little memory for all and little patience."""
    place = [f"slurm_partition={partition}"] if partition else []
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(PLUGINS), "OPENAI_API_KEY": CANARY}
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "slurm", "--default-resources", *place, "mem_mb=500", "runtime=10",
               "--set-resources", "run:mem_mb=500", "--slurm-init-seconds-before-status-checks", "1", "--max-status-checks-per-second", "2",
               *(["--", *arguments] if arguments else [])]  # fmt: skip
    return subprocess.Popen(cluster.within(*command, folder=pipeline.folder), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, start_new_session=True)  # fmt: skip


def end(process: subprocess.Popen, status: int = 0) -> str:
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"did not end within {SECONDS} s:\n{process.communicate()[0][-6000:]}") from None
    assert process.returncode == status, output[-6000:]
    return output


def wait(process: subprocess.Popen, ready) -> None:
    for _ in range(SECONDS * 5):
        if ready():
            return
        assert process.poll() is None, process.communicate()[0][-6000:]
        time.sleep(0.2)
    raise AssertionError(f"did not come within {SECONDS} s")


def trained_here(pipeline: Pipeline, folder: Path, **changes) -> dict[str, bytes]:
    """Give the pipeline other parameters; returns what a training on this machine makes of them, each node of which is a command here."""
    pipeline.set(**changes)
    local = pipeline.copy(folder)
    launcher = folder / "launcher"
    launcher.write_text('#!/bin/sh\nSLURMD_NODENAME=one "$@" & SLURMD_NODENAME=two "$@" && wait\n')
    launcher.chmod(0o755)
    local.snakemake("--config", f"launcher={launcher}", "--", RUN)
    return results(local)


def results(pipeline: Pipeline) -> dict[str, bytes]:
    return {name: content for name, content in pipeline.bytes().items() if name.startswith("results/runs/")}


def test_a_driver_that_is_killed_goes_on_with_the_jobs_that_live_on_to_the_bytes_of_a_local_run(cluster, finished_pipeline, server, tmp_path):
    pipeline = Pipeline(tmp_path / "pipeline", documents={"source": "folder", "path": "texts"},
                        llm={"model": "openai/toy", "api_base": server.url, "max_tokens": 500})  # fmt: skip
    write_documents(pipeline.folder / "texts")
    server.bodies.clear()
    driver = start(cluster, pipeline)
    wait(driver, lambda: any("rule_run" in job[1] and job[2] == "RUNNING" for job in cluster.jobs()) and holds(pipeline, "runs-entigraph-s1"))
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    output = end(start(cluster, pipeline))
    assert pipeline.bytes() == finished_pipeline.bytes() and server.repeated() == 0
    rules = [job[1] for job in cluster.jobs()]
    assert {rule.split("_")[1] for rule in rules} == {"run", "score"}, "only these go to nodes"
    assert "nothing to do" in (pipeline.folder / ".closedbook/logs/runs/entigraph-s1.log").read_text(), "it was trained twice: " + output


def holds(pipeline: Pipeline, job: str) -> bool:
    """Whether a job has begun on a node."""
    lock = pipeline.folder / ".closedbook/locks" / job
    return lock.exists() and lock.read_text() != ""


def test_a_training_that_is_preempted_goes_on_from_its_checkpoint_to_the_same_bytes(cluster, pipeline, tmp_path):
    arms = {"entigraph": {"strategy": "entigraph", "corpus_tokens": "all", "epochs": 20}}
    expected = trained_here(pipeline, tmp_path / "local", arms=arms)
    before = len(cluster.jobs())
    driver = start(cluster, pipeline, RUN)
    wait(driver, lambda: list(pipeline.folder.glob(".closedbook/checkpoints/entigraph-s1/checkpoint-*/whole.json")))
    cluster.say("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap", "true")
    output = end(driver)
    job = cluster.jobs()[before:]
    assert len(job) == 1 and "Restarts=1" in cluster.say("scontrol", "show", "job", job[0][0]), output
    log = (pipeline.folder / ".closedbook/logs/runs/entigraph-s1.log").read_text()
    assert "resumes after step" in log, log
    assert results(pipeline) == expected


def test_a_training_on_two_nodes_is_started_on_each(cluster, pipeline, tmp_path):
    expected = trained_here(pipeline, tmp_path / "local", training={"nodes": 2})
    before = len(cluster.jobs())
    end(start(cluster, pipeline, RUN))
    assert [job[1:4] for job in cluster.jobs()[before:]] == [["rule_run_wildcards_entigraph-s1", "COMPLETED", "n[1-2]"]]
    assert results(pipeline) == expected


def test_scores_that_are_ready_at_once_are_one_array(cluster, pipeline, finished_pipeline):
    for folder in ("results/scores", "results/receipts/scores"):
        shutil.rmtree(pipeline.folder / folder)
    before = len(cluster.jobs())
    end(start(cluster, pipeline, "scores"))
    jobs = cluster.jobs()[before:]
    assert len(jobs) == 2 and len({job[4] for job in jobs}) == 1 and {job[2] for job in jobs} == {"COMPLETED"}
    assert not holding(CANARY, cluster.place), "Slurm keeps the environment of a job"
    assert pipeline.bytes() == finished_pipeline.bytes()


@pytest.mark.parametrize("partition, said", [(None, "is not there, and this cluster has no default: the jobs of run need one of low, high"),
                                             ("gpu", "gpu: the cluster has no such partition for the jobs of run: give one of low, high")])  # fmt: skip
def test_a_partition_that_is_not_there_is_named_before_anything_is_submitted(cluster, pipeline, partition, said):
    pipeline.set(training={"learning_rate": 0.003})
    before = cluster.jobs()
    output = end(start(cluster, pipeline, RUN, partition=partition), status=1)
    assert f"profiles/slurm/profile.yaml: default-resources: slurm_partition: {said}" in output
    assert cluster.jobs() == before


def test_only_trainings_and_scores_go_to_nodes_and_nothing_that_asks_a_model(pipeline):
    model = {"model": "openai/toy", "api_base": "http://127.0.0.1:9"}
    pipeline.set(llm=model, judge=model, api_models={"toy": {**model, "tasks": ["quality_open_cot"]}},
                 scores={"tasks": ["quality_closed_text", "quality_rag", "quality_summary"]})  # fmt: skip
    (pipeline.folder / "seen.smk").write_text(SEEN)
    pipeline.snakemake("--snakefile", "seen.smk", "--dry-run")
    where = files.read_json(pipeline.folder / "seen.json")
    assert {"judgement", "retrieve", "answers", "summed_up", "verdict", "entities_0", "passages_entigraph_0"} <= where.keys()
    away = {rule for rule, is_here in where.items() if not is_here}
    assert away == {"run", "score", "sum_up"}
    assert not [stage for stage in ("runs", "scores", "summaries", "base") if registry.STEPS[stage].asks({"llm": model, "api_model": model, "judge": model})]


def on_kubernetes(pipeline: Pipeline, *arguments: str, expected: int = 1) -> tuple[list[dict], str]:
    """The jobs that a run submits to Kubernetes until as many as are expected have failed, and what it says."""
    with kubernetes_server.Server(expected) as server:
        output = pipeline.run("python", "-m", "closedbook.workflow.kubernetes", "--workflow-profile", "kubernetes",
                              "--container-image", "closedbook:1", "--kubernetes-persistent-volumes", f"closedbook:{pipeline.folder}",
                              "--seconds-between-status-checks", "1", *arguments, "--", RUN, "results/scores/base.json", status=1,
                              KUBECONFIG=str(server.config(pipeline.folder / "config")), PYTHONPATH=f"src:{PLUGINS}")  # fmt: skip
        return server.jobs, output


def test_a_job_of_kubernetes_has_its_folder_its_gpus_with_limits_and_no_shared_memory(pipeline):
    pipeline.set(training={"device": "cuda", "processes": 2, "learning_rate": 0.003}, scores={"device": "cpu", "batch_size": 8})
    jobs, output = on_kubernetes(pipeline, expected=2)
    pods = {command.split("--target-jobs ")[1].split(":")[0].strip("'"): pod for pod in (job["spec"]["template"]["spec"] for job in jobs)
            for command in [pod["containers"][0]["args"][1]]}  # fmt: skip
    assert set(pods) == {"run", "score"}, output
    training, score = (pods[rule]["containers"][0] for rule in ("run", "score"))
    assert training["resources"]["limits"]["nvidia.com/gpu"] == training["resources"]["requests"]["nvidia.com/gpu"] == "2"
    assert not [name for name in score["resources"]["requests"] if "gpu" in name] and "tolerations" not in pods["score"]
    for pod in (training, score):
        assert {"name": "closedbook", "mountPath": str(pipeline.folder)} in pod["volumeMounts"] and pod["image"] == "closedbook:1"
        assert pod["args"][1].startswith(f"cd {pipeline.folder} && export NCCL_SHM_DISABLE=1 && ")


def test_what_kubernetes_can_t_run_is_refused(pipeline):
    pipeline.set(training={"nodes": 2})
    jobs, output = on_kubernetes(pipeline)
    assert not jobs and "params.yaml: training.nodes: 2: a job of Kubernetes has one node" in output
    pipeline.set(training={"device": "cuda", "nodes": 1, "learning_rate": 0.003})
    jobs, output = on_kubernetes(pipeline, "--default-resources", "gpu_manufacturer='nvidia'")
    assert not [job for job in jobs if "nvidia.com/gpu" in str(job)] and "Limit must be set" in output, "scale: 0 has a reason"


def test_a_folder_that_is_not_mounted_on_the_node_is_named_with_the_node(cluster, pipeline):
    pipeline.set(training={"learning_rate": 0.003})
    for node in slurm.NODES:
        cluster.stop_node(node)
        cluster.start_node(node, without=pipeline.folder)
    output = end(start(cluster, pipeline, RUN), status=1)
    for node in slurm.NODES:
        cluster.stop_node(node)
        cluster.start_node(node)
    assert f"left no word in .snakemake/slurm_logs: is {pipeline.folder} mounted there" in output, output
    assert "failed on the node n" in output
