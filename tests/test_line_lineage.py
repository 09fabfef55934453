"""Questions about the lineage of a whole line, asked where it was made and in a clone."""

import json
import re

import pytest
from line import Line
from test_crate import violations
from test_line_fresh import made  # noqa: F401  (a fixture)
from test_line_versions import line, pushed_and_cloned  # noqa: F401  (a fixture)

pytestmark = pytest.mark.slow


def test_what_is_published_is_the_same_in_a_clone_and_a_validator_takes_it(line: Line, tmp_path):  # noqa: F811
    clone = pushed_and_cloned(line, tmp_path)
    clone.run("dvc", "pull", "--quiet")
    for place in (line, clone):
        assert "not proved: no licence is known of 3 documents" in place.closedbook("crate")
        place.closedbook("cards")
    for path in ("crate/ro-crate-metadata.json", "crate/SHA256SUMS", "cards/runs/entigraph-s1/README.md", "cards/passages/entigraph/README.md"):
        assert (line.folder / path).read_bytes() == (clone.folder / path).read_bytes(), path
    assert violations(clone.folder / "crate", tmp_path / "cache") == []
    assert clone.run("bash", "-c", "cd crate && sha256sum --check --quiet SHA256SUMS") == ""


def test_what_is_stale_is_not_published_and_two_commits_are_compared(line: Line):  # noqa: F811
    line.set(training={"weight_decay": 0.02})
    for question in ("crate", "cards"):
        said = line.closedbook(question, status=2)
        assert "results/receipts/runs/entigraph-s1.json: parameter training.weight_decay changed 0.01 → 0.02" in said
        assert not (line.folder / question).exists()
    line.snakemake()
    line.commit("more decay")
    for names in (("HEAD~1", "HEAD"), ("HEAD~1", ".")):
        said = line.closedbook("diff", *names)
        assert said.startswith("first difference: runs/entigraph-s1: parameter training.weight_decay changed 0.01 → 0.02\n")
        assert "then:" not in said and re.search(r"entigraph-s1: last_loss +\d\.\d{3} +\d\.\d{3}", said)


def test_what_was_made_is_traced_to_its_documents_and_to_the_commit_of_its_code_in_a_clone_too(line: Line, tmp_path):  # noqa: F811
    clone = pushed_and_cloned(line, tmp_path)
    clone.run("dvc", "pull", "--quiet")
    head = line.run("git", "rev-parse", "HEAD").strip()
    questions = (["results/scores/entigraph-s1.json"], ["results/report/report.html"], ["--run", "entigraph", "--token", "100"],
                 ["--run", "entigraph", "--step", "0"], ["--text", "Who kept the lighthouse of Varn?"])  # fmt: skip
    for question in questions:
        answers = [json.loads(re.sub(r"^indexing.*\n", "", place.closedbook("trace", *question, "--json"))) for place in (line, clone)]
        assert answers[0] == answers[1]
    found = json.loads(line.closedbook("trace", *questions[0], "--json"))
    assert {row["commit"] for row in found["code"]} == {head} and len(found["code"]) == 7
    assert found["runs"][0]["model_sha256"] == found["scores"][0]["model_sha256"] and found["num_documents"] == 3
    runs = line.folder / "src/closedbook/runs.py"
    runs.write_text(runs.read_text() + "\nx = 1\n")
    said = line.closedbook("trace", "results/runs/entigraph-s1/run.json")
    assert re.search(rf"runs +{head[:12]}", said) and "not committed, so in nobody's history but this folder's: 1 file: src/closedbook/runs.py" in said
    line.snakemake("results/runs/entigraph-s1/run.json")
    said = line.closedbook("trace", "results/runs/entigraph-s1/run.json")
    assert "the code of the step runs is in no commit, only in this folder" in said
