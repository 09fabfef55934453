"""The client, against a loopback server that misbehaves in every way that providers do."""

import asyncio
import os
import socket

import pytest
from openai_server import Server

from closedbook import files, llm, params
from closedbook.entities import Answer, parse
from closedbook.errors import UserError
from closedbook.ledger import Ledger
from closedbook.records import Document

DOCUMENT = Document(id="varn-1", title="Varn", author=None, year=None, text="Mira Oldan lives in Varn. The Council of Varn met Mira.")


def settings(url, **changes):
    return params.Llm(**{"model": "openai/toy", "api_base": url, "temperature": 0.5, "max_tokens": 100, "sections": None, **changes})


def limits(**changes):
    base = {"concurrency": 4, "timeout": 5, "retries": 2, "input_usd_per_million": None, "output_usd_per_million": None}
    return params.Limits(**{**base, **changes})


def ask(url, folder, prompt="entities", check=parse, attempts=2, document=DOCUMENT, seed=1, llm_changes=None, limit_changes=None, **options):
    if prompt == "entities":
        options = {"max": 5, "schema": Answer, **options}
    with Ledger("test", document.id, folder) as ledger:
        client = llm.Client(llm=settings(url, **(llm_changes or {})), limits=limits(**(limit_changes or {})), ledger=ledger,
                            document=document, seed=seed)
        return asyncio.run(client.ask(prompt, attempts=attempts, check=check, **options))


@pytest.mark.parametrize("trouble, requests", [("none", 1), ("fenced", 1), ("429", 2), ("500", 2), ("broken", 2), ("not_json", 2),
                                               ("empty", 2), ("refusal", 2), ("cut", 2), ("blank", 2), ("no_schema", 2)])
def test_every_trouble_that_may_pass_ends_in_a_good_answer_asked_once(tmp_path, trouble, requests):
    with Server({0: trouble}) as server:
        answer, call = ask(server.url, tmp_path)
        assert answer.entities == ["Mira", "Oldan", "Varn", "Council"]
        assert server.received == requests and max(server.answered.values()) == 1
        assert ask(server.url, tmp_path) == (answer, call), "the ledger answers the second time"
        assert server.received == requests
        assert "response_format" in server.requests[0] and ("response_format" in server.requests[-1]) is (trouble != "no_schema")
    assert call.model == "openai/toy" and call.model_answered == "toy-0001" and call.usage["prompt_tokens"] == 100


