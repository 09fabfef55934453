"""The account and the limits on it: what providers were ever sent from here never costs more than was allowed."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from openai_server import Server
from test_llm import DOCUMENT, limits, settings

from closedbook import llm
from closedbook.llm import account, answers, flight, library, pace
from closedbook.llm.ledger import Ledger
from closedbook.util import files
from closedbook.util.errors import UserError

pytestmark = pytest.mark.slow

PRICES = {"input_usd_per_million": 1000.0, "output_usd_per_million": 1000.0}
FREE = {"input_usd_per_million": 0.0, "output_usd_per_million": 0.0}


def many(url, folder, number=64, llm_changes=None, step="test", **limit_changes):
    """Ask for so many things at once."""

    async def all_of_them(client):
        asking = [client.ask("single", attempts=1, check=str, first=f"thing {place}") for place in range(number)]
        return await llm.gather(asking, "toy")

    with Ledger(step, DOCUMENT.id, folder) as ledger:
        client = llm.Client(llm=settings(url, **(llm_changes or {})), limits=limits(**{"concurrency": 64, **limit_changes}), ledger=ledger,
                            document=DOCUMENT, seed=1)
        return asyncio.run(all_of_them(client))


def of_several(url, folder, number=64, documents=5, **limit_changes):
    """The same spread over documents in one loop, as a judge, an API model and an embedder ask."""

    async def one(ledger, document):
        client = llm.Client(llm=settings(url), limits=limits(**{"concurrency": 64, **limit_changes}), ledger=ledger,
                            document=replace(DOCUMENT, id=document), seed=1)
        asking = [client.ask("single", attempts=1, check=str, first=f"{document} {place}") for place in range(number // documents)]
        return await llm.gather(asking, document)

    os.environ["DVC_ROOT"] = str(folder.parent)  # below which the ledger is
    return llm.in_segments("test", [f"varn-{place}" for place in range(documents)], one)


def spent(folder, *outcomes):
    found = [row for row in account.rows(folder) if row["outcome"] in outcomes or not outcomes]
    return {name: sum(row[name] for row in found) for name in ("calls", "input_tokens", "output_tokens", "usd", "unpriced")}


def rows(folder):
    """The account's rows; the last bits of a sum depend on the order in which answers came."""
    return [{**row, "usd": round(row["usd"], 9)} for row in account.rows(folder)]


@pytest.mark.parametrize("trouble, changes", [
    ("none", {"max_calls": 10}), ("none", {"max_tokens": 3000}), ("none", {"max_usd": 3.0}), ("no_usage", {"max_usd": 3.0}),
    ("no_usage", {"max_tokens": 3000}), ("no_usage", {"max_calls": 10})])  # fmt: skip
def test_64_in_flight_do_not_overspend_also_where_the_server_counts_no_tokens(tmp_path, trouble, changes):
    ((name, allowed),) = changes.items()
    with Server(dict.fromkeys(range(64), trouble)) as server:
        server.delay = 0.02
        with pytest.raises(UserError, match=rf"limits\.{name}.* is reached .*raise limits\.{name} .*snakemake --cores all"):
            many(server.url, tmp_path, **PRICES, **changes)
        by_the_server = server.received * {"max_calls": 1, "max_tokens": 120, "max_usd": 0.12}[name]
        assert allowed / 4 < by_the_server <= allowed
        kept = server.received
        many(server.url, tmp_path, number=64, **{**PRICES, name: None}, **({} if name == "max_calls" else {"max_calls": 1000}))
        assert server.received == 64 and server.repeated() == 0, f"what was answered before the limit ({kept}) is kept"


def test_what_answers_cost_less_than_reserved_makes_room_for_others(tmp_path):
    with Server() as server:
        with pytest.raises(UserError, match="max_tokens"):
            many(server.url, tmp_path, max_tokens=3000, llm_changes={"max_tokens": 1500})
        assert server.received > 3000 // 1500, "one at a time fits, again and again"
        assert spent(tmp_path)["input_tokens"] + spent(tmp_path)["output_tokens"] == 120 * server.received <= 3000


ONE = (
    "import sys; from pathlib import Path; import test_limits\n"
    "url, folder, number, most, how = sys.argv[1:]\n"
    "getattr(test_limits, how)(url, Path(folder), number=int(number), concurrency=4, max_calls=int(most))\n"
)


