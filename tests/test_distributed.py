"""Training in several processes: the blocks and losses of one, whole checkpoints, and a kill at the worst moment."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ranks
import toy_runs
import toys
from safetensors.torch import load_file

from closedbook import models, params
from closedbook.training import checkpoints, distributed, pretraining
from closedbook.util import files
from closedbook.util.errors import UserError

pytestmark = pytest.mark.slow

SHAPES = {"one": {}, "ddp": {"processes": 2}, "fsdp": {"processes": 2, "sharding": "fsdp"}}


def train(folder: Path, settings: dict, fails=False, **environment) -> dict:
    """Train in as many processes as the settings say."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = settings.get("processes", 1)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    path = os.pathsep.join([str(Path("src").resolve()), str(Path("tests").resolve())])
    given = os.environ | environment | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, *command, ranks.__file__, str(folder), json.dumps(settings)], env=given, capture_output=True, text=True,
                          timeout=300)  # fmt: skip
    assert (done.returncode != 0) == fails, done.stderr[-3000:]
    return {} if fails else json.loads((folder / "trained.json").read_text()) | {"said": done.stderr}


def read(folder: Path) -> list[list[int]]:
    """Which blocks each process was given, without the first, which is only looked at."""
    return [json.loads(path.read_text())[1:] for path in sorted(folder.glob("read-*.json"))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, {name: train(folder / name, settings) for name, settings in SHAPES.items()}


def losses(found: dict) -> list[float]:
    return [row["loss"] for row in found["history"]]


@pytest.mark.parametrize("shape", ["ddp", "fsdp"])
def test_two_processes_lose_what_one_does(trained, shape):
    _, found = trained
    assert losses(found[shape]) == pytest.approx(losses(found["one"]), abs=1e-4)
    assert found[shape]["weights"] == pytest.approx(found["one"]["weights"], abs=1e-3)
    assert found[shape]["accuracy"] == found["one"]["accuracy"] > 0.1, "chance is 1 in 350"
    assert found["fsdp"]["kind"] == "DTensor", "the weights were shared out"


@pytest.mark.parametrize("shape", ["ddp", "fsdp"])
def test_passes_and_pieces_of_the_loss_change_nothing_in_two_processes(trained, tmp_path, shape):
    again = train(tmp_path, SHAPES[shape] | {"accumulation": 2, "most_logits": 350 * 7})
    assert losses(again) == pytest.approx(losses(trained[1]["one"]), abs=1e-4)
    assert again["weights"] == pytest.approx(trained[1]["one"]["weights"], abs=1e-3)


def test_the_loss_of_shared_out_weights_is_as_exact_in_bfloat16(tmp_path):
    found = {name: losses(train(tmp_path / name, SHAPES[name] | {"dtype": "bfloat16"})) for name in ("ddp", "fsdp")}
    assert found["fsdp"] == pytest.approx(found["ddp"], abs=2e-2) and found["fsdp"][0] * 2**6 % 1, "more digits than bfloat16 has"


@pytest.mark.parametrize("shape", ["ddp", "fsdp"])
def test_what_the_processes_are_given_is_together_what_one_is(trained, shape):
    folder, _ = trained
    (alone,), both = read(folder / "one"), read(folder / shape)
    assert alone == [*range(ranks.BLOCKS)] and len(both) == 2
    for step in range(ranks.STEPS):
        per_step = [part[2 * step : 2 * step + 2] for part in both]
        assert sorted({block for part in per_step for block in part}) == alone[4 * step : 4 * step + 4]


@pytest.mark.parametrize("shape", ["ddp", "fsdp"])
def test_a_training_killed_between_checkpoints_or_in_one_ends_in_the_same_weights(trained, tmp_path, shape):
    settings = SHAPES[shape] | {"checkpoint_steps": 3, "dropout": 0.1}
    whole = train(tmp_path / "whole", settings)
    for name, kill in (("between", {"KILL_AT": "45"}), ("in one", {"KILL_MARK": "9"})):
        train(tmp_path / name, settings, fails=True, **kill)
        again = train(tmp_path / name, settings)
        assert f"resumes after step {9 if name == 'between' else 6} of {ranks.STEPS}" in again["said"]
        assert again["weights"] == whole["weights"] and losses(again) == losses(whole)


def test_checkpoints_of_another_number_of_processes_are_not_resumed(trained, tmp_path):
    train(tmp_path, SHAPES["ddp"] | {"checkpoint_steps": 1})
    again = train(tmp_path, {"checkpoint_steps": 1})
    assert "toy: its checkpoints are of 2 processes, and this training has 1: it starts afresh" in again["said"]
    assert losses(again) == losses(trained[1]["one"])


@pytest.mark.parametrize("lost", ["rng_state_1.pth", ".metadata", "__1_0.distcp", "trainer_state.json"])
def test_a_checkpoint_is_whole_when_all_parts_are_there(trained, tmp_path, lost):
    copy = shutil.copytree(trained[0] / "fsdp/checkpoints", tmp_path / "checkpoints")
    assert checkpoints.newest_whole(copy)
    for checkpoint in copy.glob("checkpoint-*"):
        next(checkpoint.rglob(lost)).unlink()
    assert checkpoints.newest_whole(copy) is None


NODES = """#!/bin/sh
# What srun does on two nodes, here on one: the same command twice.
"$@" & first=$!
{second}
wait $first
"""


def launcher(folder: Path, second: str) -> str:
    path = folder / "launcher"
    path.write_text(NODES.format(second=second))
    path.chmod(0o755)
    return str(path)


def test_a_run_on_two_nodes_is_one_of_two_processes(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    world = toy_runs.world(tmp_path / "world")
    monkeypatch.setenv(distributed.LAUNCHER, launcher(tmp_path, '"$@" & second=$!; wait $second || exit 1'))
    two = toy_runs.build(world, tmp_path / "two/toy-s1", nodes=2)
    shared = toy_runs.build(world, tmp_path / "shared/toy-s1", nodes=2, sharding="fsdp")
    monkeypatch.delenv(distributed.LAUNCHER)
    one = toy_runs.build(world, tmp_path / "one/toy-s1", processes=2)
    assert two["model.safetensors"] == one["model.safetensors"] and two["losses.csv"] == one["losses.csv"]
    assert [row.split(b",")[0] for row in shared["losses.csv"].splitlines()] == [row.split(b",")[0] for row in one["losses.csv"].splitlines()]
    assert files.read_json(tmp_path / "shared/toy-s1/run.json")["last_loss"] == pytest.approx(
        files.read_json(tmp_path / "one/toy-s1/run.json")["last_loss"], abs=1e-4
    )


def test_the_base_is_the_same_in_all_processes_of_which_one_reads_it(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    world = toy_runs.world(tmp_path / "world")
    found = {shape: toy_runs.build(world, tmp_path / shape / "toy-s1", **settings)["losses.csv"] for shape, settings in SHAPES.items()}
    names = {shape: sorted(load_file(tmp_path / shape / "toy-s1/model.safetensors")) for shape in SHAPES}
    assert names["one"] == names["ddp"] == names["fsdp"], "tied weights are saved once"
    assert not [*tmp_path.glob("**/*.plan")], "what a training was told is gone when it is done"
    first = {shape: float(losses.decode().splitlines()[1].split(",")[1]) for shape, losses in found.items()}
    assert first["ddp"] == pytest.approx(first["one"], abs=1e-4) and first["fsdp"] == pytest.approx(first["one"], abs=1e-4)


def test_a_node_that_does_not_answer_is_told(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    monkeypatch.setattr(distributed, "NODE_SECONDS", 5)
    monkeypatch.setenv(distributed.LAUNCHER, launcher(tmp_path, ":"))
    with pytest.raises(UserError, match=rf"training.nodes: 2: 1 of 2 nodes did not answer within \d+ seconds; {socket.gethostname()}.* did: .*launcher"):
        toy_runs.build(toy_runs.world(tmp_path / "world"), tmp_path / "toy-s1", nodes=2)


def test_losses_on_what_is_held_out_are_those_of_one_process(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    world, found = toy_runs.world(tmp_path / "world", held_out=2), {}
    for shape, settings in SHAPES.items():
        rows = toy_runs.build(world, tmp_path / shape / "toy-s1", evaluate_steps=4, **settings)["held_out.csv"].decode().splitlines()[1:]
        found[shape] = [float(value) for row in rows for value in row.split(",")]
    assert found["ddp"] == pytest.approx(found["one"], abs=1e-4) and found["fsdp"] == pytest.approx(found["one"], abs=1e-4)


def test_adapters_over_bfloat16_are_trained_in_several_processes(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    world, lora = toy_runs.world(tmp_path / "world"), params.Lora(r=4, alpha=8, dropout=0.0)
    found = {shape: toy_runs.build(world, tmp_path / shape / "toy-s1", dtype="bfloat16", lora=lora, **settings) for shape, settings in SHAPES.items()}
    last = {shape: float(made["losses.csv"].decode().splitlines()[-1].split(",")[1]) for shape, made in found.items()}
    assert last["ddp"] == pytest.approx(last["one"], abs=2e-2) and last["fsdp"] == pytest.approx(last["one"], abs=2e-2)


def test_a_launcher_that_is_not_there_is_named(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    world = toy_runs.world(tmp_path / "world")
    for command in ("no-such-launcher --nodes 2", 'launcher "without an end'):
        monkeypatch.setenv(distributed.LAUNCHER, command)
        with pytest.raises(UserError, match=f"config: launcher: {command}: can't be started"):
            toy_runs.build(world, tmp_path / "toy-s1", nodes=2)


def test_what_a_process_can_not_do_is_told_without_a_traceback(tmp_path, monkeypatch, capfd):
    toy_runs.unlogged(monkeypatch)
    world = toy_runs.world(tmp_path / "world")
    (world / "base/model.safetensors").unlink()
    with pytest.raises(UserError, match="the processes of the training ended with exit status 1: what went wrong stands above"):
        toy_runs.build(world, tmp_path / "toy-s1", processes=2)
    said = capfd.readouterr().err
    assert "params.yaml: base.model: " in said and "closedbook/models/__init__.py" not in said


def test_a_node_of_slurm_s_that_does_not_answer_is_named(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    scontrol.chmod(0o755)
    for name, value in (("PATH", f"{tmp_path}:{os.environ['PATH']}"), ("SLURM_JOB_NODELIST", "n[1-2]"), ("SLURMD_NODENAME", "n1"),
                        (distributed.LAUNCHER, launcher(tmp_path, ":"))):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(distributed, "NODE_SECONDS", 5)
    with pytest.raises(UserError, match=r"training.nodes: 2: n2 did not answer within \d+ seconds; n1 did"):
        toy_runs.build(toy_runs.world(tmp_path / "world"), tmp_path / "toy-s1", nodes=2)


def test_only_the_first_process_of_a_node_reads_the_weights(tmp_path, monkeypatch):
    source = (str(toy_runs.world(tmp_path) / "base"), None)
    settings = toys.TRAINING.model_copy(update={"processes": 2})
    read = pretraining.loaded(source, settings)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(models, "pretrained_model", lambda *_, **__: pytest.fail("it reads them too"))
    empty = pretraining.loaded(source, settings)
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in empty.state_dict().items()} == {
        name: (tensor.shape, tensor.dtype) for name, tensor in read.state_dict().items()
    }


def test_processes_end_with_the_one_that_started_them(tmp_path):
    started = "import os, sys, time; from closedbook.training import distributed; distributed.die_with_parent(); print(os.getpid(), flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {started!r}])"],
                              env=os.environ | {"PYTHONPATH": "src"}, stdout=subprocess.PIPE, text=True)  # fmt: skip
    child = int(parent.stdout.readline())
    parent.kill()
    for _ in range(100):
        time.sleep(0.1)
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2][:3]:
            return
    pytest.fail("it lives on")
