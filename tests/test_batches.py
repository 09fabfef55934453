"""limits.batch: a run through a provider's batches, which expire, fail in part, answer out of order and die."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jobs_here
import pytest
from batch_server import BatchServer
from engine import done
from openai_server import Server
from test_asks import lines, results
from test_forecast import Project

from closedbook import cli
from closedbook.llm import account, batches, errors, ledger, pending, shards
from closedbook.util.errors import UserError
from closedbook.workflow import plan


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(batches, "LOOK", 0.01)
    monkeypatch.setattr(errors, "wait", lambda *_: 0.01)


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A project that asks a server in batches for rephrasings: 3 entity lists and 6 passages."""
    monkeypatch.chdir(tmp_path)

    def start(server: Server, *arms, **limits) -> Project:
        project = Project(tmp_path, server.url)
        project.arms(*arms or ("rephrase",))
        project.set(limits={"batch": True, **limits})
        return project

    return start


def make() -> None:
    jobs_here.make(plan.make())


def total(*outcomes: str) -> dict:
    rows = [row for row in account.rows(ledger.root()) if row["outcome"] in outcomes or not outcomes]
    names = ("calls", "input_tokens", "output_tokens", "usd")
    return {name: sum(row[name] for row in rows if row["outcome"] != "served") for name in names}


@pytest.mark.slow
def test_batches_make_the_bytes_of_a_live_run_at_the_batch_price(started, tmp_path):
    with BatchServer() as server:
        project = started(server, "rephrase", "entigraph")
        project.set(llm={"model": "openai/gpt-4.1-mini"})
        make()
        assert server.received == 0 and len(server.batches) == 3, "lists, rephrasings, and what the lists lead to"
        asked = len(lines())
        assert len(server.paid) == asked and total()["usd"] == pytest.approx(asked * (100 * 0.2 + 20 * 0.8) / 1e6)
        in_batches = results(tmp_path)
        for name in ("ledger", "results"):
            Path(name).rename(f"{name}-of-batches")
        project.set(limits={"batch": False})
        make()
        assert server.received == asked and _but_cost(in_batches) == _but_cost(results(tmp_path))


def _but_cost(found: dict[str, str]) -> dict[str, str]:
    """What was paid is another sum, by design; all else is the same."""
    return {name: "\n".join(line for line in text.splitlines() if '"cost_usd"' not in line) for name, text in found.items()}


@pytest.mark.parametrize("ends", [("expired", "expired", "completed"), ("cancelled", "completed"), ("failed", "expired", "completed")])
def test_what_a_batch_leaves_open_is_asked_again_and_each_answer_is_paid_once(started, ends):
    with BatchServer(*ends) as server:
        started(server)
        make()
        answered = Counter(server.paid)
    assert answered.keys() == {line["key"] for line in lines() if line["outcome"] == ledger.ANSWERED} and max(answered.values()) == 1
    assert len(answered) == 9 and total()["input_tokens"] == 9 * 100, "what was not done costs nothing"
    assert total(account.OPEN)["calls"] == 0


def test_a_batch_that_always_fails_ends_the_run_within_the_limits(started):
    with BatchServer("failed") as server:
        started(server, retries=2)
        with pytest.raises(UserError, match="not come to it in 3 batches.*the file is not taken"):
            make()
        assert len(server.batches) == 3
    assert total()["input_tokens"] == total()["output_tokens"] == 0


def test_a_part_that_fails_is_asked_again_and_what_is_refused_is_not(started):
    seen = Counter()

    def ends(request: dict) -> dict:
        seen[request["custom_id"]] += 1
        kind = int(request["custom_id"], 16) % 3
        if kind == 0 and seen[request["custom_id"]] == 1:
            fault = {"error": {"message": "our fault"}}
            return {"custom_id": request["custom_id"], "response": {"status_code": 500, "body": fault}, "error": None}
        if kind == 1 and "response_format" not in request["body"]:
            refusal = {"error": {"message": "invalid_request_error: content_policy_violation", "code": "content_policy_violation"}}
            return {"custom_id": request["custom_id"], "response": {"status_code": 400, "body": refusal}, "error": None}
        return done(request)

    with BatchServer(ends) as server:
        started(server)
        make()
    outcomes = {key: [line["outcome"] for line in lines() if line["key"] == key] for key in seen}
    assert {tuple(each) for each in outcomes.values()} <= {("answered",), ("retried", "answered"), ("given up",)}
    assert all(len(outcomes[key]) == number for key, number in seen.items()), "each sending is a line"
    assert any("retried" in each for each in outcomes.values()) and all(line["came_from"]["batch"] for line in lines())


