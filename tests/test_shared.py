"""A project on a file system that several machines share: locks that hold there, an account that needs nothing else, and who refuses what."""

import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import spender

from closedbook import models
from closedbook.llm import account
from closedbook.util import files, shared
from closedbook.util.errors import UserError
from closedbook.workflow import receipts

LINE = "36 25 0:32 / {point} rw,relatime shared:1 - {kind} server:/home {options}\n"
HOSTS, PROCESSES, REQUESTS = 2, 3, 20


@pytest.fixture
def mounts(tmp_path, monkeypatch):
    """Have a list of what is mounted say that a folder lies on a file system of some kind."""

    def mount(kind: str, options: str = "rw,vers=4.2,local_lock=none", point: Path = tmp_path) -> Path:
        path = tmp_path / "mounts"
        path.write_text("22 1 254:1 / / rw - ext4 /dev/root rw\n" + LINE.format(point=str(point).replace(" ", r"\040"), kind=kind, options=options))
        monkeypatch.setattr(shared, "MOUNTS", path)
        shared._mount.cache_clear()
        return path

    yield mount
    shared._mount.cache_clear()


def journal(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "account.sqlite3")) as database:
        return database.execute("PRAGMA journal_mode").fetchone()[0]


def test_an_account_follows_its_file_system_wherever_it_is_taken(tmp_path, mounts):
    ledger = tmp_path / "a ledger"
    for kind, mode in (("ext4", "wal"), ("nfs4", "delete"), ("lustre", "delete"), ("fuse.unknown", "delete"), ("xfs", "wal")):
        mounts(kind, point=ledger)
        mine = account.Account(ledger, step="test", document="kell-1", model="openai/toy")
        mine.serve()
        mine.close()
        assert journal(ledger) == mode, kind
    assert [row["calls"] for row in account.rows(ledger)] == [5]


def test_an_account_that_is_open_in_the_other_mode_is_named(tmp_path, mounts, monkeypatch):
    monkeypatch.setattr(account, "PATIENCE", 0.1)
    mounts("ext4")
    before = account.Account(tmp_path, step="test", document="kell-1", model="openai/toy")
    before.serve()
    mounts("nfs4")
    with pytest.raises(UserError, match="the account can't be opened as its file system needs .*end that, and run again"):
        account.rows(tmp_path)
    before.close()
    assert len(account.rows(tmp_path)) == 1


def test_the_memory_of_hashes_needs_locks_alone(tmp_path):
    (tmp_path / "file").write_text("content")
    memory = receipts.Hashes(tmp_path / "hashes.db")
    memory.sha256(tmp_path / "file")
    memory.save()
    with closing(sqlite3.connect(tmp_path / "hashes.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_a_base_that_is_not_there_on_a_machine_is_named_with_it(tmp_path):
    files.write_json(tmp_path / "base.json", {"load": str(tmp_path / "gone"), "revision": None})
    with pytest.raises(UserError, match=f"{tmp_path}/gone: the base's folder .* is not there on {socket.gethostname()}"):
        models.source(tmp_path / "base.json")
    (tmp_path / "gone").mkdir()
    assert models.source(tmp_path) == (str(tmp_path / "gone"), None)


@pytest.mark.skipif(os.getuid() or subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode,
                    reason="needs root and mount namespaces, to be two hosts")  # fmt: skip
@pytest.mark.slow
def test_two_hosts_lose_no_dollar_and_overspend_none(tmp_path, mounts):
    """Two hosts have the same files and locks, and no memory in common: each has its own of the file by which SQLite shares memory."""
    ledger, listed = tmp_path / "ledger", mounts("nfs4")
    account.rows(ledger)
    memory = ledger / "account.sqlite3-shm"
    memory.touch()
    running = []
    for host in range(HOSTS):
        own = tmp_path / f"memory-of-{host}"
        own.touch()
        command = [sys.executable, spender.__file__, str(ledger), str(listed), str(REQUESTS)]
        apart = f'mount --bind {own} {memory} && hostname host{host} && for n in {" ".join(map(str, range(PROCESSES)))}; do "$@" & done; wait'
        running.append(subprocess.Popen(["unshare", "--mount", "--uts", "sh", "-c", apart, "host", *command], stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "PYTHONPATH": "src"}))  # fmt: skip
    assert [process.communicate(timeout=120)[1] for process in running] == [""] * HOSTS
    asked = HOSTS * PROCESSES * REQUESTS
    fit = round((spender.LIMIT - spender.MOST) / spender.PRICE) + 1
    assert asked > fit, "the limit is reached"
    (row,) = account.rows(ledger)
    with closing(sqlite3.connect(ledger / "account.sqlite3")) as database:
        assert database.execute("SELECT calls, round(usd, 9) FROM total").fetchone() == (row["calls"], round(row["usd"], 9))
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert row["calls"] == fit and row["usd"] == pytest.approx(fit * spender.PRICE)


@pytest.mark.parametrize("kind, options", [("nfs", "rw,vers=3,nolock,local_lock=all"), ("lustre", "rw,localflock"), ("9p", "rw"), ("fuse.sshfs", "rw")])
def test_where_locks_stay_on_one_machine_the_folder_and_the_remedy_are_named(tmp_path, mounts, kind, options):
    mounts(kind, options)
    with pytest.raises(UserError, match=f"{tmp_path} lies on {tmp_path} \\({kind}\\), where no lock holds .*move the project"):
        shared.check_locks(tmp_path)


@pytest.mark.parametrize("kind, options", [("nfs4", "rw,vers=4.2,local_lock=none"), ("lustre", "rw,flock"), ("ext4", "rw,nolock")])
def test_where_locks_hold_nothing_is_refused(tmp_path, mounts, kind, options):
    mounts(kind, options)
    shared.check_locks(tmp_path)


def test_the_innermost_mount_counts(tmp_path, mounts):
    listed = mounts("nfs4")
    listed.write_text(listed.read_text() + LINE.format(point=tmp_path / "scratch", kind="ext4", options="rw"))
    assert shared.is_shared(tmp_path / "results") and not shared.is_shared(tmp_path / "scratch/results")
    assert not shared.is_shared(tmp_path.parent), "a folder above it"


def test_the_guard_over_all_tests_sees_a_lock_that_nfs_would_refuse(tmp_path):
    (tmp_path / "file").touch()
    for mode, kind in (("r", fcntl.LOCK_EX), ("w", fcntl.LOCK_SH)):
        with open(tmp_path / "file", mode) as file, pytest.raises(OSError, match="NFS"):
            fcntl.flock(file, kind)
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError, match="NFS"):
        fcntl.flock(folder, fcntl.LOCK_EX)
    os.close(folder)
