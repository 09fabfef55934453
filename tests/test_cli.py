import errno
import re
import shutil
import sqlite3

import pytest

from closedbook import cli, files
from closedbook.errors import UserError


def stopped_by(error, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr(cli, "_fresh", fail)
    return cli.main(["fresh"])


@pytest.mark.parametrize("error", [
    OSError(errno.ENOSPC, "No space left on device", "results/base/model.safetensors"),
    PermissionError(errno.EACCES, "Permission denied", "results"),
    RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    sqlite3.OperationalError("database or disk is full"),
])  # fmt: skip
def test_no_room_and_no_permission_are_said_without_a_traceback(error, monkeypatch, capsys):
    assert stopped_by(error, monkeypatch) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "make room or give write permission" in said and str(error) in said


def test_a_user_s_mistake_is_said_and_a_fault_of_ours_keeps_its_traceback(monkeypatch, capsys):
    assert stopped_by(UserError("params.yaml: seed: wrong"), monkeypatch) == 2
    assert capsys.readouterr().err == "error: params.yaml: seed: wrong\n"
    with pytest.raises(ZeroDivisionError):
        stopped_by(ZeroDivisionError(), monkeypatch)


@pytest.mark.parametrize("arguments, names", [
    ([], {"step", "stage", "fresh", "table", "ask-again"}),
    (["step"], {"documents", "base", "entities", "passages", "corpora", "runs", "retrieval", "scores", "readers", "report"}),
])  # fmt: skip
def test_every_step_and_command_is_listed(arguments, names, capsys):
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--help"])
    listed = {found[0] for found in re.findall(r"^    ([a-z-]+)( |$)", capsys.readouterr().out, re.MULTILINE)}
    assert listed >= names


def test_without_scores_the_table_says_what_to_do(monkeypatch, capsys, tmp_path):
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    files.write_text("results/scores/mine.json", "a file of a user's own")
    assert cli.main(["table"]) == 2
    assert "make reproduce" in capsys.readouterr().err