def child(*arguments, how="many"):
    environment = {**os.environ, "PYTHONPATH": "src:tests"}
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what a shell runs in the background ignores it
    return subprocess.Popen([sys.executable, "-c", hears + ONE, *arguments, how], stderr=subprocess.PIPE, text=True, env=environment)


def test_two_processes_share_one_limit(tmp_path):
    with Server() as server:
        server.delay = 0.05
        other = child(server.url, str(tmp_path), "40", "10")
        _until_received(server, 1)
        with pytest.raises(UserError, match="limits.max_calls"):
            many(server.url, tmp_path, step="another", max_calls=10)
        _, said = other.communicate(timeout=60)
        assert "limits.max_calls" in said and server.received == 10 == spent(tmp_path)["calls"]


def _until_received(server, number):
    with server.lock:
        assert server.arrived.wait_for(lambda: server.received >= number, timeout=60), f"{server.received} of {number}"




def test_a_killed_job_s_requests_in_flight_stay_counted_in_full(tmp_path):
    with Server() as server:
        server.delay = 30
        job = child(server.url, str(tmp_path), "9", "99")
        _until_received(server, 4)
        pool = flight._File(tmp_path / "slots")
        assert pool.take(4) is None and pool.take(5) == 4, "the slots are for all processes together"
        job.kill()
        job.communicate()
        assert [pool.take(5) for _ in range(5)] == [0, 1, 2, 3, None], "the kernel gave them back"
    for slot in range(5):
        pool.give_back(slot)
    left = spent(tmp_path, account.OPEN)
    assert left["calls"] == 4 and left["output_tokens"] == 4 * 100 and left["input_tokens"] > 4 * 50
    with Server() as server:
        with pytest.raises(UserError, match="max_calls"):
            many(server.url, tmp_path, number=9, max_calls=8)
        assert server.received == 4
        many(server.url, tmp_path, number=9)


@pytest.mark.parametrize("number, ask", [(signal.SIGINT, many), (signal.SIGTERM, many), (signal.SIGINT, of_several)])
def test_an_interrupt_waits_for_what_is_in_flight_and_keeps_it(tmp_path, monkeypatch, number, ask):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = tmp_path / "ledger"
    with Server() as server:
        server.delay = 0.5
        job = child(server.url, str(folder), "40", "99", how=ask.__name__)
        _until_received(server, 4)
        job.send_signal(number)
        _, said = job.communicate(timeout=60)
        assert job.returncode == -number, said
        received = server.received
        assert received <= 8 and "answers that are in flight" in said
        ask(server.url, folder, number=40, concurrency=40)
        assert server.received == 40 and server.repeated() == 0, "nothing that was answered is lost"
    assert received == 4 or spent(folder, account.OPEN)["calls"] == 0


