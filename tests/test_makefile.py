"""make takes a Python that closedbook runs on, and no other; a .venv of another one is made anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parent.parent / "Makefile"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")]


@pytest.fixture
def project(tmp_path):
    """The Makefile, with nothing to install."""
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("")
    return tmp_path


def setup(project: Path, python: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", "setup", f"PYTHON={python}"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"})  # fmt: skip


def test_too_old_a_python_is_named_and_leaves_no_environment(project):
    (project / "old").mkdir()
    (project / "old/sitecustomize.py").write_text("import sys; sys.version_info = (3, 10, 9)")
    done = setup(project, f"env PYTHONPATH={project}/old {sys.executable}")
    assert done.returncode and "is Python 3.10, and closedbook needs 3.11" in done.stdout, done.stdout
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("before, kept", [("3 10", False), ("{} {}".format(*sys.version_info), True)])
def test_an_environment_of_another_python_is_made_anew_and_one_of_the_same_kept(project, before, kept):
    python, installed = project / ".venv/bin/python", project / ".venv/lib/torch"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho {before}\n")
    python.chmod(0o755)
    installed.mkdir(parents=True)
    done = setup(project, sys.executable)  # comes as far as installing closedbook, of which there is nothing
    assert installed.exists() == kept, done.stdout
    if not kept:
        assert (project / ".venv/bin/pip").exists() and subprocess.run([python, "-c", "pass"]).returncode == 0, done.stdout
