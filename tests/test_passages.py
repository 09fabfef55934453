import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from openai_server import Server

from closedbook import params
from closedbook.records import Document, EntityList, Passages
from closedbook.stages import passages
from closedbook.util.errors import UserError

DOCUMENT = Document(id="varn-1", title="Varn", author="Ann Lee", year=1950, text="Mira Oldan lives in Varn. The Council met Mira Oldan in Kell.\n\nKell is far.")
ENTITIES = EntityList(document="varn-1", summary="All about Varn.", entities=["Mira Oldan", "Varn", "Kell", "Nobody Known"], made_by="llm", why=None,
                      maker="m", call={"key": "k", "model_answered": "toy-0001"})
SETTINGS = {
    "rephrase": {"styles": ["easy", "hard"], "samples": 2},
    "entigraph": {"order": "seeded", "singles": 0, "pairs": "all", "triplets": 0, "summary": True},
    "summaries": {"kinds": ["notes", "concepts", "facts"], "samples": 2},
    "spa": {"samples": 1},
    "qa": {"kinds": ["recall", "reasons"], "samples": 2},
    "identifiers": {"samples": 3},
    "active_reading": {"proposals": 2, "ways": 3, "samples": 2},
    "focal": {"proposals": 1, "questions": 2, "samples": 1},
}


def build(tmp_path, monkeypatch, strategy, url=None, document=DOCUMENT, entities=ENTITIES, sections=None, **settings):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    model = {"model": "openai/toy", "api_base": url, "temperature": 0.5, "max_tokens": 100, "sections": sections} if url else {"model": None}
    held = {} if strategy == "raw" else {strategy: {**SETTINGS[strategy], **settings}}
    recipe = params.typed({"seed": 1, "strategy": strategy, "llm": model, "passages": {"attempts": 2, **held}})
    document.write(tmp_path / "document.json")
    entities.write(tmp_path / "entities.json")
    given = [tmp_path / "entities.json"] if strategy == "entigraph" else []
    asyncio.run(passages.job(document=tmp_path / "document.json", entities=given, output=tmp_path / "out.json", params=recipe,
                             limits=params.load().limits))
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


@pytest.mark.parametrize("strategy, number", [("rephrase", 4), ("entigraph", 7), ("summaries", 6), ("spa", 7), ("qa", 4), ("identifiers", 3)])
def test_a_model_writes_them_and_each_carries_its_call(tmp_path, monkeypatch, strategy, number):
    with Server({1: "empty"}) as server:
        made = build(tmp_path, monkeypatch, strategy, server.url)
        assert len(made.passages) == number and not made.dropped
        assert len({passage.id for passage in made.passages}) == len({passage.text for passage in made.passages}) == number
        written = [passage for passage in made.passages if passage.kind != "summary"]
        assert all(passage.call["response_sha256"] and passage.call["prompt"] == passage.kind for passage in written)
        asked = server.received
        assert build(tmp_path, monkeypatch, strategy, server.url) == made and server.received == asked


def test_what_a_server_wrote_without_a_setting_that_it_refuses_is_the_same_with_the_server_away(tmp_path, monkeypatch):
    with Server() as server:
        server.refuses = {"seed": (422, {"detail": "Unexpected fields in the request: {'seed'}"}),
                          "temperature": (400, {"error": {"message": "temperature is not supported", "param": "temperature"}})}
        build(tmp_path, monkeypatch, "entigraph", server.url)
        made, asked = (tmp_path / "out.json").read_bytes(), server.received
        assert server.repeated() == 0
    (tmp_path / "out.json").unlink()
    build(tmp_path, monkeypatch, "entigraph", server.url)
    assert (tmp_path / "out.json").read_bytes() == made and server.received == asked


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


def test_without_a_model_summaries_are_sentences_of_the_document_and_say_so(tmp_path, monkeypatch):
    made = build(tmp_path, monkeypatch, "summaries", kinds=["notes", "facts"])
    assert {(passage.kind, passage.writer) for passage in made.passages} == {("notes", "extractive"), ("facts", "extractive")}
    for passage in made.passages:
        opening, *told = passage.text.split("\n")
        assert '"Varn" by Ann Lee, 1950' in opening and told and all(line in " ".join(DOCUMENT.text.split()) for line in told)


