"""Which commit holds the code of a result is found by digests, in a small package with a history of its own."""


import pytest
from toys import git

from closedbook.lineage import commit
from closedbook.lineage.history import Job
from closedbook.util import files, fingerprint
from closedbook.workflow.registry import STEPS


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder under git, and the code in it as the code that works here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path / commit.PACKAGE)
    git("init", "--quiet")
    return tmp_path


def write(text, given="{}") -> str:
    """Write the code of the stage runs, whose job returns `x`; gives its digest."""
    files.write_text(f"{commit.PACKAGE}/stages/runs.py", f"{text}\n\ndef job():\n    return x\n")
    registry = f"def _runs():\n    return {given}\n\n\nSTEPS = {{'runs': Stage(module='closedbook.stages.runs', files=_runs)}}\n"
    files.write_text(f"{commit.PACKAGE}/workflow/registry.py", registry)
    for known in (fingerprint.digest, fingerprint._text, fingerprint._module_path):
        known.cache_clear()  # a process of its own sees the code of one moment
    return fingerprint.of_stage("closedbook.stages.runs", "closedbook.workflow.registry:_runs", package=fingerprint.PACKAGE)


def commit_all() -> str:
    git("add", "--all", "src")
    git("commit", "--quiet", "--allow-empty", "--message", "a state")
    return commit.git("rev-parse", "HEAD").strip()


def test_the_stages_of_a_package_are_those_of_its_registry():
    assert [module for module, _ in commit._stages(fingerprint.PACKAGE)] == [stage.module for stage in STEPS.values()]


def test_head_comes_first_and_then_the_newest_that_has_it(project):
    first = write("x = 1\n")
    assert commit.holding([first]) == {first: ""}, "nothing is committed yet"
    commits = [commit_all()]
    commits.append(commit_all())
    second = write("x = 2\n")
    commits.append(commit_all())
    write("# a remark\nx = 2\n")
    commits.append(commit_all())
    assert commit.holding([first, second]) == {first: commits[0], second: commits[3]}
    wired = write("x = 2\n", given="{0: 1}")
    assert commit.holding([wired]) == {wired: ""}, "which files it is given counts"
    assert commit.holding([second, "0" * 64]) == {second: commits[3], "0" * 64: None}
    assert commit.holding([first]) == {first: commits[0]}, "asked again, it is remembered"


def test_a_commit_of_broken_code_is_passed_over(project):
    first, at = write("x = 1\n"), commit_all()
    files.write_text(f"{commit.PACKAGE}/stages/runs.py", "x = (\n")
    commit_all()
    assert commit.holding([first]) == {first: at}


def test_a_search_has_an_end(project, monkeypatch):
    first = write("x = 1\n")
    commit_all()
    for number in (2, 3, 4):
        write(f"x = {number}\n")
        commit_all()
    monkeypatch.setattr(commit, "SEARCHED", 3)
    assert commit.holding([first]) == {first: None}


def test_the_code_that_made_a_result_is_not_the_one_accepted_later():
    job = Job(name="runs/a-s1", recipe={"step": "runs", "code": "c"}, inputs={}, outputs={}, facts={}, versions={},
              accepted=[{"why": "", "code_before": "a", "code_after": "b"}, {"why": "", "code_before": "b", "code_after": "c"}])  # fmt: skip
    assert commit.code_of(job) == "a"