def test_a_server_that_asks_to_wait_is_waited_for(tmp_path, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(llm.asyncio, "sleep", sleep)
    with Server({0: "429"}) as server:
        ask(server.url, tmp_path)
    assert waited == [1.0]


@pytest.mark.parametrize("trouble, words", [("401", "OPENAI_API_KEY"), ("404", "llm.model"), ("quota", "quota"), ("credit", "quota"), ("context", "larger context")])
def test_trouble_that_stays_stops_the_run_at_once_and_is_not_recorded(tmp_path, trouble, words):
    with Server({0: trouble}) as server:
        with pytest.raises(UserError, match=words):
            ask(server.url, tmp_path)
        assert server.received == 1
        ask(server.url, tmp_path)
        assert server.received == 2


def test_a_secret_in_a_provider_s_words_does_not_reach_the_error(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    with Server({0: "401"}) as server:
        with pytest.raises(UserError) as caught:
            ask(server.url, tmp_path)
        assert any("canary-0123456789" in key for key in server.keys), "the server saw the key and repeated it"
    assert "canary" not in str(caught.value) and caught.value.__suppress_context__


def test_no_server_there_stops_the_run_and_names_the_setting(tmp_path, monkeypatch):
    async def sleep(seconds):
        pass

    monkeypatch.setattr(llm.asyncio, "sleep", sleep)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(UserError, match="llm.api_base"):
            ask(url, tmp_path, limit_changes={"retries": 1})


def test_a_missing_key_is_named_before_anything_is_asked():
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        llm.check_key(settings(None))
    llm.check_key(settings("http://127.0.0.1:1/v1"))
    os.environ["OPENAI_API_KEY"] = "canary-0123456789"
    try:
        llm.check_key(settings(None))
    finally:
        del os.environ["OPENAI_API_KEY"]


def test_bad_answers_are_asked_again_a_bounded_number_of_times_and_never_the_same_way(tmp_path):
    with Server(dict.fromkeys(range(10), "not_json")) as server:
        for _ in range(2):
            with pytest.raises(llm.NotAnswered, match="JSON"):
                ask(server.url, tmp_path, attempts=3)
        assert server.received == 3 and len(server.answered) == 3
        with Ledger("test", DOCUMENT.id, tmp_path) as ledger:
            ledger.reopen()
        with pytest.raises(llm.NotAnswered):
            ask(server.url, tmp_path, attempts=3)
        assert server.received == 6


OTHER = Document(id="varn-1", title="Varn", author=None, year=None, text="Another text.")


@pytest.mark.parametrize("change", [{"document": OTHER}, {"seed": 2}, {"sample": 1}, {"llm_changes": {"temperature": 0.6}},
                                    {"llm_changes": {"max_tokens": 99}}, {"llm_changes": {"model": "openai/toy2"}}, {"first": "the Council"}])
def test_whatever_decides_an_answer_makes_another_request(tmp_path, change):
    common = {"prompt": "single", "check": str, "first": "Mira"}
    with Server() as server:
        ask(server.url, tmp_path, **common)
        ask(server.url, tmp_path, **common, limit_changes={"concurrency": 1, "timeout": 9})
        assert server.received == 1, "what decides nothing must not"
        ask(server.url, tmp_path, **{**common, **change})
        assert server.received == 2


def test_one_failure_that_stops_the_run_loses_no_answer_in_flight(tmp_path):
    async def many(client):
        return await llm.gather([client.ask("single", attempts=1, check=str, first=f"thing {number}") for number in range(20)], "toy")

    with Server({5: "401"}) as server:
        with Ledger("test", DOCUMENT.id, tmp_path) as ledger, pytest.raises(UserError):
            client = llm.Client(llm=settings(server.url), limits=limits(), ledger=ledger, document=DOCUMENT, seed=1)
            asyncio.run(many(client))
        assert 5 <= sum(server.answered.values()) < 19, "requests not yet sent are not sent"
        with Ledger("test", DOCUMENT.id, tmp_path) as ledger:
            client = llm.Client(llm=settings(server.url), limits=limits(), ledger=ledger, document=DOCUMENT, seed=1)
            assert len(asyncio.run(many(client))) == 20
        assert sum(server.answered.values()) == 20 and max(server.answered.values()) == 1


def test_prices_from_the_parameters_give_a_cost(tmp_path):
    prices = {"input_usd_per_million": 10.0, "output_usd_per_million": 100.0}
    with Server() as server:
        _, call = ask(server.url, tmp_path, limit_changes=prices)
    assert call.cost_usd == pytest.approx(100 * 10e-6 + 20 * 100e-6)


def test_a_full_disk_stops_the_asking(tmp_path, monkeypatch):
    whole = Ledger._write

    def second_fails(ledger, record):
        if ledger._records:
            raise UserError("make room")
        whole(ledger, record)

    monkeypatch.setattr(Ledger, "_write", second_fails)

    async def many(client):
        return await llm.gather([client.ask("single", attempts=1, check=str, first=f"thing {number}") for number in range(20)], "toy")

    with Server() as server, Ledger("test", DOCUMENT.id, tmp_path) as ledger, pytest.raises(UserError, match="make room"):
        client = llm.Client(llm=settings(server.url), limits=limits(concurrency=1), ledger=ledger, document=DOCUMENT, seed=1)
        asyncio.run(many(client))
    assert server.received == 2


def test_half_a_character_costs_no_answer(tmp_path):
    with Server({0: "half"}) as server:
        text, call = ask(server.url, tmp_path, prompt="single", check=str, first="Mira")
        assert (text, call) == ask(server.url, tmp_path, prompt="single", check=str, first="Mira") and server.received == 1
    assert "is ? told" in text and call.response_sha256 == files.sha256_text(text)


def test_an_address_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(UserError, match="OPENAI_BASE_URL.*llm.api_base"):
        llm.check_key(settings(None))
