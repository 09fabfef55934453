"""What git may do to a clone: other line ends, another owner."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from closedbook.lineage import published, unproved
from closedbook.lineage.history import History
from closedbook.util.errors import UserError
from closedbook.workflow import versioned

ROOT = Path(__file__).parent.parent


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments], check=True, capture_output=True)


def test_a_clone_that_git_would_give_other_line_ends_has_the_same_bytes(tmp_path):
    made, texts = tmp_path / "made", ("params.yaml", "src/closedbook/llm/prompts/qa.txt", "src/closedbook/miniature/world.yaml", "documents/crlf.txt")
    for name in (".gitattributes", *texts[:-1]):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, made / name)
    (made / "documents").mkdir()
    (made / texts[-1]).write_bytes(b"one\r\ntwo\n")
    git(made, "init", "--quiet")
    git(made, "-c", "core.autocrlf=true", "add", "--all")
    git(made, "commit", "--quiet", "-m", "all")
    git(tmp_path, "clone", "--quiet", "-c", "core.autocrlf=true", str(made), str(tmp_path / "clone"))
    assert {name: (tmp_path / "clone" / name).read_bytes() for name in texts} == {name: (made / name).read_bytes() for name in texts}


def test_a_clone_of_another_owner_is_named_as_that(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "first")
    assert published.project().commit
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own way to test this
    for ask in (published.project, lambda: versioned.at("HEAD", "dvc.lock"), lambda: unproved.about(History({}), [])):
        with pytest.raises(UserError, match=f"safe.directory {tmp_path}"):
            ask()


def code_and_parameters_changed(clone: Path) -> set[str]:
    """What dvc.lock holds of code and parameters that is not so in the clone, as DVC says."""
    done = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], cwd=clone, check=True, capture_output=True, text=True)
    changed = [entry["changed deps"] for entries in json.loads(done.stdout).values() for entry in entries if isinstance(entry, dict) and "changed deps" in entry]
    return {name for deps in changed for name in deps if not name.startswith("results")}


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git history here: this is no clone")
def test_the_committed_dvc_lock_is_of_the_committed_code_and_parameters(tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    assert code_and_parameters_changed(clone) == set(), "snakemake --cores all records them: commit its dvc.lock with the code"
    (clone / "src/closedbook/params.py").write_text("")
    (clone / "params.yaml").write_text((clone / "params.yaml").read_text().replace("\nseed: 1 ", "\nseed: 2 ", 1))
    assert {"src/closedbook", "params.yaml"} <= code_and_parameters_changed(clone)
