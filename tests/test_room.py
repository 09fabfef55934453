"""Room under a limit: who does not fit waits for those in flight, in whichever process, and no longer."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from openai_server import Server
from test_limits import PRICES, _until_received, spent
from test_llm import DOCUMENT, limits, settings

from closedbook import llm
from closedbook.llm import account, flight, ledger, prices, sending
from closedbook.util.errors import UserError

pytestmark = pytest.mark.slow

LONG = 1000
"""tokens that an answer may have; those of the server have 20"""


def ask(url, lengths, step="test", **limit_changes):
    """Two questions about each document, which is so many times as long as another; at most 4 are in flight."""

    async def work(kept, name):
        document = replace(DOCUMENT, id=name, text=DOCUMENT.text * lengths[name])
        client = llm.Client(llm=settings(url, max_tokens=LONG), limits=limits(max_calls=None, **limit_changes), ledger=kept,
                            document=document, seed=1)
        return await llm.gather([client.ask("single", attempts=1, check=str, first=f"{place}") for place in range(2)], name)

    return llm.in_segments(step, list(lengths), work)


CHILD = """
import json, os, signal, sys
import test_room
from closedbook.util.errors import UserError
from closedbook.llm import library

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell runs in the background ignores it
library.litellm()
for line in sys.stdin:
    os.environ["DVC_ROOT"], arguments = json.loads(line)
    try:
        test_room.ask(**arguments)
        print("all asked", flush=True)
    except UserError as error:
        print(error, flush=True)
"""


@pytest.fixture(scope="module")
def processes():
    """Gives so many processes that send what they are given, one line at a time; to start one takes seconds, and so does loading LiteLLM here."""
    prices.tokens("openai/toy", "x")
    started = []

    def give(number):
        alive = [one for one in started if one.poll() is None][:number]
        for _ in range(number - len(alive)):
            environment = {**os.environ, "PYTHONPATH": "src:tests"}
            alive.append(subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.PIPE, text=True, env=environment))
        started[:] = {*started, *alive}
        return alive

    yield give
    for one in started:
        one.kill()
        one.communicate()


def begin(process, **arguments):
    process.stdin.write(json.dumps([os.environ["DVC_ROOT"], arguments]) + "\n")
    process.stdin.flush()


@contextmanager
def alarm(seconds):
    """A wait without end fails."""
    def ring(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path / "ledger"


def reserved(monkeypatch, tmp_path) -> int:
    """Tokens that a question about a document of length 1 reserves: so many count where the server tells none."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "measured"))
    with Server(dict.fromkeys(range(9), "no_usage")) as server:
        ask(server.url, {"varn-0": 1})
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    whole = spent(tmp_path / "measured" / "ledger")
    return (whole["input_tokens"] + whole["output_tokens"]) // whole["calls"]


@pytest.mark.parametrize("trouble", ["none", "no_usage"])
@pytest.mark.parametrize("name, allowed", [("max_tokens", 6000), ("max_usd", 6.0)])
def test_two_processes_ask_all_that_fits_about_many_documents_and_nothing_beyond(tmp_path, folder, processes, monkeypatch, name, allowed, trouble):
    one = reserved(monkeypatch, tmp_path)
    with Server(dict.fromkeys(range(200), trouble)) as server:
        server.delay = 0.05
        both = processes(2)
        for number, process in enumerate(both):
            lengths = {f"varn-{place}": 1 for place in range(20)}
            begin(process, url=server.url, step=f"step-{number}", lengths=lengths, **PRICES, **{name: allowed})
        said = [process.stdout.readline() for process in both]
    assert all(f"limits.{name}: the limit of" in words for words in said), said
    whole = spent(folder)
    tokens = whole["input_tokens"] + whole["output_tokens"]
    assert len({row["step"] for row in account.rows(folder)}) == 2 or trouble == "no_usage"
    assert tokens == whole["calls"] * (120 if trouble == "none" else one) and whole["calls"] == server.received
    assert whole["usd"] == pytest.approx(tokens / 1000)
    assert 6000 - one < tokens <= 6000, "what is left is too little for one more"


def test_what_another_process_has_in_flight_is_waited_for_and_then_makes_room(folder, processes):
    with Server() as server:
        server.delay = 1.0
        (other,) = processes(1)
        begin(other, url=server.url, lengths={"varn-0": 1}, max_tokens=3000)
        _until_received(server, 2)
        ask(server.url, {"varn-1": 1, "varn-2": 1}, max_tokens=3000)
        assert other.stdout.readline() == "all asked\n" and server.received == 6
    assert spent(folder, "answered")["calls"] == 6


