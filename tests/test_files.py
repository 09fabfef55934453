import errno
import os
import subprocess
import sys

import pytest

from closedbook import files
from closedbook.errors import UserError


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
        "import resource, sys; from pathlib import Path; from closedbook import files; from closedbook.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: files.write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except UserError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "file.txt")], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "src"})
    assert str(tmp_path / "file.txt") in done.stdout and "make room" in done.stdout, done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    def refuse(dir, prefix):
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)  # a test that runs as root is refused nothing
    with pytest.raises(UserError, match="file.txt.*Permission denied.*permission"):
        files.write_text(tmp_path / "file.txt", "text")
