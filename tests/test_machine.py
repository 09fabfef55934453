"""What a receipt says of the machine, whatever machine it is."""

import sys
from types import SimpleNamespace

import pytest

from closedbook.workflow import machine


@pytest.fixture(autouse=True)
def asked_anew():
    for part in (machine.cpu, machine.gpu):
        part.cache_clear()
    yield
    for part in (machine.cpu, machine.gpu):
        part.cache_clear()


def program(folder, name: str, says: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("told, name", [
    ("model name\t: Xeon\ncpu family\t: 6\nmodel\t\t: 106\n\nmodel name\t: another core\n", "Xeon, 6, 106"),
    ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "0x41, 0xd0c"),
])  # fmt: skip
def test_linux_names_its_processor(tmp_path, monkeypatch, told, name):
    (tmp_path / "cpuinfo").write_text(told)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    assert machine.cpu() == name


def test_a_system_without_cpuinfo_names_its_processor_too(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "absent")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    assert machine.cpu() == machine.platform.machine() != ""
    program(tmp_path, "sysctl", "Apple M2")
    machine.cpu.cache_clear()
    assert machine.cpu() == "Apple M2"


def test_a_gpu_is_named_with_all_that_drives_it_where_it_was_used(tmp_path, monkeypatch):
    cuda = SimpleNamespace(is_available=lambda: True, get_device_capability=lambda _: (9, 0), get_device_name=lambda _: "NVIDIA H200")
    torch = SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda="13.0"), backends=SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 91002)))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "nvidia-smi", "570.86.15\n570.86.15")
    used = {"step": "runs", "params": {"seed": 1, "training": {"device": "cuda"}}}
    assert machine.of(used) == {"cpu": machine.cpu(), "gpu": "NVIDIA H200 (9.0), driver 570.86.15, CUDA 13.0, cuDNN 91002"}
    assert machine.of({"step": "scores", "params": {"scores": {"device": "cpu"}}}).keys() == {"cpu"}
