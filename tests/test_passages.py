from dataclasses import replace

import pytest
from openai_server import Server

from closedbook import params, passages
from closedbook.records import Document, EntityList, Passages

DOCUMENT = Document(id="varn-1", title="Varn", author="Ann Lee", year=1950, text="Mira Oldan lives in Varn. The Council met Mira Oldan in Kell.\n\nKell is far.")
ENTITIES = EntityList(document="varn-1", summary="All about Varn.", entities=["Mira Oldan", "Varn", "Kell", "Nobody Known"], made_by="llm", why=None,
                      maker="m", call={"key": "k", "model_answered": "toy-0001"})


def build(tmp_path, monkeypatch, strategy, url=None, document=DOCUMENT, entities=ENTITIES, sections=None, **settings):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    model = {"model": "openai/toy", "api_base": url, "temperature": 0.5, "max_tokens": 100, "sections": sections} if url else {"model": None}
    held = {"raw": {}, "rephrase": {"rephrase": {"styles": ["easy", "hard"], "samples": 2}},
            "entigraph": {"entigraph": {"singles": 0, "pairs": "all", "triplets": 0, "summary": True}}}[strategy]
    for name in held:
        held[name].update(settings)
    recipe = params.typed({"seed": 1, "llm": model, "passages": {"attempts": 2, **held}})
    document.write(tmp_path / "document.json")
    entities.write(tmp_path / "entities.json")
    given = [tmp_path / "entities.json"] if strategy == "entigraph" else []
    passages.build(document=tmp_path / "document.json", entities=given, strategy=strategy, output=tmp_path / "out.json", params=recipe,
                   limits=params.load().limits)
    return Passages.read(tmp_path / "out.json")


def test_raw_is_the_document_under_its_byline(tmp_path, monkeypatch):
    (passage,) = build(tmp_path, monkeypatch, "raw").passages
    assert passage.text == f'"Varn" by Ann Lee, 1950.\n\n{DOCUMENT.text}' and passage.writer == "document"
    assert build(tmp_path, monkeypatch, "raw").references is None


def test_without_a_model_passages_are_extracts_and_what_cannot_be_written_is_counted(tmp_path, monkeypatch):
    made = build(tmp_path, monkeypatch, "entigraph")
    assert {passage.writer for passage in made.passages} == {"llm", "extractive"}, "the summary is the entity step's"
    assert len(made.passages) + len(made.dropped) == 7 and len(made.dropped) >= 3
    assert all("Nobody Known" in each["entities"] or "word for word" in each["reason"] for each in made.dropped)
    assert len({passage.text for passage in made.passages}) == len(made.passages)
    assert made.references["short name"] == {"seen": 0, "resolved": 0, "left": 0} and "pronoun" in made.references


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


LONG = replace(DOCUMENT, text="\n\n".join(f"{who} lives in Varn. " + "It is far. " * 30 for who in ("Mira Oldan", "Cy Poe")))
LISTS = [replace(ENTITIES, section=f"{number} of 2", summary=f"Part {number}.", entities=names, call={"key": str(number), "model_answered": "m"})
         for number, names in ((1, ["Mira Oldan", "Varn"]), (2, ["Cy Poe", "hope"]))]
LIST = replace(ENTITIES, entities=["Mira Oldan", "Varn", "Cy Poe", "hope"], call=None, sections=LISTS)


def test_a_long_document_is_written_about_by_sections_with_the_entities_of_each(tmp_path, monkeypatch):
    with Server() as server:
        made = build(tmp_path, monkeypatch, "entigraph", server.url, LONG, LIST, sections=100)
        assert {(passage.section, *passage.entities) for passage in made.passages if passage.kind == "pair"} == {
            ("1 of 2", "Mira Oldan", "Varn"), ("2 of 2", "Varn", "Cy Poe"), ("2 of 2", "Varn", "hope"), ("2 of 2", "Cy Poe", "hope")}
        assert {(passage.section, passage.text, passage.call["key"]) for passage in made.passages if passage.kind == "summary"} == {
            ("1 of 2", "Part 1.", "1"), ("2 of 2", "Part 2.", "2")}
        prompts = {request["messages"][-1]["content"] for request in server.requests}
        assert len(prompts) == 4 and all(("part 1 of 2" in prompt) != ("part 2 of 2" in prompt) for prompt in prompts)
        assert build(tmp_path, monkeypatch, "entigraph", server.url, LONG, LIST, sections=100) == made and server.received == 4


def test_passages_of_sections_have_ids_of_their_own_and_those_of_a_document_that_fits_stay(tmp_path, monkeypatch):
    with Server() as server:
        made = build(tmp_path, monkeypatch, "rephrase", server.url, LONG, sections=100)
        assert len({passage.id for passage in made.passages}) == 8 and len(made.passages) == 8
        fits, whole = (build(tmp_path, monkeypatch, "rephrase", server.url, sections=sections) for sections in (100, None))
    assert fits == whole and server.received == 12 and {passage.section for passage in fits.passages} == {None}


def test_without_a_model_and_for_the_document_itself_there_are_no_sections(tmp_path, monkeypatch):
    (raw,) = build(tmp_path, monkeypatch, "raw", document=LONG).passages
    assert LONG.text in raw.text and raw.section is None
    assert {passage.section for passage in build(tmp_path, monkeypatch, "rephrase", document=LONG).passages} == {None}
