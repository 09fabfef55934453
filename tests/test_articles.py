"""The source is read anew where anything that documents are made from has changed, and only there."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from closedbook import sources
from closedbook.workflow import articles, plan

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
    lambda: edit(next(articles.FOLDER.glob("mill*")), "{}"),
    lambda: next(articles.FOLDER.glob("mill*")).unlink(),
    lambda: save({**YAML(typ="safe", pure=True).load(Path("params.yaml")), "documents": {"source": "folder", "path": "texts", "limit": 1}}),
], ids=["a text", "a new file", "a file less", "an edited article", "a lost article", "a parameter"])  # fmt: skip
def test_what_changed_is_read(readings, change):
    change()
    found = plan.make(write=False)
    assert len(readings) == 2
    assert found.written == plan.make(write=False, anew=True).written


def test_an_audit_believes_nothing(readings):
    plan.make(write=False, anew=True)
    assert len(readings) == 2