CHILD = ("import jobs_here; from closedbook.llm import batches; from closedbook.workflow import plan; "
         "batches.LOOK = 0.05; jobs_here.make(plan.make())")


@pytest.mark.slow
@pytest.mark.parametrize("looks, hangs", [(10**9, 0.0), (1, 30.0)], ids=["while it waits", "while a batch is begun"])
def test_a_killed_run_s_batch_is_taken_up_and_paid_once(started, tmp_path, looks, hangs):
    root = Path(__file__).parent
    with BatchServer(looks=looks) as server:
        started(server)
        server.hangs_when_begun = hangs
        environment = {**os.environ, "PYTHONPATH": f"{root.parent / 'src'}:{root}"}
        run = subprocess.Popen([sys.executable, "-c", CHILD], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        with server.lock:
            assert server.arrived.wait_for(lambda: server.batches and (hangs or server.batches[0].looks), timeout=60)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert total(account.OPEN)["calls"] == 3, "reserved as long as it is pending"
        server.looks, server.hangs_when_begun = 1, 0.0
        make()
        assert len(server.asked) == len(set(server.asked)) == len(set(server.paid)) == 9
    assert total()["input_tokens"] == 9 * 100


def test_a_submission_that_is_let_go_is_taken_over_by_one_run_alone(tmp_path, monkeypatch):
    first, second, third = (pending.Submissions(tmp_path) for _ in range(3))
    submission, lock = first.begin(), fcntl.flock

    def after_the_holder_has_gone(file, how):
        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "flock", lock)
            first.close()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", after_the_holder_has_gone)
    assert [second.take_over(submission), third.take_over(submission)] == [True, False]


def test_what_was_not_sent_is_not_reserved(started):
    with BatchServer() as server:
        started(server, retries=0, max_calls=9)
        server.refusal = (500, "it is our fault")
        with pytest.raises(UserError, match="no answer"):
            make()
        assert total()["calls"] == 0
        server.refusal = None
        make()
        assert len(server.paid) == total()["calls"] == 9


def test_a_file_that_was_sent_by_a_killed_run_is_used_and_not_sent_again(started, monkeypatch):
    class Killed(BaseException):
        pass

    def dies(self, submission, file):
        has_file(self, submission, file)
        raise Killed

    has_file = batches.Submissions.has_file
    with BatchServer() as server:
        started(server)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(batches.Submissions, "has_file", dies)
            make()
        assert len(server.files) == 1 and not server.batches and total(account.OPEN)["calls"] == 3
        make()
        assert Counter(batch.file for batch in server.batches)["file-0"] == 1 and len(server.paid) == 9


@pytest.mark.parametrize("status, path", [(401, "/v1"), (403, "/v1"), (403, "/v1/batches")])
def test_a_key_without_the_right_to_batches_is_an_error_that_says_so(started, status, path):
    with BatchServer() as server:
        started(server)
        server.refuses_below = path
        server.refusal = (status, "You have insufficient permissions for this operation. Missing scopes: api.files.write")
        with pytest.raises(UserError, match="limits.batch.*OPENAI_API_KEY.*right.*limits.batch: false"):
            make()
        assert total()["calls"] == 0
        server.refusal = None
        make()
        assert len(server.paid) == 9


def test_a_server_without_batches_is_named(started):
    with BatchServer() as server:
        started(server)
        server.refusal = (404, "Not Found")
        with pytest.raises(UserError, match="limits.batch.*no files and batches"):
            make()


