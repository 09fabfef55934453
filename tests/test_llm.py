"""The client, against a loopback server that misbehaves in every way that providers do."""

import asyncio
import json
import os
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from openai_server import Server

from closedbook import llm, params
from closedbook.llm import answers, errors, flight, prompts, requests
from closedbook.llm import ledger as ledgers
from closedbook.llm.ledger import Ledger
from closedbook.records import Document
from closedbook.stages.entities import Answer, parse
from closedbook.util import files
from closedbook.util.errors import UserError

DOCUMENT = Document(id="varn-1", title="Varn", author=None, year=None, text="Mira Oldan lives in Varn. The Council of Varn met Mira.")


def settings(url, **changes):
    return params.Llm(**{"model": "openai/toy", "api_base": url, "temperature": 0.5, "max_tokens": 100, "sections": None, **changes})


def limits(**changes):
    base = {"max_calls": 1000, "max_usd": None, "max_tokens": None, "concurrency": 4, "timeout": 5, "retries": 2, "deadline": 60,
            "requests_per_minute": None, "tokens_per_minute": None, "batch": False,
            "input_usd_per_million": None, "cached_input_usd_per_million": None, "output_usd_per_million": None}  # fmt: skip
    return params.Limits(**{**base, **changes})


def ask(url, folder, prompt="entities", check=parse, attempts=2, document=DOCUMENT, seed=1, llm_changes=None, limit_changes=None, **options):
    if prompt == "entities":
        options = {"max": 5, "schema": Answer, **options}
    with Ledger("test", document.id, folder) as ledger:
        client = llm.Client(llm=settings(url, **(llm_changes or {})), limits=limits(**(limit_changes or {})), ledger=ledger,
                            document=document, seed=seed)
        return asyncio.run(client.ask(prompt, attempts=attempts, check=check, **options))


@pytest.mark.parametrize("trouble, requests", [("none", 1), ("fenced", 1), ("429", 2), ("500", 2), ("broken", 2), ("503", 2),
                                               ("no_choices", 2), ("no_usage", 1), ("not_json", 2),
                                               ("empty", 2), ("refusal", 2), ("cut", 2), ("blank", 2), ("no_schema", 2)])
def test_every_trouble_that_may_pass_ends_in_a_good_answer_asked_once(tmp_path, trouble, requests):
    with Server({0: trouble}) as server:
        answer, call = ask(server.url, tmp_path)
        assert answer.entities == ["Mira", "Oldan", "Varn", "Council"]
        assert server.received == requests and max(server.answered.values()) == 1
        assert ask(server.url, tmp_path) == (answer, call), "the ledger answers the second time"
        assert server.received == requests
        assert "response_format" in server.requests[0] and ("response_format" in server.requests[-1]) is (trouble != "no_schema")
    assert call.model == "openai/toy" and call.model_answered == "toy-0001" and call.usage == ({} if trouble == "no_usage" else {"prompt_tokens": 100, "completion_tokens": 20})


def no_pauses(monkeypatch) -> list[float]:
    """Nothing is waited for; the seconds that would have been."""
    waited = []

    async def pause(_, seconds):
        waited.append(seconds)

    monkeypatch.setattr(flight.Stop, "pause", pause)
    return waited


def test_a_server_that_asks_to_wait_is_waited_for_and_many_do_not_come_back_as_one(tmp_path, monkeypatch):
    waited = no_pauses(monkeypatch)
    for nanoseconds in (0, 999):
        monkeypatch.setattr(errors.time, "monotonic_ns", lambda now=nanoseconds: now)
        with Server({0: "429"}) as server:
            ask(server.url, tmp_path / str(nanoseconds))
    assert 1.0 <= waited[0] < waited[1] < 1.3


def test_a_server_that_asks_to_wait_beyond_the_deadline_is_not_asked_before(tmp_path):
    with Server({0: "later"}) as server:
        with pytest.raises(UserError, match="no answer from .* after 1 tries"):
            ask(server.url, tmp_path)
        assert server.received == 1


@pytest.mark.parametrize("trouble, words", [("401", "OPENAI_API_KEY"), ("403", "OPENAI_API_KEY"), ("404", "llm.model"), ("quota", "quota"),
                                            ("credit", "quota")])  # fmt: skip
def test_trouble_that_stays_stops_the_run_at_once_and_is_asked_again_when_mended(tmp_path, trouble, words):
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
    assert "canary" not in str(caught.value) and caught.value.__context__ is None


def test_no_server_there_stops_the_run_and_names_the_setting(tmp_path, monkeypatch):
    no_pauses(monkeypatch)
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


def changed(**fields):
    return {"document": replace(DOCUMENT, **fields)}


class Other(Answer):
    """Another schema."""

    number: int = 0


