"""A cluster of two nodes on this machine: Debian's own slurmctld, slurmd and munge, installed first where that can be done.

All of it lives in a mount namespace, in which /etc/slurm is the cluster's own, and each node in one more: what is mounted on a node is
nobody else's, as on a machine of its own.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import debian
import processes
import pytest

PACKAGES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge"}
WAIT_SECONDS = 30
NODES = ("n1", "n2")
CONF = """
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthInfo=socket={place}/munge/socket,cred_expire=5
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool.%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
MinJobAge=3600
KillWait=2
MpiDefault=none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000 Gres=gpu:2
PartitionName=low Nodes=n1,n2 PriorityTier=1
PartitionName=high Nodes=n1,n2 PriorityTier=2
"""


def install() -> None:
    """Skips the test, saying why, where the packages aren't there and can't be installed, or a node can't be kept apart."""
    if os.getuid():
        pytest.skip("needs root, for Slurm's daemons and what is mounted on a node")
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs mount namespaces, which this machine does not allow")
    debian.install("Slurm", PACKAGES)


class Cluster:
    """Two nodes of two processors each, and the partitions `low` and `high`, of which the second takes nodes from the first."""

    def __init__(self, place: Path):
        self.place, self._started = place, []
        for folder in ("etc", "state", "munge"):
            (place / folder).mkdir(parents=True)
        key = place / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        for path in (place / "munge", key):
            shutil.chown(path, "munge")
        for parent in (place, *place.parents):  # pytest's folders are for their owner alone, and munge is another user
            parent.chmod(parent.stat().st_mode | 0o011)
        (place / "etc/slurm.conf").write_text(CONF.format(host=socket.gethostname().split(".")[0], place=place, ports=_free_ports(3)))
        (place / "etc/gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        self._start("munged", "runuser", "-u", "munge", "--", "munged", "--foreground", f"--socket={place}/munge/socket", f"--key-file={key}",
                    f"--pid-file={place}/munge/pid", f"--log-file={place}/munge/log", f"--seed-file={place}/munge/seed")  # fmt: skip
        self._wait(lambda: (place / "munge/socket").exists())
        self._space = self._start("slurmctld", "unshare", "--mount", "sh", "-c", f"mount --bind {place}/etc /etc/slurm && exec slurmctld -D -c")
        self._wait(lambda: not subprocess.run(self.within("scontrol", "ping"), capture_output=True).returncode)
        for node in NODES:
            self.start_node(node)
        self._wait(lambda: self.say("sinfo", "--noheader", "--partition=low", "--format=%T").split() == ["idle"])

    def start_node(self, name: str, without: Path | None = None) -> None:
        """`without`: a folder that is not mounted on the node, though all others see it."""
        hide = f"mount -t tmpfs none {without} && " if without else ""
        self._start(name, *self.within("unshare", "--mount", "sh", "-c", f"{hide}exec slurmd -D -N {name}"))

    def stop_node(self, name: str) -> None:
        process = next(process for its, process in self._started if its == name)
        self._started.remove((name, process))
        processes.end(process, WAIT_SECONDS)

    def within(self, *command: str, folder: Path = Path("/")) -> list[str]:
        """A command as the submitting host runs it, in a folder."""
        return ["nsenter", f"--mount=/proc/{self._space.pid}/ns/mnt", f"--wd={folder}", *command]

    def say(self, *command: str) -> str:
        return subprocess.run(self.within(*command), check=True, capture_output=True, text=True, timeout=WAIT_SECONDS).stdout

    def jobs(self) -> list[list[str]]:
        """[number, rule and wildcards, state, nodes, number of the array or its own] of each job that Snakemake submitted."""
        listed = self.say("squeue", "--states=all", "--noheader", "--array", "--format=%A|%k|%T|%N|%F").splitlines()
        return sorted((line.split("|") for line in listed if "|rule_" in line), key=lambda job: int(job[0]))

    def close(self) -> None:
        for _, process in reversed(self._started):
            process.send_signal(signal.SIGTERM)
        for _, process in self._started:
            try:
                process.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, name: str, *command: str) -> subprocess.Popen:
        with open(self.place / f"{name}.log", "w") as log:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self._started.append((name, process))
        return process

    def _wait(self, ready) -> None:
        for _ in range(WAIT_SECONDS * 10):
            if ready():
                return
            time.sleep(0.1)
        logs = "\n".join(f"{path.name}:\n{path.read_text()[-1000:]}" for path in self.place.glob("*.log"))
        raise AssertionError(f"the cluster did not come up in {WAIT_SECONDS} s:\n{logs}")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