def test_active_reading_applies_each_way_that_the_model_proposed_by_itself(tmp_path, monkeypatch):
    with Server() as server:
        made = build(tmp_path, monkeypatch, "active_reading", server.url)
        assert server.received == 2 + 3 * 2 and server.repeated() == 0, "both proposals are alike, and each of their ways is applied twice"
        assert [one.kind for one in made.proposals] == ["ways"] * 2 and not made.dropped
        assert Counter(one.way for one in made.passages) == {f'Way {number} to study "Varn", sentence by sentence.': 2 for number in (1, 2, 3)}
        assert {one.kind for one in made.passages} == {"apply"} and len({one.id for one in made.passages}) == 6
        assert [one["way"] in request["messages"][1]["content"] for one, request in zip(map(vars, made.passages), server.requests[2:])]
        again = build(tmp_path, monkeypatch, "active_reading", server.url)
        assert again == made and server.received == 8
        more = build(tmp_path, monkeypatch, "active_reading", server.url, ways=5)
        assert [one for one in more.passages if one in made.passages] == made.passages and server.received == 12


def test_focal_rewrites_with_each_question_in_view_and_asks_for_nothing_twice(tmp_path, monkeypatch):
    with Server() as server:
        made = build(tmp_path, monkeypatch, "focal", server.url)
        assert server.received == 1 + 2 + 2 * 2 and server.repeated() == 0 and not made.dropped
        assert [one.kind for one in made.proposals] == ["ways", "recall", "reasons"]
        assert [one.question for one in made.passages] == [f'What is {kind} {number} of "Varn"?' for kind in ("recall", "reasons") for number in (1, 2)]
        prompts = [request["messages"][1]["content"] for request in server.requests[3:]]  # in whichever order they came
        assert all(one.way and sum(one.question in prompt and one.way in prompt for prompt in prompts) == 1 for one in made.passages)
        assert '"question": null' not in (tmp_path / "out.json").read_text(), "a field that says nothing is no new byte"
        assert build(tmp_path, monkeypatch, "focal", server.url) == made and server.received == 7
        more = build(tmp_path, monkeypatch, "focal", server.url, questions=3)
        assert {one.id for one in made.passages} < {one.id for one in more.passages} and server.received == 9


def test_facts_are_stated_again_in_other_words_as_often_as_asked(tmp_path, monkeypatch):
    with Server() as server:
        made = build(tmp_path, monkeypatch, "summaries", server.url, kinds=["facts"], samples=2, paraphrases=2)
    assert Counter(one.kind for one in made.passages) == {"facts": 2, "restated": 4} and len({one.text for one in made.passages}) == 6


def test_a_proposal_that_is_no_list_is_asked_for_again_and_then_dropped(tmp_path, monkeypatch):
    with Server({0: "not_json", 1: "not_json"}) as server:
        made = build(tmp_path, monkeypatch, "active_reading", server.url, proposals=1)
        assert server.received == 2 and not made.passages and not made.proposals
        assert [(one["kind"], one["reason"].count("not of the form that the prompt ways asks for")) for one in made.dropped] == [("ways", 2)]


def test_active_reading_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    with Server({4: "401"}) as server:
        with pytest.raises(UserError):
            build(tmp_path, monkeypatch, "active_reading", server.url)
        made = build(tmp_path, monkeypatch, "active_reading", server.url)
        assert server.received == 8 + 1 and len(made.passages) == 6


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


def test_the_ways_proposed_for_a_section_are_applied_to_that_section(tmp_path, monkeypatch):
    with Server() as server:
        made = build(tmp_path, monkeypatch, "active_reading", server.url, LONG, sections=100, proposals=1, samples=1)
    assert Counter(one.section for one in made.passages) == {"1 of 2": 3, "2 of 2": 3} and len(made.proposals) == 2
    asked = [request["messages"][1]["content"] for request in server.requests[2:]]
    assert [sum(f"part {section}" in prompt for prompt in asked) for section in ("1 of 2", "2 of 2")] == [3, 3]
