"""Questions about the lineage of a whole line, asked where it was made and in a clone."""

import json
import re

import pytest
from line import Line
from test_crate import violations
from test_line_fresh import made  # noqa: F401  (a fixture)
from test_line_versions import line, pushed_and_cloned  # noqa: F401  (a fixture)

from closedbook.freshness import receipts

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


def test_a_takedown_by_its_own_commands_leaves_nothing_and_each_step_is_missed(line: Line):  # noqa: F811
    document = next(path.stem for path in (line.folder / "results/documents").glob("harbour-*.json"))
    answer = json.loads(line.closedbook("impact", document, "--json"))
    assert answer["title"] == "The Harbour of Varn"
    assert answer["corpora"]["entigraph"]["tokens"] == answer["runs"]["entigraph-s1"]["tokens_read"] > 0
    *commands, certify = answer["commands"]
    assert [command.split()[0] for command in commands] == ["sed", "rm", "snakemake", "closedbook", "dvc"]
    for command in commands:
        assert command in line.closedbook("impact", document, "--certify", status=1)
        step = {"snakemake": line.snakemake, "closedbook": lambda: line.closedbook(*command.split()[1:]),
                "dvc": lambda: line.run("dvc", "gc", "--workspace", "--force")}
        step.get(command.split()[0], lambda: line.run("bash", "-c", command))()
    said = line.closedbook(*certify.split()[1:])
    assert "nothing of it is left in any of" in said and "git's history: holds its words" in said
    assert re.search("commits? .* names? its results in dvc.lock, by hashes only", said)
    assert "Nothing to be done" in line.snakemake() and "up to date" in line.run("dvc", "status")


def test_an_arm_is_rebuilt_bit_by_bit_and_a_receipt_that_says_otherwise_is_a_wrong_claim(line: Line):  # noqa: F811
    path = line.folder / "results/receipts/corpora/entigraph.json"
    record = receipts.read(path)
    record["outputs"]["results/corpora/entigraph/tokens.npy"] = "0" * 64
    receipts.keep(path, record)
    before = line.bytes()
    said = line.closedbook("reproducible", "entigraph", "--prove", status=1)
    assert "Rebuilt: 12 of 13 identical" in said and "Claims that were wrong: corpora/entigraph\n" in said
    assert f"results/corpora/entigraph/tokens.npy: expected {'0' * 64}, got " in said
    assert line.bytes() == before, "nothing is written here"
