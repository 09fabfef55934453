import pytest
from openai_server import Server

from closedbook import params, passages
from closedbook.records import Document, EntityList, Passages

DOCUMENT = Document(id="varn-1", title="Varn", author="Ann Lee", year=1950, text="Mira Oldan lives in Varn. The Council met Mira Oldan in Kell.\n\nKell is far.")
ENTITIES = EntityList(document="varn-1", summary="All about Varn.", entities=["Mira Oldan", "Varn", "Kell", "Nobody Known"], made_by="llm", why=None,
                      maker="m", call={"key": "k", "model_answered": "toy-0001"})


def build(tmp_path, monkeypatch, strategy, url=None, **settings):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    model = {"model": "openai/toy", "api_base": url, "temperature": 0.5, "max_tokens": 100, "sections": None} if url else {"model": None}
    held = {"raw": {}, "rephrase": {"rephrase": {"styles": ["easy", "hard"], "samples": 2}},
            "entigraph": {"entigraph": {"singles": 0, "pairs": "all", "triplets": 0, "summary": True}}}[strategy]
    for name in held:
        held[name].update(settings)
    recipe = params.typed({"seed": 1, "llm": model, "passages": {"attempts": 2, **held}})
    DOCUMENT.write(tmp_path / "document.json")
    ENTITIES.write(tmp_path / "entities.json")
    given = [tmp_path / "entities.json"] if strategy == "entigraph" else []
    passages.build(document=tmp_path / "document.json", entities=given, strategy=strategy, output=tmp_path / "out.json", params=recipe,
                   limits=params.load().limits)
    return Passages.read(tmp_path / "out.json")


def test_raw_is_the_document_under_its_byline(tmp_path, monkeypatch):
    (passage,) = build(tmp_path, monkeypatch, "raw").passages
    assert passage.text == f'"Varn" by Ann Lee, 1950.\n\n{DOCUMENT.text}' and passage.writer == "document"


def test_without_a_model_passages_are_extracts_and_what_cannot_be_written_is_counted(tmp_path, monkeypatch):
    made = build(tmp_path, monkeypatch, "entigraph")
    assert {passage.writer for passage in made.passages} == {"llm", "extractive"}, "the summary is the entity step's"
    assert len(made.passages) + len(made.dropped) == 7 and len(made.dropped) >= 3
    assert all("Nobody Known" in each["entities"] or "word for word" in each["reason"] for each in made.dropped)
    assert len({passage.text for passage in made.passages}) == len(made.passages)


@pytest.mark.parametrize("strategy, number", [("rephrase", 4), ("entigraph", 7)])
def test_a_model_writes_them_and_each_carries_its_call(tmp_path, monkeypatch, strategy, number):
    with Server({1: "empty"}) as server:
        made = build(tmp_path, monkeypatch, strategy, server.url)
        assert len(made.passages) == number and not made.dropped
        assert len({passage.id for passage in made.passages}) == len({passage.text for passage in made.passages}) == number
        written = [passage for passage in made.passages if passage.kind != "summary"]
        assert all(passage.call["response_sha256"] and passage.call["prompt"] == passage.kind for passage in written)
        asked = server.received
        assert build(tmp_path, monkeypatch, strategy, server.url) == made and server.received == asked


def test_more_is_a_superset_and_only_the_new_is_asked(tmp_path, monkeypatch):
    with Server() as server:
        few = build(tmp_path, monkeypatch, "entigraph", server.url, pairs=2)
        many = build(tmp_path, monkeypatch, "entigraph", server.url, pairs=5)
        assert server.received == 5
    assert [passage for passage in many.passages if passage in few.passages] == few.passages


def test_what_the_model_will_not_write_is_dropped_with_its_reason(tmp_path, monkeypatch):
    with Server(dict.fromkeys(range(100), "refusal")) as server:
        made = build(tmp_path, monkeypatch, "rephrase", server.url)
        assert server.received == 8
    assert not made.passages and {each["reason"] for each in made.dropped} == {"the model refused; the model refused"}
