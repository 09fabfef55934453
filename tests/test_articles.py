"""The source is read anew where anything that documents are made from has changed, and only there."""

import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from closedbook import layout, params, sources
from closedbook.sources import folder
from closedbook.util.errors import UserError
from closedbook.workflow import jobs, plan, receipts, upkeep
from closedbook.workflow.snakemake import Run

ROOT = Path(__file__).parent.parent


@pytest.fixture
def readings(tmp_path, monkeypatch):
    """A project of two texts; gives how often its source was read."""
    monkeypatch.chdir(tmp_path)
    for name in ("evals", "src"):
        Path(name).symlink_to(ROOT / name)
    sections = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    sections |= {"documents": {"source": "folder", "path": "texts", "limit": None}, "llm": {**sections["llm"], "model": None},
                 "arms": {"raw": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1}}}  # fmt: skip
    Path("texts").mkdir()
    for name in ("mill", "lamp"):
        Path(f"texts/{name}.txt").write_text(f"The {name} of Varn.")
    save(sections)
    done, read = [], sources.articles
    monkeypatch.setattr(sources, "articles", lambda *given: done.append(1) or read(*given))
    plan.make()
    return done


def save(sections):
    YAML(typ="safe", pure=True).dump(sections, Path("params.yaml"))


def edit(path, text):
    Path(path).write_text(text)


def test_nothing_is_read_twice(readings):
    before = plan.make(write=False)
    assert len(readings) == 1 and plan.make().written == before.written and set(before.documents.values()) == {None}


@pytest.mark.parametrize("change", [
    lambda: edit("texts/mill.txt", "The mill of Orla."),
    lambda: edit("texts/clock.txt", "The clock of Varn."),
    lambda: Path("texts/mill.txt").unlink(),
    lambda: edit(next(layout.SOURCES.glob("mill*")), "{}"),
    lambda: next(layout.SOURCES.glob("mill*")).write_bytes(b"\xff"),
    lambda: next(layout.SOURCES.glob("mill*")).unlink(),
    lambda: save({**YAML(typ="safe", pure=True).load(Path("params.yaml")), "documents": {"source": "folder", "path": "texts", "limit": 1}}),
], ids=["a text", "a new file", "a file less", "an edited article", "a broken article", "a lost article", "a parameter"])  # fmt: skip
def test_what_changed_is_read(readings, change):
    change()
    found = plan.make(write=False)
    assert len(readings) == 2
    assert found.written == plan.make(write=False, anew=True).written


def test_an_audit_believes_nothing(readings):
    plan.make(write=False, anew=True)
    assert len(readings) == 2


def test_a_text_that_may_not_be_read_is_named_by_its_source(readings, monkeypatch):
    def refuse(hashes, path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(receipts.Hashes, "sha256", refuse)
    assert plan.read_articles(params.load(), anew=False).documents, "it is the source that reads it, and says what is wrong with it"
    monkeypatch.setattr(folder, "read_text", lambda path: refuse(None, path))
    with pytest.raises(UserError, match="texts/.*Permission denied"):
        plan.read_articles(params.load(), anew=False)


def test_a_file_whose_name_is_no_text_is_named(readings):
    edit(Path(os.fsdecode(b"texts/m\xffll.txt")), "The mill of Varn.")
    with pytest.raises(UserError, match="UTF-8"):
        plan.make()


def test_documents_are_shared_out_among_processes_and_one_that_fails_leaves_the_others(readings):
    names = [job.name for job in plan.make().jobs.values() if job.place == "documents"]
    broken = layout.source(names[0].partition("/")[2])
    whole = broken.read_text()
    edit(broken, "{")
    with pytest.raises(UserError, match=broken.name):
        jobs.run(names, processes=2)
    assert [Path(f"results/{name}.json").is_file() for name in names] == [False, True]
    edit(broken, whole)
    jobs.run(names, processes=2)
    assert Path(f"results/{names[0]}.json").is_file()


def test_another_machine_goes_on_with_the_plan_that_the_run_began_with(readings):
    begun = Run((), None, 2, True)
    begun.begin("test")
    edit("texts/lamp.txt", "Another text.")
    edit("params.yaml", "{")
    other = Run((), None, 2, False)
    assert len(readings) == 1 and other.plan.params == begun.plan.params and other.plan.jobs == begun.plan.jobs
    assert (other.plan.recipes, other.shards, other.due) == (begun.plan.recipes, begun.shards, begun.due)
    assert other.inputs("runs/raw-s1") == begun.inputs("runs/raw-s1") and other.outputs("documents-0") == begun.outputs("documents-0")


def test_snakemake_knows_one_file_of_a_shard_and_those_that_are_asked_for_by_name(readings):
    documents = list(plan.make().documents)
    run = Run((), None, 1, True)
    assert run.outputs("documents-0") == run.inputs(f"entities/{documents[1]}") == [f"results/receipts/documents/{documents[0]}.json"]
    jobs.run([f"documents/{documents[0]}"])
    asked = str(layout.document(documents[1]))
    run = Run([asked], None, 1, True)
    assert run.outputs("documents-0") == [f"results/receipts/documents/{documents[1]}.json", asked]
    jobs.run([f"documents/{documents[1]}"])
    run = Run([asked, "entities"], None, 1, True)
    assert (run.outputs("documents-0"), run.inputs(f"entities/{documents[1]}")) == ([asked], []), "of what is fresh only what is named"
    assert run.results("documents") == [f"results/receipts/documents/{documents[0]}.json"], "or one file where a stage is asked for"


def test_a_plan_that_is_older_than_another_run_is_refused(readings):
    run = Run((), None, 1, True)
    upkeep.hold("another run").close()
    with pytest.raises(UserError, match="this one's plan is out of date: run the same command again"):
        run.begin("test")
    Run((), None, 1, True).begin("test")


@pytest.mark.parametrize("shards", ["x", 0, -1, 1.5, True])
def test_a_number_of_shards_that_is_none_is_named_with_its_place(shards):
    with pytest.raises(UserError, match=f"shards: {shards}: give a whole number from 1, in profiles/default"):
        Run((), None, shards, True)


def test_a_run_whose_results_are_not_recorded_fails(monkeypatch):
    run = object.__new__(Run)
    run._lock = None
    monkeypatch.setattr(upkeep, "under", lambda lock, command: 1)
    with pytest.raises(UserError, match="not recorded in dvc.lock"):
        run.commit()