DECIDES = {
    "model": {"llm_changes": {"model": "openai/toy2"}}, "temperature": {"llm_changes": {"temperature": 0.6}},
    "max_tokens": {"llm_changes": {"max_tokens": 99}}, "api_base": None, "seed": {"seed": 2},
    "sample": {"sample": 1}, "prompt": {"prompt": "easy"}, "field": {"first": "the Council"}, "schema": {"schema": Answer},
    "text": changed(text="Another text."), "title": changed(title="Varn again"), "author": changed(author="A. Mor"), "year": changed(year=1956),
}  # fmt: skip
DECIDES_NOTHING = {"max_calls": 999, "max_usd": 9.0, "max_tokens": 99999, "concurrency": 1, "timeout": 9.0, "retries": 1, "deadline": 99.0,
                   "requests_per_minute": 99999, "tokens_per_minute": 10**9, "batch": True,
                   "input_usd_per_million": 1.0, "cached_input_usd_per_million": 0.5, "output_usd_per_million": 2.0}  # fmt: skip
COMMON = {"prompt": "single", "check": str, "first": "Mira"}


@pytest.mark.parametrize("field", DECIDES)
def test_each_field_that_decides_an_answer_makes_another_request(tmp_path, field):
    with Server() as server:
        ask(server.url, tmp_path, **COMMON)
        change = DECIDES[field]
        if field == "api_base":
            change = {"llm_changes": {"api_base": server.url + "/"}}
        ask(server.url, tmp_path, **{**COMMON, **change})
        assert server.received == 2


def test_the_key_covers_all_that_is_sent_or_known_of_who_answers(monkeypatch):
    def key(**changes):
        return llm.asked(settings(None), 1, "single", [{"role": "user", "content": "?"}], **{"sample": 0, "attempt": 0, **changes})["key"]

    first = key()
    assert key(attempt=1) != first and key(schema=Answer) != key(schema=Other) != first
    monkeypatch.setattr(requests, "_provider_version", lambda model: "another author")
    assert key() != first


@pytest.mark.parametrize("field", params.Limits.model_fields)
def test_no_limit_and_no_price_makes_another_request(tmp_path, field):
    prices = {"input_usd_per_million": 1.0, "output_usd_per_million": 1.0}  # one alone is refused
    with Server() as server:
        ask(server.url, tmp_path, **COMMON, limit_changes=prices)
        ask(server.url, tmp_path, **COMMON, limit_changes={**prices, field: DECIDES_NOTHING[field]})
        assert server.received == 1


def lines(folder):
    return [json.loads(line) for line in (folder / "test" / f"{DOCUMENT.id}.jsonl").read_text().splitlines()]


def test_every_try_is_a_line_and_the_key_can_be_proved(tmp_path, monkeypatch):
    no_pauses(monkeypatch)
    with Server({0: "500", 1: "no_choices", 2: "empty"}) as server:
        ask(server.url, tmp_path)
        found = lines(tmp_path)
    assert [(line["outcome"], line["error.type"], line["try"]) for line in found] == [
        ("retried", "server", 1), ("retried", "no_choices", 2), ("quarantined", None, 3), ("answered", None, 1)]  # fmt: skip
    assert found[2]["reason"] == "the answer is empty" and found[0]["key"] == found[2]["key"] != found[3]["key"]
    assert all(line["key"] == files.sha256_text(files.canonical(line["request"])) for line in found)
    last = found[3]
    assert last["gen_ai.response.model"] == "toy-0001" and last["gen_ai.response.finish_reasons"] == ["stop"]
    assert last["gen_ai.usage.input_tokens"] == 100 and last["request"]["gen_ai.provider.name"] == "openai"
    assert last["response_sha256"] == files.sha256_text(last["text"]) and len(server.requests) == 4


@pytest.mark.parametrize("trouble, reason", [("empty", "empty"), ("cut", "cut off"), ("refusal", "refused"), ("filtered", "refused"),
                                             ("not_json", "JSON"), ("filter", "content_filter"), ("echo", "repeats what was sent")])  # fmt: skip
def test_an_answer_of_no_use_is_kept_apart_with_its_reason_and_asked_for_otherwise(tmp_path, trouble, reason):
    with Server({0: trouble}) as server:
        ask(server.url, tmp_path)
        first, second = lines(tmp_path)
        assert reason in first["reason"] and first["outcome"] in ("quarantined", "given up") and second["outcome"] == "answered"
        assert server.received == 2 and server.repeated() == 0 and ask(server.url, tmp_path) and server.received == 2


def test_an_echo_is_a_copy_in_long_runs_and_a_quotation_is_none():
    document = " ".join(f"word{number}" for number in range(400))
    copy = document[:900]
    own = " ".join(f"other{number}" for number in range(100))
    assert answers.echoes(copy.replace(" word9 ", "\n word9 "), (document, "Write."))
    assert not answers.echoes(f"{own} {copy[:300]}", (document,)) and not answers.echoes(own, (document,)) and not answers.echoes("", (document,))


