"""What is handed to Slurm."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from closedbook.workflow import slurm

CANARY = "canary-0123456789"


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "CLOSEDBOOK_TOKEN", "db_password", "A KEY; false"])
def test_a_job_is_submitted_without_the_secrets_of_the_driver(tmp_path, monkeypatch, name):
    (tmp_path / "sbatch").write_text('#!/bin/sh\nprintenv\necho "given: $*"\n')
    (tmp_path / "sbatch").chmod(0o755)
    plugin = SimpleNamespace(get_submit_command=lambda job, params, settings=None: f"sbatch --export=ALL {job} {params} {settings}")
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", plugin)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("PLAIN", "is kept")
    slurm.keep_keys_here()
    said = subprocess.run(plugin.get_submit_command("job", "params", settings="set"), shell=True, capture_output=True, text=True, check=True).stdout
    assert CANARY not in said and "PLAIN=is kept" in said and "given: --export=ALL job params set" in said