def test_trouble_that_stays_stops_the_asking_about_all_documents(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with Server({0: "401"}) as server, pytest.raises(UserError, match="the key was refused"):
        of_several(server.url, tmp_path / "ledger", number=40, concurrency=1)
    assert server.received == 1


def test_who_waits_for_room_under_a_limit_does_not_wait_for_what_failed(tmp_path, monkeypatch):
    def fails(*_):
        raise UserError("make room")

    monkeypatch.setattr(Ledger, "append", fails)

    async def both(client):
        async with asyncio.timeout(20):
            return await llm.gather([client.ask("single", attempts=1, check=str, first=name) for name in ("Mira", "Varn")], "toy")

    with Server() as server, Ledger("test", DOCUMENT.id, tmp_path) as ledger:
        client = llm.Client(llm=settings(server.url, max_tokens=1000), limits=limits(max_tokens=1800), ledger=ledger, document=DOCUMENT, seed=1)
        with pytest.raises(UserError, match="make room"):
            asyncio.run(both(client))
        assert server.received == 1


def test_what_is_open_is_counted_in_full_until_it_is_answered(tmp_path):
    with Server({0: "500", 1: "429"}) as server:
        many(server.url, tmp_path, number=1, **PRICES)
    full, refused, answered = (spent(tmp_path, outcome) for outcome in ("retried", "retried", "answered"))
    assert full["calls"] == refused["calls"] == 2 and full["output_tokens"] == 100, "a 500 may have cost anything, a 429 nothing"
    assert (answered["input_tokens"], answered["output_tokens"], answered["usd"]) == (100, 20, pytest.approx(0.12))


def test_a_lost_account_is_made_again_from_the_ledger(tmp_path):
    with Server({1: "500", 2: "empty", 3: "no_usage"}) as server:
        with pytest.raises(UserError):
            many(server.url, tmp_path, number=20, max_calls=10, **PRICES)
        before = rows(tmp_path)
        (tmp_path / "account.sqlite3").unlink()
        assert rows(tmp_path) == before and spent(tmp_path)["calls"] == server.received
        with pytest.raises(UserError, match="max_calls"):
            many(server.url, tmp_path, number=30, max_calls=10, **PRICES)
        assert server.received == 10


def test_what_a_lost_account_leaves_beside_it_is_not_taken_for_the_new_one_s(tmp_path):
    with Server() as server:
        many(server.url, tmp_path, number=3)
    before = rows(tmp_path)
    another = account.Account(tmp_path / "another", step="test", document="kell-1", model="openai/toy")
    another.reserve(0, account.Amount(10, 10, None), limits())
    shutil.copy(tmp_path / "another" / "account.sqlite3-wal", tmp_path)
    another.close()
    (tmp_path / "account.sqlite3").unlink()
    assert rows(tmp_path) == before


def test_answers_that_the_ledger_had_are_counted_apart_and_cost_nothing(tmp_path):
    with Server() as server:
        for _ in range(2):
            many(server.url, tmp_path, number=5)
        assert server.received == 5
    assert spent(tmp_path, "served") == {"calls": 5, "input_tokens": 0, "output_tokens": 0, "usd": 0.0, "unpriced": 0}
    assert spent(tmp_path, "answered")["unpriced"] == 5
    assert {(row["step"], row["document"], row["model"]) for row in account.rows(tmp_path)} == {("test", DOCUMENT.id, "openai/toy")}


def test_an_unpriced_model_under_a_dollar_limit_is_refused_before_anything_is_asked(tmp_path):
    with Server() as server:
        with pytest.raises(UserError, match="the price of openai/toy is not known.*limits.input_usd_per_million"):
            many(server.url, tmp_path, max_usd=1.0)
        assert server.received == 0
        many(server.url, tmp_path, number=2, max_usd=1.0, **FREE)
        assert server.received == 2


def test_the_scripted_generator_is_never_counted(tmp_path):
    with pytest.raises(llm.NotAnswered):
        with Ledger("test", DOCUMENT.id, tmp_path) as ledger:
            client = llm.Client(llm=settings(None, model="miniature/author"), limits=limits(max_calls=0), ledger=ledger, document=DOCUMENT, seed=1)
            asyncio.run(client.ask("single", attempts=1, check=str, first="Mira"))
    assert not (tmp_path / "account.sqlite3").exists()


def test_a_document_longer_than_a_known_context_is_not_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "known", lambda model: {"max_input_tokens": 30})
    with Server() as server:
        (answer,) = many(server.url, tmp_path, number=1)
        assert server.received == 0
    assert isinstance(answer, llm.NotAnswered) and "18 tokens" in str(answer) and "(30)" in str(answer)
    assert "larger model" in str(answer) and "llm.sections" in str(answer)


def test_known_prices_come_from_litellm_and_long_prompts_cost_what_it_says(tmp_path):
    from closedbook.llm import prices

    known = prices.of(settings(None, model="openai/gpt-4.1-mini"), limits(max_usd=1.0))
    assert known.version.startswith("litellm ") and known.usd(1_000_000, 0) == pytest.approx(0.4)
    assert files.canonical(known.usd(0, 0)) == "0"


def test_prices_of_the_parameters_are_for_models_that_litellm_has_none_for():
    from closedbook.llm import prices

    known, unknown = (prices.of(settings(None, model=model), limits(max_usd=1.0, **FREE)) for model in ("openai/gpt-4.1-mini", "openai/toy"))
    assert known.usd(1_000_000, 0) == pytest.approx(0.4), "a server of one's own that is free makes no other one free"
    assert (unknown.version, unknown.usd(1_000_000, 0)) == ("params", 0.0)


def counts(folder, outcome="answered"):
    (row,) = [row for row in account.rows(folder) if row["outcome"] == outcome]
    return {name: row[name] for name in ("calls", "input_tokens", "cached_tokens", "output_tokens", "usd")}


@pytest.mark.parametrize("price, usd", [(100.0, 0.04 + 0.006 + 0.02), (None, 0.12), (0.0, 0.06)])
def test_input_that_the_provider_had_in_its_cache_is_kept_and_costs_its_own_price(tmp_path, price, usd):
    with Server({0: "cached"}) as server:
        many(server.url, tmp_path, number=1, **PRICES, cached_input_usd_per_million=price, max_usd=2.0)
        assert counts(tmp_path) == {"calls": 1, "input_tokens": 100, "cached_tokens": 60, "output_tokens": 20, "usd": pytest.approx(usd)}
        (tmp_path / "account.sqlite3").unlink()
        assert counts(tmp_path)["cached_tokens"] == 60, "and the ledger has it"


