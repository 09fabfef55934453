"""Passages that exist already: each keeps its row, source and licence, and a row that can't be used is refused before anything runs."""

import asyncio
from pathlib import Path

import pyarrow
import pytest
import toys
from pyarrow import parquet

from closedbook import params
from closedbook.generation.strategies import imported
from closedbook.records import Passages
from closedbook.stages import passages
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import plan, recipes, registry

COLUMNS = {"text": "content", "document": "about", "source": "from", "license": "terms"}
ROWS = [{"content": "Mira Oldan kept the lamp of Varn.", "about": "varn-1", "from": "a study", "terms": "CC-BY-4.0"},
        {"content": "The clock of Kell has no hands.", "about": "The Clock", "from": None, "terms": None},
        {"content": "Varn lies in the north.", "about": "Varn", "from": "a study", "terms": None},
        {"content": "Mira Oldan kept the lamp of Varn.", "about": "varn-1", "from": "another", "terms": None}]  # fmt: skip
TITLES = {"varn-1": "Varn", "clock-1": "The Clock"}


def settings(path, **columns):
    return params.typed({"passages": {"imported": {"path": str(path), **COLUMNS, **columns}}, "strategy": "imported", "seed": 1})


def written(path, suffix=".jsonl", rows=ROWS):
    place = path / f"rows{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), place)
    else:
        files.write_json_lines(place, rows)
    return place


def build(tmp_path, place, identity="varn-1"):
    document = toys.document(tmp_path, identity, TITLES[identity], None, "Mira Oldan lives in Varn.")
    asyncio.run(passages.job(document=document, entities=[], output=tmp_path / "out.json", params=settings(place), limits=None, rows=[place]))
    return Passages.read(tmp_path / "out.json")


@pytest.mark.parametrize("suffix, third", [(".jsonl", "rows.jsonl:3"), (".parquet", "rows.parquet: row 2")])
def test_a_document_gets_the_rows_that_name_it_by_id_or_title_each_with_its_origin(tmp_path, suffix, third):
    made = build(tmp_path, written(tmp_path, suffix)).passages
    assert [one.text for one in made] == [ROWS[0]["content"], ROWS[2]["content"], ROWS[3]["content"]]
    assert {(one.writer, one.kind, one.call) for one in made} == {("imported", "imported", None)} and len({one.id for one in made}) == 3
    assert made[1].origin["place"].endswith(third) and made[1].origin["source"] == "a study" and made[0].origin["license"] == "CC-BY-4.0"
    (other,) = build(tmp_path, written(tmp_path, suffix), "clock-1").passages
    assert other.text == ROWS[1]["content"] and other.origin["source"] is None


def test_a_passage_keeps_its_id_where_rows_move(tmp_path):
    before = build(tmp_path, written(tmp_path)).passages
    after = build(tmp_path, written(tmp_path, rows=[*reversed(ROWS), {"content": "More.", "about": "varn-1"}])).passages
    assert {one.id for one in before} < {one.id for one in after}


@pytest.mark.parametrize("row, problem", [
    ({"about": "Varn"}, "rows.jsonl:2: content: must be a text that is not empty, but is missing"),
    ({"content": " ", "about": "Varn"}, "rows.jsonl:2: content: must be a text that is not empty"),
    ({"content": "x"}, "rows.jsonl:2: about: must be a text"),
    ({"content": "x", "about": "Vern"}, "rows.jsonl:2: about: 'Vern' is neither the id nor the title of a document: did you mean Varn"),
    ({"content": "x", "about": "Varn", "terms": 4}, "rows.jsonl:2: terms: must be a text"),
    (["x"], "rows.jsonl:2: no row"),
])  # fmt: skip
def test_a_row_that_can_not_be_used_is_named_with_its_line(tmp_path, row, problem):
    with pytest.raises(UserError, match=problem):
        imported.check(settings(written(tmp_path, rows=[ROWS[0], row])).passages, TITLES)
    imported.check(settings(written(tmp_path)).passages, TITLES)


def test_a_title_of_two_documents_names_neither(tmp_path):
    with pytest.raises(UserError, match="rows.jsonl:3: about: 2 documents are called 'Varn': name one by its id"):
        imported.check(settings(written(tmp_path)).passages, TITLES | {"varn-2": "Varn"})


def chosen(path):
    shipped = params.load(Path(__file__).parent.parent / "params.yaml")
    arm = params.Arm(strategy="imported", corpus_tokens="all", epochs=1)
    kept = shipped.passages.imported.model_copy(update={"path": path and str(path), **COLUMNS})
    return shipped.model_copy(update={"arms": {"mine": arm}, "passages": shipped.passages.model_copy(update={"imported": kept})})


def test_planning_looks_at_rows_once_for_each_state_and_names_what_is_missing(tmp_path, monkeypatch):
    place = written(tmp_path)
    monkeypatch.chdir(tmp_path)
    texts = {Path(name): files.canonical({"id": name, "title": title}) for name, title in TITLES.items()}
    articles, looked = plan.Articles(dict.fromkeys(TITLES), texts, ""), []
    monkeypatch.setattr(imported, "check", lambda *given: looked.append(given))
    for _ in range(2):
        plan._check_imported(chosen(place), articles)
    assert len(looked) == 1
    written(tmp_path, rows=ROWS[:2])
    plan._check_imported(chosen(place), articles)
    assert len(looked) == 2
    for path, problem in ((None, "null"), (tmp_path / "none.jsonl", "no such file")):
        with pytest.raises(UserError, match=f"passages.imported.path: .*{problem}.*an arm has the strategy imported"):
            plan._check_imported(chosen(path), articles)


def test_the_file_of_rows_is_read_by_the_jobs_and_asks_no_model(tmp_path):
    planned = recipes.passages(chosen(written(tmp_path)), {"varn-1": None})["passages/imported"]
    files_ = registry.job("passages/imported/varn-1", planned).files
    assert files_.inputs["rows"] == [tmp_path / "rows.jsonl"] and "llm" not in planned["params"] and not planned["prompts"]
    assert recipes.judged_strategies(chosen(None).model_copy(update={"judge": params.load().judge.model_copy(update={"model": "openai/x"})})) == ["imported"]
