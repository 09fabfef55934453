"""Two histories: one thing planted in the second is found, named where it came in, and alone."""

import hashlib
import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import toy_history
from toys import git

from closedbook.lineage import diff
from closedbook.util import files
from closedbook.util.errors import UserError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project under git and DVC."""
    monkeypatch.chdir(tmp_path)
    files.write_text(".gitignore", "/results\n/.dvc/cache\n/.dvc/tmp\n")
    git("init", "--quiet", "--initial-branch=main")
    (tmp_path / ".dvc").mkdir()
    files.write_text(".dvc/config", "[core]\n    analytics = false\n")


def revision(tag: str, **changes) -> None:
    """A state of the toy pipeline as a git tag: its results in DVC's cache, their names and hashes in dvc.lock."""
    shutil.rmtree("results", ignore_errors=True)
    toy_history.write(**changes)
    stages = {}
    for path in sorted(path for path in Path("results").rglob("*") if path.is_file()):
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        place = Path(f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        stages[str(path)] = {"cmd": "-", "outs": [{"path": str(path), "hash": "md5", "md5": md5}]}
    files.write_text("dvc.lock", json.dumps({"schema": "2.0", "stages": stages}))
    toy_history.commit()
    git("tag", tag)


def asked(a: str, b: str) -> dict:
    return diff.answer(Namespace(a=a, b=b))


PLANTED = {
    "data": ({"source": "9" * 64}, "documents", ("data", ".closedbook/sources/d.json", "0" * 64, "9" * 64)),
    "a document": ({"documents": ("d", "e", "f")}, "documents", ("data", ".closedbook/sources/f.json", None, "0" * 64)),
    "library": ({"torch": "2.14.0"}, "documents", ("library", "torch", "2.13.0", "2.14.0")),
    "parameter": ({"learning_rate": 0.02}, "runs", ("params", "training.learning_rate", 0.01, 0.02)),
    "code": ({"code": "e" * 64}, "runs", ("code", "runs", "c" * 64, "e" * 64)),
    "model": ({"answered": "big-0002"}, "entities", ("model", "maker", "big-0001", "big-0002")),
    "answers": ({"response": "2" * 64}, "entities", ("answers", "1 of 1 requests, asked again", None, None)),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_first_difference_of_two_revisions_is_the_one_that_was_made(project, name):
    changes, step, expected = PLANTED[name]
    revision("old")
    revision("new", accuracy=0.75, **changes)
    answer = asked("old", "new")
    first = answer["first"]
    assert (first["step"], *(first[part] for part in ("what", "name", "a", "b"))) == (step, *expected)
    assert answer["results"][0]["a"]["accuracy"] == 0.5 and answer["results"][0]["b"]["accuracy"] == 0.75
    assert any("0.500 ± 0.050" in line and "0.750 ± 0.050" in line and "± over questions only" in line for line in diff.lines(answer))
    assert any("openai/big" in line for line in answer["unproved"])
    assert "Ahab" not in "".join(diff.lines(answer)), "a document goes by its id"


def test_scores_of_other_versions_of_a_task_are_marked(project):
    revision("old")
    revision("new", accuracy=0.75)
    answer = asked("old", "new")
    assert not any("not comparable" in line for line in diff.lines(answer))
    answer["results"][0]["b"]["version"] = 2.0
    assert any("closed_text (versions 1.0 and 2.0: not comparable)" in line for line in diff.lines(answer))


def test_what_only_follows_is_not_called_a_difference(project):
    revision("old")
    revision("new", learning_rate=0.02)
    assert [(one["what"], one["jobs"]) for one in asked("old", "new")["differences"]] == [("params", ["runs/entigraph-s1", "runs/raw-s1"])]
    assert asked("new", ".")["differences"] == [], "the results here are those of the commit"
    assert asked("new", ".")["first"] is None and "no step of both differs" in diff.lines(asked("new", "."))


def test_a_document_that_is_gone_is_named_with_its_jobs(project):
    revision("old")
    revision("new", documents=("d",))
    answer = asked("old", "new")
    assert answer["first"]["name"] == ".closedbook/sources/e.json" and answer["first"]["b"] is None
    assert answer["only_a"] == ["documents/e", "entities/e", "passages/entigraph/e", "passages/raw/e"] and answer["only_b"] == []


@pytest.mark.parametrize(("a", "b"), [("raw-s1", "entigraph-s1"), ("raw", "entigraph")])
def test_runs_and_arms_are_compared_without_their_names(project, a, b):
    toy_history.write()
    answer = asked(a, b)
    assert [(one["name"], one["a"], one["b"]) for one in answer["differences"]] == [("arm.strategy", "raw", "entigraph")]
    assert answer["only_a"] == ["passages/raw/d", "passages/raw/e"] and "entities/d" in answer["only_b"]
    assert {row["what"]: (row["a"], row["b"]) for row in answer["results"]}["last_loss"] == (3.0, 2.0)
    assert diff.lines(answer)[0] == "first difference: corpora/raw ↔ corpora/entigraph: parameter arm.strategy changed raw → entigraph"


def test_an_edited_score_is_not_believed(project):
    toy_history.write()
    path = Path("results/scores/raw-s1.json")
    path.write_text(path.read_text().replace("0.5", "0.9"))
    with pytest.raises(UserError, match=f"{path} of raw-s1: is not what results/receipts/scores/raw-s1.json says"):
        asked("raw-s1", "entigraph-s1")


def test_names_that_mean_nothing_or_two_things_are_refused(project):
    revision("raw")
    with pytest.raises(UserError, match="raw: both arm and a revision.*arms.raw for the arm, [0-9a-f]{12} for the revision"):
        asked("raw", ".")
    assert asked("arms.raw", "entigraph")["a"] == "raw" and asked("refs/tags/raw", ".")["kind"] == "revision"
    with pytest.raises(UserError, match="enti-s1: no run, arm, commit, tag or branch; did you mean entigraph-s1"):
        asked("enti-s1", ".")
    with pytest.raises(UserError, match=r"entigraph \(arm\) and raw-s1 \(run\): compare two runs"):
        asked("entigraph", "raw-s1")
