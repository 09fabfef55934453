"""What a training needs of a machine: GPUs, of which each job holds its own, and libraries."""

import os
import subprocess
import sys

import pytest
import toys

from closedbook import params
from closedbook.training import distributed, libraries
from closedbook.util.errors import UserError
from closedbook.workflow import devices

HOLD = """
import os, sys
from pathlib import Path
from closedbook.workflow import devices
with devices.held(int(sys.argv[1]), Path(sys.argv[2])):
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    started = []

    def start(count: int):
        job = subprocess.Popen([sys.executable, "-c", HOLD, str(count), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": "src"})  # fmt: skip
        started.append(job)
        return job

    yield start
    for job in started:
        job.kill()
        job.wait()


def test_jobs_side_by_side_see_gpus_of_their_own_and_a_killed_one_gives_them_back(hold):
    one, two = hold(1), hold(2)
    seen = [one.stdout.readline().strip(), two.stdout.readline().strip()]
    assert sorted(",".join(seen).split(",")) == ["0", "1", "2"]
    third = hold(2)
    two.kill()
    assert third.stdout.readline().strip() == seen[1], "it waited until there were two"


def test_jobs_of_a_scheduler_that_call_their_gpus_alike_do_not_wait_for_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv(devices.SLURM, "17")
    with devices.held(1):
        monkeypatch.setenv(devices.SLURM, "18")
        monkeypatch.setattr(devices.time, "sleep", lambda seconds: pytest.fail("it waits"))
        with devices.held(1):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_recipe_needs_as_many_as_its_processes():
    assert devices.needed({"params": {"training": {"device": "cuda", "processes": 8}, "seed": 1}}) == 8
    assert devices.needed({"params": {"scores": {"device": "cuda"}}}) == 1
    assert devices.needed({"params": {"training": {"device": "cpu", "processes": 2}}}) == 0


def test_more_processes_than_devices_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    settings = toys.TRAINING.model_copy(update={"device": "cuda", "processes": 3})
    with pytest.raises(UserError, match="training.processes: 3 processes on a node, and this machine has 2 GPUs: give 2 or less"):
        devices.check(settings)
    devices.check(settings.model_copy(update={"processes": 2}))
    with pytest.raises(UserError, match="3 processes on a node, and this machine has 2 GPUs"), devices.held(3, tmp_path):
        pass


def test_nodes_that_nothing_starts_are_refused():
    settings = toys.TRAINING.model_copy(update={"nodes": 2})
    with pytest.raises(UserError, match="training.nodes: 2 nodes, and nothing starts them: .*--config launcher="):
        distributed.check(settings, "")
    distributed.check(settings, "srun")
    distributed.check(toys.TRAINING, "")


def test_every_optimizer_needs_a_library_but_those_of_torch_and_transformers(monkeypatch):
    """transformers.trainer_optimizer says which."""
    from transformers.training_args import OptimizerNames

    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    own = {"adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop"}
    for name in {one.value for one in OptimizerNames} - own:
        settings = toys.TRAINING.model_dump() | {"optimizer": name}
        with pytest.raises((UserError, ValueError), match="needs the library|must be one of transformers' optimizers"):
            libraries.check(params.Training(**settings))
    for name in own:
        libraries.check(params.Training(**toys.TRAINING.model_dump() | {"optimizer": name}))


@pytest.mark.parametrize("field, value, library", [
    ("optimizer", "adamw_8bit", "bitsandbytes"), ("optimizer", "paged_lion_32bit", "bitsandbytes"), ("optimizer", "adamw_torch_8bit", "torchao"),
    ("optimizer", "schedule_free_adamw", "schedulefree"), ("attention", "flash_attention_2", "flash_attn"),
])  # fmt: skip
def test_a_library_that_is_not_there_is_named(monkeypatch, field, value, library):
    wanted = toys.TRAINING.model_copy(update={field: value})
    monkeypatch.setattr(libraries, "find_spec", lambda name: None if name == library else object())
    with pytest.raises(UserError, match=f"training.{field}: {value} needs the library {library}, which is not installed"):
        libraries.check(wanted)
    monkeypatch.setattr(libraries, "find_spec", lambda name: object())
    libraries.check(wanted)
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    libraries.check(toys.TRAINING)
    libraries.check(toys.TRAINING.model_copy(update={"optimizer": "adafactor"}))
