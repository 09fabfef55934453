import asyncio
import json
from dataclasses import replace

import pytest
from openai_server import Server

from closedbook import llm, params
from closedbook.records import Document
from closedbook.stages import entities
from closedbook.util import files
from closedbook.util.errors import UserError

DOCUMENT = Document(id="varn-1", title="Varn", author=None, year=None, text="Mira Oldan lives in Varn. The Council of Varn met Mira Oldan in Kell.")


@pytest.mark.parametrize("text", [
    '{"summary": "s", "entities": ["Mira  Oldan", "mira oldan", "Varn", ""]}',
    'Sure:\n```json\n{"summary": "s", "entities": ["Mira Oldan", "Varn"], "more": 1}\n```',
])  # fmt: skip
def test_a_list_is_read_from_bare_and_fenced_json_and_cleaned(text):
    assert entities.parse(text).entities == ["Mira Oldan", "Varn"]


@pytest.mark.parametrize("text", ["no", "{", '{"summary": "s"}', '{"summary": "s", "entities": ["one"]}', '{"summary": 1, "entities": ["a", "b"]}',
                                  '{"summary": "s", "entities": "a, b"}', '["a", "b"]'])
def test_anything_else_is_invalid(text):
    with pytest.raises(llm.Invalid):
        entities.parse(text)


def build(tmp_path, monkeypatch, url=None, document=DOCUMENT, sections=None, **changes):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shipped = params.load()
    model = {"model": "openai/toy", "api_base": url, "temperature": 0.5, "max_tokens": 100, "sections": sections} if url else {"model": None}
    settings = params.typed({"seed": 1, "llm": model, "entities": {**shipped.entities.model_dump(), **changes}, "spacy": {"model": "blank"}})
    document.write(tmp_path / "document.json")
    asyncio.run(entities.job(document=tmp_path / "document.json", output=tmp_path / "out.json", params=settings, limits=shipped.limits))
    return files.read_json(tmp_path / "out.json")


def test_without_a_model_spacy_makes_the_list_and_says_why(tmp_path, monkeypatch):
    made = build(tmp_path, monkeypatch)
    assert made["made_by"] == "spacy" and made["why"] == "llm.model is null" and made["call"] is None and "Mira Oldan" in made["entities"]


def test_with_a_model_the_list_carries_its_call_and_no_more_than_asked_for(tmp_path, monkeypatch):
    with Server() as server:
        made = build(tmp_path, monkeypatch, server.url, max=2)
    assert made["made_by"] == "llm" and len(made["entities"]) == 2 and made["call"]["model_answered"] == "toy-0001"


def test_what_stays_invalid_falls_back_for_this_document_or_stops(tmp_path, monkeypatch):
    with Server(dict.fromkeys(range(3), "refusal")) as server:
        with pytest.raises(UserError, match="varn-1.*entities.fallback"):
            build(tmp_path, monkeypatch, server.url, fallback="error")
        assert not (tmp_path / "out.json").exists()
        made = build(tmp_path, monkeypatch, server.url)
        assert made["made_by"] == "spacy" and "refused" in made["why"] and server.received == 3


def test_a_refused_key_is_no_reason_to_fall_back(tmp_path, monkeypatch):
    with Server({0: "401"}) as server, pytest.raises(UserError, match="OPENAI_API_KEY"):
        build(tmp_path, monkeypatch, server.url)
    assert not (tmp_path / "out.json").exists()


def test_the_ledger_holds_the_answer_and_not_the_document(tmp_path, monkeypatch):
    with Server() as server:
        build(tmp_path, monkeypatch, server.url)
    (record,) = [json.loads(line) for line in (tmp_path / "ledger/entities/varn-1.jsonl").read_text().splitlines()]
    assert record["text"] and DOCUMENT.text not in json.dumps(record) and record["gen_ai.usage.output_tokens"] == 20


def test_a_long_document_is_listed_by_sections_and_a_short_one_as_ever(tmp_path, monkeypatch):
    long = replace(DOCUMENT, text="\n\n".join(f"Mira Oldan saw Kell{number}. " + "The Council of Varn met. " * 18 for number in range(3)))
    with Server() as server:
        made = build(tmp_path, monkeypatch, server.url, long, 100, max=3)
        assert [each["section"] for each in made["sections"]] == ["1 of 3", "2 of 3", "3 of 3"] and server.received == 3
        assert made["call"] is None and len({each["call"]["key"] for each in made["sections"]}) == 3
        assert len(made["entities"]) == 3 and made["summary"].count(made["sections"][0]["summary"]) >= 1
        assert build(tmp_path, monkeypatch, server.url, long, 100, max=3) == made and server.received == 3
        whole = build(tmp_path, monkeypatch, server.url)
        assert whole == build(tmp_path, monkeypatch, server.url, sections=100) and server.received == 4 and not whole["sections"]


def test_a_section_without_a_list_falls_back_alone_and_can_be_asked_again(tmp_path, monkeypatch):
    long = replace(DOCUMENT, text="\n\n".join(f"Mira Oldan saw Kell{number}. " + "The Council of Varn met. " * 18 for number in range(2)))
    with Server({1: "refusal", 2: "refusal", 3: "refusal"}) as server:
        made = build(tmp_path, monkeypatch, server.url, long, 100)
    fell_back = [each for each in made["sections"] if each["made_by"] == "spacy"]
    assert made["made_by"] == "llm" and len(fell_back) == 1 and made["why"] == f"part {fell_back[0]['section']}: {fell_back[0]['why']}"