@pytest.mark.parametrize("prompt, trouble, requests", [("notes", "quote", 1), ("facts", "quote", 2), ("notes", "echo", 2)])
def test_notes_may_keep_the_documents_words_and_nothing_may_keep_the_prompts(tmp_path, prompt, trouble, requests):
    document = replace(DOCUMENT, text=" ".join(f"word{number}" for number in range(400)))
    with Server({0: trouble}) as server:
        text, _ = ask(server.url, tmp_path, prompt=prompt, check=str, document=document)
        assert server.received == requests and "===" not in text


def test_a_document_that_the_provider_finds_too_long_is_given_up_at_once_and_may_be_asked_about_again(tmp_path):
    with Server({0: "context"}) as server:
        for _ in range(2):
            with pytest.raises(llm.NotAnswered, match="has 18 tokens.*larger model.*llm.sections"):
                ask(server.url, tmp_path, attempts=3)
            assert server.received == 1
        with Ledger("test", DOCUMENT.id, tmp_path) as ledger:
            ledger.reopen()
        ask(server.url, tmp_path, attempts=3)
        assert server.received == 2 and lines(tmp_path)[-1]["request"]["attempt"] == 3


def test_a_deadline_ends_a_request_with_all_its_tries(tmp_path, monkeypatch):
    waited = no_pauses(monkeypatch)
    with Server(dict.fromkeys(range(9), "429")) as server:
        with pytest.raises(UserError, match="after 1 tries.*limits.deadline"):
            ask(server.url, tmp_path, limit_changes={"deadline": 0.9})  # the server asks to wait a second
        assert server.received == 1 and waited == [] and lines(tmp_path)[0]["outcome"] == "failed"


def test_the_same_thing_asked_twice_at_once_is_sent_once(tmp_path):
    async def twice(client):
        return await asyncio.gather(*(client.ask("single", attempts=1, check=str, first="Mira") for _ in range(3)))

    with Server() as server, Ledger("test", DOCUMENT.id, tmp_path) as ledger:
        client = llm.Client(llm=settings(server.url), limits=limits(), ledger=ledger, document=DOCUMENT, seed=1)
        first, second, third = asyncio.run(twice(client))
        assert first == second == third and server.received == 1


def test_answers_that_come_together_are_flushed_to_disk_together_before_use(tmp_path, monkeypatch):
    flushed, used, all_came = [], [], threading.Event()
    path, sync, append = tmp_path / "test" / f"{DOCUMENT.id}.jsonl", Ledger._sync, Ledger.append

    def slow_sync(ledger, waiting):
        written = path.read_bytes().count(b"\n")
        if not flushed:
            assert all_came.wait(60), "the first flush takes until all answers are there"
        done = sync(ledger, waiting)
        flushed.append(written)
        return done

    def appended(ledger, *record):
        append(ledger, *record)
        if len(ledger._records) == 32:
            all_came.set()

    async def use(client, number):
        await client.ask("single", attempts=1, check=str, first=f"thing {number}")
        used.append(number)
        assert flushed[-1] >= len(used), "used before it was on disk"

    async def many(client):
        await asyncio.gather(*(use(client, number) for number in range(32)))

    monkeypatch.setattr(Ledger, "_sync", slow_sync)
    monkeypatch.setattr(Ledger, "append", appended)
    with Server() as server, Ledger("test", DOCUMENT.id, tmp_path) as ledger:
        client = llm.Client(llm=settings(server.url), limits=limits(concurrency=32), ledger=ledger, document=DOCUMENT, seed=1)
        asyncio.run(many(client))
        monkeypatch.undo()
    assert flushed[1:] == [32], "two flushes for 32 answers"
    assert not [problem for _, _, problem in ledgers.verified(path) if problem]


def test_messages_of_one_s_own_are_asked_and_kept_under_their_name(tmp_path):
    messages = prompts.messages("single", DOCUMENT, first="Mira")
    with Server() as server, Ledger("test", DOCUMENT.id, tmp_path) as ledger:
        client = llm.Client(llm=settings(server.url), limits=limits(), ledger=ledger, document=DOCUMENT, seed=1)
        text, call = asyncio.run(client.converse("reading", messages, attempts=1, check=str))
    assert "Mira" in text and call.prompt == "reading" and call.prompt_sha256 is None
    (line,) = lines(tmp_path)
    assert "[text " in line["messages"][-1]["content"] and DOCUMENT.text not in str(line["messages"])


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


def test_a_ledger_of_the_version_before_answers_what_it_was_asked(tmp_path):
    """`before` was written by version 0.1.0 against a server that is not there any more."""
    shutil.copytree(Path(__file__).parent / "before", tmp_path, dirs_exist_ok=True)
    answer, call = ask("http://127.0.0.1:9/v1", tmp_path)
    assert answer.entities == ["Mira", "Oldan", "Varn", "Council"] and call.model_answered == "toy-0001"
    with pytest.raises(UserError, match="no answer from"):
        ask("http://127.0.0.1:9/v1", tmp_path, seed=2, limit_changes={"retries": 0})