def test_a_provider_without_batches_is_refused_before_anything_is_sent(started, monkeypatch):
    monkeypatch.setenv("MISTRAL_API_KEY", "canary-0123456789")
    with BatchServer() as server:
        started(server).set(llm={"model": "mistral/small"})
        with pytest.raises(UserError, match="limits.batch: llm.model mistral/small"):
            make()
        assert not server.files


@pytest.mark.parametrize("model", ["azure/small", "vertex_ai/gemini-1.5-pro"])
def test_an_access_that_is_not_set_up_is_an_error_without_a_traceback(started, monkeypatch, capfd, model):
    for name in [name for name in os.environ if name.startswith(("AZURE", "GOOGLE", "VERTEX", "GCS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with BatchServer() as server:
        project = started(server)
        for batch in (True, False):
            project.set(llm={"model": model}, limits={"batch": batch})
            with pytest.raises(UserError, match=f"llm.model {model}: the access to {model.split('/')[0]} is not set up"):
                make()
        assert server.received == 0 and not server.files and total(account.OPEN)["calls"] == 0
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.slow
@pytest.mark.parametrize("limit, allowed", [("max_calls", 7), ("max_usd", 0.0009)])
def test_a_limit_is_never_broken_and_what_fits_is_asked(started, limit, allowed):
    with BatchServer() as server:
        project = started(server, **{limit: allowed})
        project.set(llm={"model": "openai/gpt-4.1-mini"})
        with pytest.raises(UserError, match=f"limits.{limit}"):
            while True:
                make()
                project.set(passages={"rephrase": {"styles": ["easy"], "samples": 9}})
        each = {"max_calls": 1, "max_usd": (100 * 0.2 + 20 * 0.8) / 1e6}[limit]
        assert allowed * 0.5 < len(server.paid) * each <= allowed and total()["usd"] == pytest.approx(len(server.paid) * 36e-6)


def test_answers_make_room_for_the_next_batch_where_not_all_can_be_reserved_at_once(started):
    with BatchServer() as server:
        started(server, max_tokens=3500)  # of which one may need some 900
        make()
        assert len(server.batches) > 2 and len(server.paid) == 9


@pytest.mark.parametrize("lost", ["batch", "results"])
def test_a_batch_that_the_provider_has_no_more_is_asked_again_and_counts_in_full(started, monkeypatch, lost):
    with BatchServer() as server:
        started(server)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(batches.Batches, "_one_ended", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
            make()
        if lost == "batch":
            server.batches[0].id = "another"
        else:
            server.end(server.batches[0])
            server.files.pop(server.batches[0].results["output"])
        make()
        assert len(set(server.paid)) == 9
    assert total("retried")["calls"] == 3 and total("retried")["output_tokens"] == 3 * 500


def test_a_submission_is_cut_where_a_file_is_full(started, monkeypatch):
    monkeypatch.setattr(shards, "MOST_REQUESTS", 2)
    with BatchServer() as server:
        started(server)
        make()
        assert all(server.files[batch.file].count("\n") <= 2 for batch in server.batches) and len(server.paid) == 9


def test_a_live_run_after_one_in_batches_asks_nothing(started):
    with BatchServer() as server:
        project = started(server)
        make()
        project.set(limits={"batch": False})
        make()
        assert server.received == 0


def test_what_is_in_a_batch_counts_as_unanswered_and_is_neither_written_nor_asked_once_more(started, capsys, monkeypatch):
    monkeypatch.setattr(batches.Batches, "_one_ended", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with BatchServer() as server:
        project = started(server)
        with pytest.raises(KeyboardInterrupt):
            make()
        capsys.readouterr()
        assert cli.main(["spent", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["total"]["unanswered"] == 3
        assert cli.main(["asks", "export", "out", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["in_batches"], found["requests"]) == (3, 6), "lists are in a batch; rephrasings are in none yet"
        project.set(limits={"batch": False})
        with pytest.raises(UserError, match="in a batch since an earlier run: set limits.batch: true"):
            make()
        assert server.received == 0
