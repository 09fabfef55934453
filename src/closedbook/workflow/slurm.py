"""Slurm: what it says of this folder's jobs and of the cluster, and what a rule asks of it. Read docs/cluster.md first."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from closedbook.llm import errors
from closedbook.util import terminal
from closedbook.util.errors import UserError
from closedbook.workflow.jobs import holder

LOGS = Path(".snakemake/slurm_logs")
"""where Slurm writes what a job says, by its number; of one that went well it is removed"""
FAILED = "BOOT_FAIL,FAILED,NODE_FAIL"
PROFILE = "profiles/slurm/profile.yaml: default-resources: slurm_partition"


class Job(NamedTuple):
    number: str
    state: str
    nodes: str
    comment: str
    """the rule and its wildcards, as Snakemake's plugin has it"""


def resources(gpus: int, nodes: int) -> dict:
    """What a job asks for beside processors, memory and time. `gpus`: on each node.

    Several nodes: one task on each, which the launcher starts; without `mpi` the plugin would put the job into a step that holds the
    first node. GPUs are then asked for by node (`gres`), since `gpu` counts those of all nodes, spread anyhow; and with GPUs the plugin
    takes `tasks` for tasks on each GPU, unless `tasks_per_gpu` says otherwise.
    """
    if nodes == 1:
        return {"nodes": 1, "gpu": gpus}
    return {"nodes": nodes, "tasks": nodes, "mpi": "srun", **({"gres": f"gpu:{gpus}", "tasks_per_gpu": 0} if gpus else {})}


def check(wanted: Mapping[str, str | None]) -> None:
    """`wanted`: the partition of each rule whose jobs go to nodes. Raises UserError where Slurm does not answer, or has no such partition."""
    listed = _said("sinfo", "--noheader", "--format=%P").split()
    known = [name.rstrip("*") for name in listed]
    for rule, partition in wanted.items():
        if partition is None and known == listed:  # a star marks the default one
            raise UserError(f"{PROFILE}: is not there, and this cluster has no default: the jobs of {rule} need one of {', '.join(known)}")
        for name in str(partition).split(",") if partition is not None else []:
            if name not in known:
                raise UserError(f"{PROFILE}: {name}: the cluster has no such partition for the jobs of {rule}: give one of {', '.join(known)}")


def keep_keys_here() -> None:
    """Let Snakemake's plugin submit without them. It hands on the environment of this process, and no job on a node asks a provider."""
    import snakemake_executor_plugin_slurm as plugin

    written = plugin.get_submit_command
    plugin.get_submit_command = lambda *arguments, **named: without_keys(written(*arguments, **named))


def without_keys(command: str) -> str:
    """A command of a shell, run without the variables that may hold a secret."""
    names = [shlex.quote(name) for name in os.environ if errors.SECRET_NAME.search(name)]
    return " ".join(["env", *(f"--unset={name}" for name in names), command])


def take_back() -> None:
    """Cancel what a run that was killed left in the queue: its jobs that wait have done nothing yet, or go on from a checkpoint."""
    if waiting := [job.number for job in _jobs("PENDING")]:
        terminal.note(f"takes back {len(waiting)} jobs of a run that was killed, which wait for a node: {', '.join(waiting)}")
        _said("scancel", *waiting)


def after(name: str) -> str:
    """The option by which a job waits for the one of the same name that a run which was killed has left at work on a node: then it finds
    its results. Until then it holds no node."""
    return f"--dependency=afterany:{number}" if (number := holder(name)) in _alive() else ""


@cache
def _alive() -> frozenset[str]:
    return frozenset(job.number for job in _jobs("RUNNING,SUSPENDED,COMPLETING"))


def unseen(since: str) -> list[str]:
    """In words, the jobs of this folder that failed `since` (as Slurm writes times) and could not even write what went wrong."""
    folder = Path.cwd()
    return [f"job {job.number} ({job.comment}) failed on the node {job.nodes} and left no word in {LOGS}: is {folder} mounted there, as a folder "
            f"that all machines share? Look with: srun --nodelist {job.nodes} ls -d {folder}"
            for job in _jobs(FAILED, since) if not list(LOGS.rglob(f"{job.number}.log"))]  # fmt: skip


def _jobs(states: str, since: str = "") -> list[Job]:
    """Those that Snakemake submitted from this folder."""
    listed = _said("squeue", "--me", "--noheader", f"--states={states}", "--format=%V|%A|%T|%N|%k|%Z").splitlines()
    found = [line.split("|", 5) for line in listed]
    here = os.path.realpath(".")
    return [Job(*job) for submitted, *job, folder in found if submitted >= since and job[3].startswith("rule_") and os.path.realpath(folder) == here]


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        why = (getattr(error, "stderr", "") or str(error)).strip()
        raise UserError(f"{command[0]}: Slurm does not answer ({why}): run snakemake on a machine from which jobs can be submitted") from None
