"""closedbook export: what it writes, datasets.load_dataset reads back."""

import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import toy_history

from closedbook import params
from closedbook.lineage import export, published
from closedbook.lineage.history import History
from closedbook.records import Document, Passage
from closedbook.util import files
from closedbook.util.errors import UserError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two documents, a passage of each under raw and entigraph; one of entigraph's is rejected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(published, "history", lambda *stages: History.here())
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    toy_history.write()
    toy_history.commit("2026-01-02T03:04:05+00:00", "params.yaml")
    for arm in ("raw", "entigraph"):
        rows = [{"id": f"{name}/{arm}/0", "document": name} for name in "ed"]
        files.write_json_lines(f"results/corpora/{arm}/passages.jsonl", rows if arm == "raw" else rows[:1])
        files.write_json_lines(f"results/corpora/{arm}/rejected.jsonl", [] if arm == "raw" else rows[1:])
        size = params.load().arms[arm].corpus_tokens
        files.write_json(path := Path(f"results/corpora/{arm}/corpus.json"), files.read_json(path) | {"size": size})


def exported(folder="out", arm=None, strategy=None):
    return export.answer(Namespace(folder=Path(folder), arm=arm, strategy=strategy))


def loaded(tmp_path, *config, folder="out"):
    from datasets import load_dataset

    return list(load_dataset(str(Path(folder).resolve()), *config, split="train", cache_dir=str(tmp_path / "cache")))


def test_what_is_written_is_read_back(project, tmp_path):
    assert exported()["passages"] == {"entigraph": 1, "raw": 2}
    rows = loaded(tmp_path)
    assert [row["id"] for row in rows] == ["e/entigraph/0", "d/raw/0", "e/raw/0"], "none that is rejected"
    assert [row["id"] for row in loaded(tmp_path, "raw")] == ["d/raw/0", "e/raw/0"]
    assert rows[0] == {
        "id": "e/entigraph/0", "text": "t 111", "document": "e", "beside": None, "title": toy_history.HOSTILE, "author": "Mira | Oldan", "license": None,
        "source": None,
        "strategy": "entigraph", "kind": "pair", "writer": "llm", "model": "openai/big", "model_answered": "big-0001", "prompt_sha256": None,
        "response_sha256": "1" * 64, "call_key": "k1", "year": 1931, "sample": 0, "entities": [],
    }  # fmt: skip


def test_licences_are_those_of_both_documents_and_of_the_row_that_was_imported():
    both = {name: Document(id=name, title=name, author=None, year=None, text="x", license=terms) for name, terms in (("d", "CC0"), ("e", "MIT"))}
    common = {"strategy": "s", "kind": "k", "entities": [], "sample": 0, "writer": "llm", "text": "t", "call": None, "document": "d"}
    rows = [export.row(Passage(id=str(number), **common, **about), both) for number, about in enumerate([
        {}, {"beside": "e"}, {"beside": "d"}, {"origin": {"license": "BY", "source": "a study"}}, {"origin": {"license": None, "source": None}}])]
    assert [(row["license"], row["source"]) for row in rows] == [("CC0", None), ("CC0; MIT", None), ("CC0", None), ("BY", "a study"), ("CC0", None)]
    assert rows[1]["beside"] == "e"


def test_an_arm_is_what_its_corpus_holds_in_its_order(project, tmp_path):
    assert exported(arm="raw")["passages"] == {"raw": 2}
    assert [row["id"] for row in loaded(tmp_path)] == ["e/raw/0", "d/raw/0"]
    seed = params.load().training.seeds[0]
    assert exported("of-a-run", arm=f"raw-s{seed}")["passages"] == {f"raw-s{seed}": 2}


def test_the_card_is_one_of_the_hub_and_says_what_was_left_out(project):
    from huggingface_hub import DatasetCard

    exported(strategy="entigraph")
    card = DatasetCard.load("out/README.md")
    assert card.data.configs == [{"config_name": "entigraph", "data_files": "data/entigraph.parquet", "default": True}]
    assert "hold a test question" in card.text and "| entigraph | llm.model | openai/big |" in card.text


def test_the_same_passages_give_the_same_bytes(project):
    exported("one"), exported("other")
    written = [{path.relative_to(place): path.read_bytes() for path in Path(place).rglob("*") if path.is_file()} for place in ("one", "other")]
    assert written[0] == written[1] and len(written[0]) == 3


@pytest.mark.parametrize("wanted, message", [
    ({"arm": "entigraf"}, "entigraf: no such arm or run here: did you mean entigraph"), ({"strategy": "spa"}, "--strategy: spa: .*known: entigraph, raw"),
])  # fmt: skip
def test_what_is_not_there_is_named_with_what_is(project, wanted, message):
    with pytest.raises(UserError, match=message):
        exported(**wanted)
    assert not Path("out").exists()


def test_nothing_is_overwritten_and_nothing_empty_is_written(project):
    files.write_text("out/mine.txt", "mine")
    with pytest.raises(UserError, match="out: is there already"):
        exported()
    kept_out = [{"id": f"{name}/entigraph/0"} for name in "de"]
    files.write_json_lines("results/corpora/entigraph/rejected.jsonl", kept_out)
    with pytest.raises(UserError, match="no passages of entigraph to export"):
        exported("new", strategy="entigraph")
