"""closedbook passages DOCUMENT: what was written, dropped and kept out, as a person reads it."""

import json

import pytest
import toys

from closedbook import cli
from closedbook.records import Passages
from closedbook.util import files


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Ten passages of one document, of which one was dropped and one was rejected."""
    monkeypatch.chdir(tmp_path)
    files.write_text("params.yaml", "")
    results = tmp_path / "results"
    for name in ("harbour-1", "clock-2"):
        toys.document(results, name)
    texts = [f"{number}. " + toys.SENTENCES[0] * 5 + "\n\nThe end.\x1b[31m" for number in range(10)]
    path = toys.passages(results / "passages", "harbour-1", texts)
    made = files.read_json(path)
    made["dropped"] = [{"kind": "pair", "entities": ["Varn", "Kell"], "sample": 0, "reason": "the model refused"}]
    files.write_json(path, made)
    toys.passages(results / "passages", "harbour-1", ["The whole text."], strategy="raw")
    row = {"id": "harbour-1/entigraph/0", "document": "harbour-1", "strategy": "entigraph", "kind": "pair", "rule": "question", "detail": {"question": "q7"}}
    other = {**row, "id": "clock-2/entigraph/0", "document": "clock-2"}
    files.write_json_lines(results / "corpora" / "arm-a" / "rejected.jsonl", [row, other])
    return results


def said(capsys, *arguments, status=0):
    assert cli.main(["passages", *arguments]) == status
    out, err = capsys.readouterr()
    return err if status else out


def test_some_are_shown_with_all_that_names_them(project, capsys):
    out = said(capsys, "harbour-1", "--number", "2")
    assert '"The Harbour of Varn" by Mira Oldan  (harbour-1)' in out
    assert "entigraph: 10 passages (5 triplet, 5 pair), 2 shown" in out and "raw: 1 passages (1 triplet), 1 shown" in out
    assert "harbour-1/entigraph/0\n  triplet · llm · 54 words · kept out of arm-a\n    0. The lighthouse keeper" in out
    assert "harbour-1/entigraph/5" in out and "harbour-1/entigraph/1" not in out
    assert max(map(len, out.splitlines())) <= 120 and "\x1b" not in out


def test_what_was_dropped_and_what_was_rejected_is_named(project, capsys):
    out = said(capsys, "harbour-1")
    assert "entigraph: 1 dropped: asked for, and not there" in out and "the model refused" in out
    assert "1 times rejected" in out and "question q7" in out and "clock-2" not in out
    assert "None of them is rejected" in said(capsys, "harbour-1", "--strategy", "raw")


def test_as_data_it_is_the_passages_themselves(project, capsys):
    (one,) = json.loads(said(capsys, "harbour-1", "--strategy", "entigraph", "--number", "99", "--json"))["strategies"]
    written = Passages.read(project / "passages" / "entigraph" / "harbour-1.json").passages
    assert [(passage["id"], passage["text"]) for passage in one["shown"]] == [(passage.id, passage.text) for passage in written]


@pytest.mark.parametrize("arguments, message", [
    (["harbor-1"], "harbor-1: no such document: did you mean harbour-1?"),
    (["zzz"], "the ids are the names of the files in results/documents"),
    (["clock-2"], "clock-2: nothing is written about it yet"),
    (["harbour-1", "--strategy", "spa"], "no passages of spa about harbour-1; there are those of entigraph, raw"),
    (["harbour-1", "--number", "0"], "--number: 0"),
])  # fmt: skip
def test_what_is_not_there_is_named_with_what_is(project, capsys, arguments, message):
    assert message in said(capsys, *arguments, status=2)
