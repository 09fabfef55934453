import errno
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from closedbook.util import files
from closedbook.util.errors import UserError


def test_one_value_has_one_text():
    assert files.canonical({"b": 16.0, "a": [1, 2.5]}) == files.canonical({"a": (1.0, 2.5), "b": 16})
    assert files.canonical({"a": 16}) != files.canonical({"a": 16.5})


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(RuntimeError), files.whole_file(path) as handle:
        handle.write("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    files.write_text(path, "whole")
    with pytest.raises(RuntimeError), files.whole_file(path) as handle:
        handle.write("other")
        raise RuntimeError
    assert path.read_text() == "whole" and len(list(path.parent.iterdir())) == 1


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path):
    files.write_text(tmp_path / "file.txt", "old")
    script = (
        "import resource, sys; from pathlib import Path; from closedbook.util import files; from closedbook.util.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: files.write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except UserError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "file.txt")], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "src"})
    assert str(tmp_path / "file.txt") in done.stdout and "make room" in done.stdout, done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("code, words", [(errno.EACCES, "Permission denied.*permission"), (errno.ENOSPC, "No space left.*make room"), (errno.EROFS, "Read-only")])
def test_a_folder_that_takes_no_new_file_is_named(tmp_path, monkeypatch, code, words):
    def refuse(path, *_, **__):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(files, "open", refuse, raising=False)  # a test that runs as root is refused nothing
    with pytest.raises(UserError, match=f"file.txt.*{words}"):
        files.write_text(tmp_path / "file.txt", "text")


def test_what_a_block_fails_to_read_is_not_taken_for_a_failure_to_write(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.txt"), files.whole_file(tmp_path / "file.txt"):
        (tmp_path / "absent.txt").read_text()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_file_has_the_mode_that_umask_gives(tmp_path, mask, mode):
    (tmp_path / "model.safetensors").touch(0o600)
    before = os.umask(mask)
    try:
        files.write_text(tmp_path / "file.txt", "text")
        files.give_usual_modes(tmp_path)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {"file.txt": mode, "model.safetensors": mode}


def test_a_database_is_known_from_another_file(tmp_path):
    assert files.is_database(tmp_path / "absent.db")
    with closing(sqlite3.connect(tmp_path / "made.db")) as database, database:
        assert files.is_database(tmp_path / "made.db")
        database.execute("CREATE TABLE one (two TEXT)")
    assert files.is_database(tmp_path / "made.db")
    (tmp_path / "other.db").write_text("something else")
    assert not files.is_database(tmp_path / "other.db")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"", b"[" * 100_000])
def test_a_file_that_is_no_json_is_named(tmp_path, content):
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(UserError, match="file.json: not JSON"):
        files.read_json(tmp_path / "file.json")