@pytest.mark.parametrize("trouble", ["cached_more", "cached_less", "none"])
def test_cached_input_that_can_t_be_is_paid_in_full(tmp_path, trouble):
    with Server({0: trouble}) as server:
        many(server.url, tmp_path, number=1, **PRICES, cached_input_usd_per_million=0.0)
    assert counts(tmp_path)["cached_tokens"] == 0 and counts(tmp_path)["usd"] == pytest.approx(0.12)


def test_cached_input_of_a_model_that_litellm_knows_costs_what_litellm_says(tmp_path):
    with Server({0: "cached"}) as server:
        many(server.url, tmp_path, number=1, llm_changes={"model": "openai/gpt-4.1-mini"}, max_usd=1.0)
    assert counts(tmp_path)["usd"] == pytest.approx(40 * 0.4e-6 + 60 * 0.1e-6 + 20 * 1.6e-6)


def test_what_anthropic_reads_from_and_writes_to_its_cache_is_kept_and_paid(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-0123456789")
    name = "anthropic/claude-sonnet-4-5"
    with Server({0: "anthropic"}) as server:
        many(server.url.removesuffix("/v1"), tmp_path, number=1, llm_changes={"model": name}, max_usd=1.0)
    (line,) = [json.loads(line) for line in (tmp_path / "test" / "varn-1.jsonl").read_text().splitlines()]
    assert (line[answers.CACHED], line[answers.WRITTEN], line["gen_ai.usage.input_tokens"]) == (60, 30, 100)
    known = library.known(name)
    prices_of = {"input": 10, "cache_read_input": 60, "cache_creation_input": 30, "output": 20}
    usd = sum(number * known[f"{kind}_{'cost_per_token' if '_' not in kind else 'token_cost'}"] for kind, number in prices_of.items())
    assert counts(tmp_path) == {"calls": 1, "input_tokens": 100, "cached_tokens": 60, "output_tokens": 20, "usd": pytest.approx(usd)}


def test_what_is_reserved_hopes_for_nothing_from_a_cache(tmp_path):
    asked = {**PRICES, "cached_input_usd_per_million": 0.0}
    with Server({0: "no_usage", **dict.fromkeys(range(1, 9), "cached")}) as server:
        many(server.url, tmp_path / "measured", number=1, **asked)
        one = counts(tmp_path / "measured")
        full = (one["input_tokens"] + one["output_tokens"]) / 1000
        with pytest.raises(UserError, match="max_usd"):
            many(server.url, tmp_path, number=8, **asked, max_usd=full + 0.059)
        assert server.received == 1 + 1, "0.06 was paid, and the next could cost the whole"


@pytest.fixture
def clock(monkeypatch):
    """Of the account; it stands where it is put."""
    now = [1_000_000.0]
    monkeypatch.setattr(pace.time, "time", lambda: now[0])
    return now


def leave(one, slot, tokens, **changes):
    """The request's number, or the seconds until it may leave."""
    left = one.reserve(slot, account.Amount(tokens, 0, None), limits(**changes))
    return round(left.seconds, 6) if isinstance(left, account.NotYet) else "left"


def two_jobs(folder):
    return [account.Account(folder, step="test", document=document, model="openai/toy") for document in ("kell-1", "varn-1")]


def test_so_many_requests_a_minute_leave_of_all_jobs_together_and_none_in_a_burst(tmp_path, clock):
    one, another = two_jobs(tmp_path)
    sent = []
    for second in range(300):
        clock[0] += 1.0 if second != 200 else 3600.0  # an idle hour earns nothing
        sent += [clock[0] for job in (one, another) if leave(job, 0, 10, requests_per_minute=12) == "left"]
    assert len(sent) == 300 // 5
    assert all(later - earlier >= 5 for earlier, later in zip(sent, sent[1:]))


def test_so_many_tokens_a_minute_leave_and_what_an_answer_had_less_is_given_back(tmp_path, clock):
    one, another = two_jobs(tmp_path)
    paced = {"tokens_per_minute": 600}
    assert leave(one, 0, 300, **paced) == "left" and leave(another, 1, 10, **paced) == 30.0
    one.give_back(200, limits(**paced))
    assert leave(another, 1, 10, **paced) == 10.0
    clock[0] += 10
    assert leave(another, 1, 6000, **paced) == "left", "more than a minute may hold leaves alone"
    assert leave(one, 0, 1, **paced) == 600.0


def test_where_a_server_asks_to_wait_nobody_leaves_before(tmp_path, clock):
    one, another = two_jobs(tmp_path)
    one.hold(90)
    assert leave(another, 0, 1, requests_per_minute=6000) == 90.0
    clock[0] += 90
    assert leave(another, 0, 1, requests_per_minute=6000) == "left"


def test_a_clock_that_was_set_back_stops_nothing(tmp_path, clock):
    one, _ = two_jobs(tmp_path)
    assert leave(one, 0, 1, requests_per_minute=1) == "left"
    clock[0] -= 100_000
    assert leave(one, 0, 1, requests_per_minute=1) == "left"


def times(folder):
    return sorted(json.loads(line)["time"] for segment in folder.glob("*/*.jsonl") for line in segment.read_text().splitlines())


def test_two_processes_share_the_requests_of_a_minute_also_after_a_retry_after(tmp_path):
    with Server({3: "429"}) as server:
        other = child(server.url, str(tmp_path), "10", "1000", how="paced")
        many(server.url, tmp_path, number=10, step="another", requests_per_minute=1200)
        assert other.wait(timeout=300) == 0, other.communicate()[1]
        assert server.received == 21
    left = times(tmp_path)
    assert left[-1] - left[0] >= 20 * 60 / 1200 - 0.01
    assert max(later - earlier for earlier, later in zip(left, left[1:])) >= 0.9, "Retry-After: 1"


def paced(url, folder, **changes):
    return many(url, folder, **{**changes, "requests_per_minute": 1200})


def test_requests_go_document_by_document(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with Server() as server:
        server.delay = 0.01
        of_several(server.url, tmp_path / "ledger", number=180, documents=3, concurrency=2)
    asked = [request["messages"][-1]["content"].rpartition("varn-")[2].split()[0] for request in server.requests]
    changes = sum(before != after for before, after in zip(asked, asked[1:]))
    assert changes <= 8, "a document after the other, but for the moments at which one begins and ends"


def test_the_lowest_rank_goes_first_and_a_turn_that_nobody_takes_is_passed_on():
    went = []

    async def go(turns, rank):
        async with turns.one(rank):
            went.append(rank)
            await asyncio.sleep(0)

    async def all_of_them():
        turns = flight.Turns()
        tasks = [asyncio.create_task(go(turns, rank)) for rank in (5, 2, 0, 3, 1, 0)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait_for(go(turns, 7), 1)

    asyncio.run(all_of_them())
    assert went == [5, 0, 1, 2, 7]


def test_what_is_reserved_has_room_for_what_a_cache_costs_to_fill():
    from closedbook.llm import prices

    known = prices.of(settings(None, model="anthropic/claude-sonnet-4-5"), limits(max_usd=1.0))
    assert known.most(1000, 0) == pytest.approx(known.usd(1000, 0, written=1000))
    assert known.most(1000, 0) > known.usd(1000, 0) > known.usd(1000, 0, cached=900)


def test_a_batch_costs_what_litellm_says_of_batches_else_half():
    from closedbook.llm import prices

    models = ("openai/gpt-4.1-mini", "openai/gpt-4-turbo")
    listed, unlisted = (prices.of(settings(None, model=model), limits(), in_batch=True) for model in models)
    assert listed.usd(1_000_000, 0) == pytest.approx(0.2) and unlisted.usd(1_000_000, 0) == pytest.approx(5.0)
    assert unlisted.usd(1_000_000, 0, cached=900_000) == pytest.approx(5.0), "cached input without a price costs what other input does"
    own = prices.of(settings(None), limits(input_usd_per_million=1.0, output_usd_per_million=1.0), in_batch=True)
    assert own.usd(1_000_000, 0) == 1.0, "prices of params.yaml are those that are paid"


def test_text_of_an_account_holds_no_secret_and_no_words(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    with Server({0: "telling", 1: "401"}) as server, pytest.raises(UserError):
        many(server.url, tmp_path, number=1)
    from secrets_in import holding

    assert holding("canary-0123456789", tmp_path) == [] and Path(tmp_path / "account.sqlite3").exists()
    assert not [path for path in holding("Council", tmp_path) if "account" in path]