def test_a_wait_for_room_is_not_taken_from_the_time_for_an_answer(folder, monkeypatch):
    looks, times = iter(range(100)), []

    def no_room_at_first(self, *arguments, reserve=account.Account.reserve):
        return reserve(self, *arguments) if next(looks) > 5 else account.Reached("max_tokens", 1, 1, False)

    async def told(self, *arguments, tried=sending.Sender._try):
        times.append(arguments[-1])
        return await tried(self, *arguments[:-1], 5)

    monkeypatch.setattr(account.Account, "reserve", no_room_at_first)
    monkeypatch.setattr(sending.Sender, "_try", told)
    with Server() as server:
        ask(server.url, {"varn-0": 1}, deadline=0.3)
    assert next(looks) > 5 and all(0.2 < seconds <= 0.3 for seconds in times)


def test_what_a_killed_process_had_in_flight_is_counted_and_not_waited_for(folder, processes):
    with Server() as server:
        server.delay = 60
        (other,) = processes(1)
        begin(other, url=server.url, lengths={"varn-0": 1, "varn-1": 1}, max_tokens=6000)
        _until_received(server, 4)
        other.kill()
        with pytest.raises(UserError, match="limits.max_tokens"), alarm(20):
            ask(server.url, {"varn-2": 1}, max_tokens=6000)  # in two of its four slots
        assert server.received == 4 == spent(folder, account.OPEN)["calls"]


def test_an_interrupt_ends_a_wait_for_others(folder, processes):
    with Server() as server:
        server.delay = 60
        holding, waiting = processes(2)
        begin(holding, url=server.url, lengths={"varn-0": 1}, max_tokens=3000)
        _until_received(server, 2)
        begin(waiting, url=server.url, lengths={"varn-1": 1}, max_tokens=3000)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=3)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=20) == -signal.SIGINT and server.received == 2
        holding.kill()


def test_what_does_not_fit_leaves_room_to_what_is_smaller(folder):
    with Server() as server:
        with pytest.raises(UserError, match="limits.max_tokens"):
            ask(server.url, {"long": 1000, "varn-0": 1, "longer": 1200, "varn-1": 1}, max_tokens=8000)
        assert server.received == 4 == spent(folder, "answered")["calls"]


def test_a_limit_says_whether_what_is_in_flight_may_make_room(tmp_path):
    file, most = flight.slot_file(tmp_path), account.Amount(50, 50, 0.1)
    with closing(account.Account(tmp_path, step="test", document="varn-1", model="toy")) as its:
        first, second = file.take(9), file.take(9)
        open_one = its.reserve(first, most, limits())

        def reached(**allowed):
            return its.reserve(second, most, limits(**allowed))[::3]

        assert reached(max_calls=1) == ("max_calls", True), "a call does not come back"
        assert reached(max_tokens=150) == ("max_tokens", False) and reached(max_usd=0.15) == ("max_usd", False)
        assert reached(max_tokens=99) == ("max_tokens", True), "not if it had cost nothing"
        assert reached(max_tokens=150, max_usd=0.05) == ("max_usd", True)
        file.give_back(first)
        assert reached(max_tokens=150) == ("max_tokens", True), "who gave his slot back without an answer is not waited for"
        its.settle(open_one, ledger.ANSWERED, account.Amount(10, 10, 0.05))
        assert isinstance(its.reserve(second, most, limits(max_tokens=120, max_usd=0.15, max_calls=2)), int), "0.05 + 0.1 is 0.15"
        file.give_back(second)


BEFORE = """
CREATE TABLE requests (id INTEGER PRIMARY KEY, day TEXT, step TEXT, document TEXT, model TEXT, outcome TEXT,
                       input_tokens INTEGER, output_tokens INTEGER, usd REAL);
CREATE TABLE served (day TEXT, step TEXT, document TEXT, model TEXT, calls INTEGER, PRIMARY KEY (day, step, document, model));
CREATE TABLE total (calls INTEGER, tokens INTEGER, usd REAL);
INSERT INTO requests VALUES (1, '2026-11-22', 'test', 'varn-0', 'openai/toy', 'answered', 100, 20, 0.12);
INSERT INTO requests VALUES (2, '2026-11-22', 'test', 'varn-0', 'openai/toy', 'open', 150, 1000, NULL);
INSERT INTO total VALUES (2, 1270, 0.12);
"""


def test_an_account_of_the_version_before_goes_on(folder):
    folder.mkdir()
    with closing(sqlite3.connect(folder / "account.sqlite3")) as database:
        database.executescript(f"PRAGMA journal_mode = WAL; {BEFORE}")
    with ThreadPoolExecutor(8) as pool:
        assert len({str(rows) for rows in pool.map(account.rows, [folder] * 8)}) == 1
    assert spent(folder)["calls"] == 2 and spent(folder)["unpriced"] == 1
    with Server() as server:
        ask(server.url, {"varn-0": 1}, max_tokens=1270 + 120 + 1300)
        assert server.received == 2
        with pytest.raises(UserError, match="limits.max_tokens"):
            ask(server.url, {"varn-1": 1}, max_tokens=1270 + 240 + 120)
