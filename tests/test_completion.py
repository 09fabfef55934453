"""What shells complete: commands, options, choices, and the names of what is in the project."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from closedbook import cli
from closedbook.util import completion


@pytest.fixture
def scripts(tmp_path, monkeypatch, capsys):
    """The script of each shell, printed outside of a project, and then the folder of one."""
    monkeypatch.chdir(tmp_path)
    for shell in completion.SHELLS:
        assert cli.main(["completion", shell]) == 0
        (tmp_path / shell).write_text(capsys.readouterr().out)
    for name in ("results/documents/harbour-1.json", "results/documents/clock-2.json", "results/runs/raw-s1/run.json", "presets/folder.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


COMPLETED = {
    "tra": {"trace"}, "passages har": {"harbour-1"}, "impact ": {"harbour-1", "clock-2"}, "ask ra": {"raw-s1"}, "trace --run ra": {"raw-s1"},
    "init fo": {"folder"}, "ledger st": {"stats"}, "passages --st": {"--strategy"}, "spent --by mo": {"model"}, "completion fi": {"fish"},
}  # fmt: skip


def test_bash_completes_commands_and_the_names_of_what_is_there(scripts):
    ask = 'words=($1); [[ $1 == *" " ]] && words+=(""); COMP_WORDS=(closedbook "${words[@]}"); COMP_CWORD=${#words[@]}; COMPREPLY=(); '
    code = f"source ./bash\nask() {{ {ask}_shtab_closedbook 2>/dev/null; echo \"${{COMPREPLY[@]}}\"; }}\n" + "\n".join(f"ask '{line}'" for line in COMPLETED)
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert dict(zip(COMPLETED, map(set, map(str.split, done.stdout.splitlines())))) == COMPLETED and done.stderr == ""


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_the_same(scripts):
    code = "source ./fish\n" + "\n".join(f'echo (complete -C "closedbook {line}" | cut -f1)' for line in COMPLETED)
    done = subprocess.run(["fish", "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(scripts)})
    found = dict(zip(COMPLETED, map(set, map(str.split, done.stdout.splitlines()))))
    assert found | {"impact ": found["impact "] & COMPLETED["impact "]} == COMPLETED and done.stderr == ""


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_can_read_its_own(scripts):
    subprocess.run(["zsh", "-n", "zsh"], check=True)
