"""The container file names only what is there, installs as the Makefile does, and takes nobody's documents with it."""

import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
STEPS = [tuple(line.split(None, 1)) for line in (ROOT / "Containerfile").read_text().splitlines() if line and not line.startswith("#")]
BEFORE_SETUP = STEPS[: next(number for number, (_, what) in enumerate(STEPS) if "make setup" in what)]
pytestmark = pytest.mark.skipif(not TRACKED, reason="this is no git checkout")


def copied(steps) -> list[str]:
    return [name for kind, what in steps if kind == "COPY" for name in what.split()[:-1]]


def test_it_copies_what_is_there_and_calls_what_the_makefile_has():
    there = {str(part) for path in map(Path, TRACKED) for part in (path, *path.parents)}
    assert set(copied(STEPS)) <= there and {"src", "requirements.lock", "."} <= set(copied(STEPS))
    targets = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    asked = [target for _, what in STEPS for target in re.findall(r'make"?,? "?([a-z-]+)', what.replace("git make", ""))]
    assert asked == ["setup", "reproduce"] and set(asked) <= set(targets)


def test_its_versions_are_the_project_s():
    python = re.search(r"python:(\d+)\.(\d+)", STEPS[0][1])
    assert f">={python[1]}.{python[2]}" == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    torch = {found for _, what in STEPS for found in re.findall(r"torch==\S+", what)}
    assert len(torch) == 1 and torch <= set((ROOT / "requirements.lock").read_text().split())


def test_what_setup_reads_is_copied_before_it(tmp_path):
    for name in copied(BEFORE_SETUP):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    about = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    needed = [about["project"]["readme"], *about["project"]["license-files"], *about["tool"]["setuptools"]["packages"]["find"]["where"]]
    assert all((tmp_path / name).exists() for name in needed)
    if shutil.which("make"):
        done = subprocess.run(["make", "--dry-run", "setup"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "requirements.lock" in done.stdout, done.stderr


def test_it_leaves_out_results_and_documents_and_nothing_of_the_project():
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert {"results", "ledger", "mlflow.db", "data/documents", ".dvc/config.local", ".venv", ".closedbook"} <= set(left_out)
    assert [path for path in TRACKED for pattern in left_out if fnmatch(path, pattern) or path.startswith(f"{pattern}/")] == []
