import errno
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys

import pytest

from closedbook import cli
from closedbook.util import files
from closedbook.util.errors import UserError


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
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
])  # fmt: skip
def test_no_room_and_no_permission_are_said_without_a_traceback(error, monkeypatch, capsys):
    assert stopped_by(error, monkeypatch) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "make room on its disk or give permission" in said and str(error) in said


def test_a_user_s_mistake_is_said_and_a_fault_of_ours_keeps_its_traceback(monkeypatch, capsys):
    assert stopped_by(UserError("params.yaml: seed: wrong"), monkeypatch) == 2
    assert capsys.readouterr().err == "error: params.yaml: seed: wrong\n"
    with pytest.raises(ZeroDivisionError):
        stopped_by(ZeroDivisionError(), monkeypatch)


def test_ctrl_c_is_said_without_a_traceback(monkeypatch, capsys):
    assert stopped_by(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err.startswith("interrupted: what is finished is kept")


def ended(code: str, command: str = "fresh") -> subprocess.CompletedProcess:
    """closedbook with a command that runs `code`, its stdout on a pipe that nobody reads."""
    return unread(f"from closedbook import cli\nfrom closedbook.util import terminal\ndef act(_):\n  {code}\ncli._{command} = act\nraise SystemExit(cli.main(['{command}']))")


def unread(script: str) -> subprocess.CompletedProcess:
    read, written = os.pipe()
    os.close(read)
    try:
        return subprocess.run([sys.executable, "-c", script], stdout=written, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "src"})
    finally:
        os.close(written)


def test_an_answer_that_nobody_reads_ends_without_a_word():
    done = ended("[terminal.show(str(n)) for n in range(9)]; terminal.note('not reached')")
    assert (done.returncode, done.stderr) == (141, "")


def test_work_goes_on_where_nobody_reads_about_it(tmp_path):
    done = ended(f"import os, pathlib; os.dup2(1, 2); terminal.note('one'); terminal.note('two'); pathlib.Path({str(tmp_path / 'done')!r}).touch()")
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "done").exists()


@pytest.mark.parametrize("arguments, names", [
    ([], {"job", "stage", "fresh", "table", "retry", "ask", "chat", "serve"}),
    (["stage"], set()),
])  # fmt: skip
def test_every_step_and_command_is_listed(arguments, names, capsys):
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--help"])
    listed = {found[0] for found in re.findall(r"^    ([a-z-]+)( |$)", capsys.readouterr().out, re.MULTILINE)}
    assert listed >= names


def test_without_scores_the_table_says_what_to_do(monkeypatch, capsys, tmp_path):
    shutil.copy("params.yaml", tmp_path)
    for name in ("evals", "src"):
        (tmp_path / name).symlink_to(os.path.abspath(name))
    monkeypatch.chdir(tmp_path)
    files.write_text("results/scores/mine.json", "a file of a user's own")
    assert cli.main(["table"]) == 2
    assert "make reproduce" in capsys.readouterr().err


def test_what_argparse_prints_ends_without_a_word_too_where_nobody_reads():
    for arguments in ([], ["--version"], ["trace", "--help"], ["ledger", "stats", "--help"]):
        done = unread(f"from closedbook import cli\nraise SystemExit(cli.main({arguments}))")
        assert (done.returncode, done.stderr) == (141, ""), arguments


def test_an_error_that_nobody_reads_is_one_all_the_same():
    done = unread("import os\nos.dup2(1, 2)\nfrom closedbook import cli\nraise SystemExit(cli.main(['passages']))")
    assert done.returncode == 2


def test_each_command_s_help_has_an_example_that_is_one():
    commands = cli.every(cli._parser())
    assert [*cli.EXAMPLES][-4:] == [name for name in commands if " " not in name][-4:] == ["job", "stage", "verify", "commit"]
    assert cli.EXAMPLES.keys() == commands.keys() - cli.ALIASES.keys() and {"asks import", "ledger show"} <= commands.keys()
    for name, command in commands.items():
        words = shlex.split(command.epilog.removeprefix("example: closedbook "))
        assert " ".join(words).startswith(cli.ALIASES.get(name, name)) and cli._parser().parse_args(words).command


@pytest.mark.parametrize("arguments, nearest", [
    (["forcast"], "no such command: forcast; did you mean forecast?"), (["asks", "exprot"], "did you mean export?"),
    (["ledger", "stat"], "did you mean stats?"), (["spent", "--by", "modell"], "--by: no such choice: modell; did you mean model?"),
    (["stage", "run"], "did you mean runs?"), (["ledger", "zzzz"], "closedbook ledger --help lists them"),
])  # fmt: skip
def test_a_command_that_is_misspelt_is_told_the_nearest(arguments, nearest, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert nearest in capsys.readouterr().err


def test_within_a_project_a_command_finds_it_and_paths_stay_where_they_were_given(monkeypatch, tmp_path):
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    files.write_text(tmp_path / "Snakefile", "")
    monkeypatch.chdir(tmp_path / "docs" / "deep")
    seen = []
    monkeypatch.setattr(cli, "_job", lambda options: seen.append((os.getcwd(), str(options.shard))))
    assert cli.main(["job", "--shard", "x.json"]) == 0
    assert seen == [(str(tmp_path), str(tmp_path / "docs/deep/x.json"))]


def test_outside_of_a_project_every_command_says_so_and_leaves_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for words in (shlex.split(example) for name, example in cli.EXAMPLES.items() if name != "completion"):
        assert cli.main(words) == 2 and f"{tmp_path}: not a closedbook project" in capsys.readouterr().err, words
    assert [*tmp_path.iterdir()] == []
