"""A document by its id, a path or its title, and a run by its own name or its arm's: one resolver, which every command uses."""

import json
from types import SimpleNamespace

import pytest
import toy_project
import toys

from closedbook import cli, layout, params
from closedbook.lineage import trace
from closedbook.serve.speakers import Speakers
from closedbook.sources import folder
from closedbook.spending import again
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import named

LAMP, CLOCK, TOWER = folder.identifier("a/The Lamp.txt"), folder.identifier("clock.md"), "tower-0000000c"
PARAMS = params.load()


@pytest.fixture
def documents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for identity, title in ((LAMP, "The  Lamp of Oldan"), (CLOCK, "The Clock"), (TOWER, "The Clock Tower")):
        toys.document(layout.RESULTS, identity, title)


@pytest.mark.parametrize("name, wanted", [
    (LAMP, LAMP), (f"results/documents/{LAMP}.json", LAMP), (f"/elsewhere/results/tokens/raw/{LAMP}.npy", LAMP),
    ("data/documents/a/The Lamp.txt", LAMP), ("../a/The Lamp.txt", LAMP), ("clock.md", CLOCK), ("/home/me/clock.md", CLOCK),
    ("the lamp of  OLDAN", LAMP), ("lamp", LAMP), ("The Clock", CLOCK), ("clock tower", TOWER),
])  # fmt: skip
def test_a_document_has_many_names_and_one_id(documents, name, wanted):
    assert named.document(name) == wanted


def test_names_that_several_titles_fit_are_refused_with_all_of_them(documents):
    with pytest.raises(UserError, match="clock: 2 documents have this in their title") as error:
        named.document("clock")
    assert all(identity in str(error.value) for identity in (CLOCK, TOWER)) and LAMP not in str(error.value)
    toys.document(layout.RESULTS, "other-0000000d", "THE CLOCK")
    with pytest.raises(UserError, match="The Clock: 2 documents .*(?s:.)*other-0000000d  THE CLOCK"):
        named.document("The Clock")
    for number in range(20):
        toys.document(layout.RESULTS, f"more-{number}", "One of many")
    with pytest.raises(UserError, match="many: 20 documents .*(?s:.)*and 12 more$"):
        named.document("many")


@pytest.mark.parametrize("name, near", [("The Clok", "did you mean The Clock?"), (TOWER[:-1], TOWER), ("", "the ids are"), ("lamps.txt", "no such document"), ("/", "no such")])
def test_an_unknown_document_is_told_the_nearest(documents, name, near):
    with pytest.raises(UserError, match="no such document") as error:
        named.document(name)
    assert near in str(error.value)


def test_only_what_is_asked_for_is_found_and_a_receipt_is_enough(documents):
    with pytest.raises(UserError, match="no such document"):
        named.document("The Clock", [LAMP])
    files.write_json(layout.RECEIPTS / "documents/gone-0000000e.json", {})
    assert named.document("gone-0000000e") == "gone-0000000e"


def test_a_run_is_named_by_itself_or_by_its_arm():
    known = ["base", "raw-s1", "qa-s1", "qa-s2"]
    assert named.run("raw", known) == named.run("raw-s1", known) == "raw-s1" and named.run("base", known) == "base"
    assert named.runs("qa", known) == ["qa-s1", "qa-s2"] and named.runs("qa-s2", known) == ["qa-s2"]
    with pytest.raises(UserError, match="qa: has several runs: name one of qa-s1, qa-s2"):
        named.run("qa", known)
    for name, near in (("row", "did you mean raw"), ("qa-s3", "did you mean qa-s"), ("", "there are base, raw-s1")):
        with pytest.raises(UserError, match=f"no such arm or run here: {near}"):
            named.run(name, known)
    with pytest.raises(UserError, match="nothing is trained yet"):
        named.run("raw", [])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return toy_project.make(tmp_path_factory.mktemp("made") / "project")


def answer(capsys, *arguments, status=0):
    assert cli.main([*arguments, *(["--json"] if status == 0 else [])]) == status
    said = capsys.readouterr()
    return json.loads(said.out) if status == 0 else said.err


def test_every_command_takes_them(made, monkeypatch, capsys):
    monkeypatch.chdir(made / "results")
    for name in (toy_project.OTHER, f"results/documents/{toy_project.OTHER}.json", "the clock"):
        assert answer(capsys, "passages", name, "--number", "1")["document"] == toy_project.OTHER
        assert answer(capsys, "trace", name)["file"] == f"results/documents/{toy_project.OTHER}.json"
    monkeypatch.chdir(made)
    for name in ("raw", "raw-s1"):
        assert trace._named(name) == layout.score("raw-s1") and Speakers([]).here(name).name == "raw-s1"
    assert "neither a file under results/ nor a passage's id, a run or a document; did you mean raw" in answer(capsys, "trace", "rwa", status=2)


def test_of_a_plan_they_are_asked_again_by_title(documents):
    plan = SimpleNamespace(documents={CLOCK: None}, params=PARAMS)
    assert again.reopen(plan, ["the clock", CLOCK]) == ["nothing fell back and nothing was dropped"]
    with pytest.raises(UserError, match="no such document"):
        again.reopen(plan, ["lamp"])
