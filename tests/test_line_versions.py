"""The whole line under version control: old commits, other caches, times that lie, code that changes."""

import subprocess
from pathlib import Path

import pytest
from line import Line, jobs
from test_line_fresh import made  # noqa: F401  (a fixture)

pytestmark = pytest.mark.slow


@pytest.fixture
def line(made, tmp_path):  # noqa: F811
    return made.copy(tmp_path / "line")


def pushed_and_cloned(line: Line, folder: Path) -> Line:
    """A clone without results, and with a remote that has them."""
    line.run("dvc", "remote", "add", "--default", "store", str(folder / "store"))
    line.commit("remote")
    line.run("dvc", "push", "--quiet")
    return line.clone(folder / "clone")


def test_an_old_commit_and_back_with_dvc_checkout_has_nothing_to_do(line):
    line.set(entities={"max": 5})
    line.snakemake()
    line.commit("five entities")
    for commit in ("HEAD~1", "-"):
        line.run("git", "checkout", "--quiet", commit)
        line.run("dvc", "checkout", "--quiet")
        assert "Nothing to be done" in line.snakemake()
        assert "up to date" in line.run("dvc", "status")


def test_results_of_other_parameters_brought_back_by_dvc_are_seen_by_dvc_repro(line):
    line.set(entities={"max": 5})
    line.snakemake("entities")
    line.run("git", "checkout", "--quiet", "dvc.lock")
    line.run("dvc", "checkout", "--force", "--quiet")
    assert jobs(line.run("dvc", "repro", "entities")) == {"entity_list": 3, "entities": 1}
    assert "up to date" in line.run("dvc", "status", "entities")


def test_touch_after_an_edit_hides_nothing(line):
    line.set(entities={"max": 5})
    line.snakemake("--touch", "entities")
    assert jobs(line.snakemake("entities")) == {"entity_list": 3, "entities": 1}
    line.snakemake("--touch", "entities")
    assert "Nothing to be done" in line.snakemake("entities")


def test_code_of_a_step_reruns_it_and_what_follows_and_words_about_code_nothing(line):
    step = line.folder / "src/closedbook/runs.py"
    step.write_text(step.read_text().replace('"""A run', '"""One run', 1) + "\n# a comment\n")
    other = line.folder / "src/closedbook/tally.py"
    other.write_text(other.read_text() + "\nNEW = 1\n")
    assert jobs(line.run("dvc", "repro")) == {"report": 1}
    step.write_text(step.read_text() + "\nNEW = 1\n")
    assert "runs/entigraph-s1: code of the step runs changed" in line.closedbook("fresh")
    output = line.snakemake()
    assert jobs(output) == {"run": 1, "score": 1, "report": 1, "all": 1} and output.count("nothing to do") == 0


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_linked_caches_have_nothing_to_do_and_keep_their_objects(line, tmp_path, kind):
    clone = pushed_and_cloned(line, tmp_path)
    clone.run("dvc", "config", "--local", "cache.type", kind)
    clone.run("dvc", "pull", "--quiet")
    assert "Nothing to be done" in clone.snakemake() and clone.bytes() == line.bytes()
    clone.set(entities={"max": 5})
    assert jobs(clone.snakemake("entities")) == {"entity_list": 3, "entities": 1}
    objects = [path for path in (clone.folder / ".dvc/cache/files").rglob("*") if path.is_file()]
    for path in objects:
        assert path.suffix == ".dir" or md5(path) == path.parent.name + path.name, "a job wrote through a link"
    assert len(objects) > 50


def md5(path: Path) -> str:
    return subprocess.run(["md5sum", str(path)], capture_output=True, text=True, check=True).stdout.split()[0]


def test_a_bare_clone_with_a_training_parameter_changed_pulls_the_corpora_and_retrains(line, tmp_path):
    clone = pushed_and_cloned(line, tmp_path)
    clone.set(training={"weight_decay": 0.05})
    output = clone.run("dvc", "repro", "--pull", "--allow-missing")
    assert jobs(output) == {"run": 1, "runs": 1, "score": 2, "scores": 1, "report": 1}, "DVC brings no old outputs to a stage it runs"
