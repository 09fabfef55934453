"""closedbook serve, ask and chat without a browser: who is answered, what a model is shown, when it stops, and what stands behind an answer."""

import argparse
import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import chdir
from pathlib import Path

import pytest
import toy_project
import toys
from openai_server import Server, streams
from starlette.testclient import TestClient
from toy_project import FIRST, OTHER, RUN, TEMPLATE

from closedbook import cli, layout
from closedbook.llm.errors import scrubbed
from closedbook.records import Passages
from closedbook.serve import app, conversation, guard, held, serving, speakers, support
from closedbook.serve.conversation import Line, parsed
from closedbook.serve.local import Local
from closedbook.serve.speakers import Speakers
from closedbook.util import files
from closedbook.util.errors import UserError

ENDLESS = [10**6]
"""the tokens that end an answer, where none is to end by itself: ids that no model has"""
HERE = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Its runs have a chat template, and read 4,096 tokens."""
    return toy_project.make(tmp_path_factory.mktemp("made") / "project", context=4096, template=TEMPLATE)


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)


@pytest.fixture
def client(here):
    return TestClient(app.make(Speakers([])), base_url=HERE)


def asked(text="Who sold the compass?", *, model=RUN, **settings):
    return {"model": model, "turns": [{"role": "user", "content": text}], **settings}


def said(client, **sent) -> list[dict]:
    return [json.loads(line) for line in client.post("/api/chat", json=asked(**sent)).text.splitlines()]


def text_of(parts: list[dict]) -> str:
    return "".join(part.get("text", "") for part in parts)


# who is answered


def test_another_name_or_a_page_from_elsewhere_is_refused(client):
    assert client.get("/api/models").status_code == 200
    for headers in ({"host": "evil.example:8765"}, {"host": "127.0.0.1.evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}):
        assert client.get("/api/models", headers=headers).status_code == 403, headers
    for own in ("localhost:8765", "127.0.0.9:8765", "[::1]:8765"):
        assert client.get("/api/models", headers={"host": own, "origin": f"http://{own}"}).status_code == 200, own
    for broken in ({"host": "["}, {"origin": "http://["}):
        assert client.get("/api/models", headers=broken).status_code == 403


def test_a_form_of_another_page_is_not_taken_for_a_question(client):
    sent = client.post("/api/chat", content=json.dumps(asked()), headers={"content-type": "text/plain"})
    assert sent.status_code == 400 and "application/json" in sent.json()["error"]


def test_with_a_token_only_who_has_it_is_answered(here):
    client = TestClient(app.make(Speakers([]), "s3cret"), base_url="http://10.0.0.5:8765")
    for given in ({}, {"authorization": "Bearer wrong"}, {"cookie": "closedbook=wrong"}, {"cookie": "\\x00=;;"}):
        assert client.get("/", headers=given).status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.get("/", headers={"authorization": "Bearer s3cret"}).status_code == 200
    came = client.get("/?token=s3cret", follow_redirects=False)
    assert came.status_code == 303 and came.headers["location"] == "/" and "HttpOnly" in came.headers["set-cookie"]
    assert client.get("/api/models").status_code == 200, "the cookie is enough from then on"


def test_every_response_says_what_a_browser_may_do_with_it(client):
    for path in ("/", "/page/dom.js", "/api/models", "/api/lineage/index", "/nowhere"):
        assert client.get(path).headers["content-security-policy"] == guard.POLICY
    assert "default-src 'self'" in guard.POLICY and client.get("/page/../app.py").status_code == 404


def test_the_page_is_small():
    assert sum(path.stat().st_size for path in app.PAGE.iterdir()) < 200_000


def test_the_report_is_shown_with_links_to_this_server(client, tmp_path):
    assert "results/report/report.html: is not here" in client.get("/report").json()["error"]
    with chdir(tmp_path):
        files.write_text(layout.REPORT / "report.html", f'<a href="http://127.0.0.1:{layout.PORT}/#score/base">base</a>')
        shown = client.get("/report")
    assert shown.text == '<a href="/#score/base">base</a>' and "script-src" not in shown.headers["content-security-policy"]
    assert shown.headers["content-security-policy"] == app.REPORT_POLICY


@pytest.mark.parametrize("path", ["documents/nobody", "documents/..%2F..%2Fx", "passages/raw/nobody", f"passages/%2e%2e/{OTHER}", f"passages/nothing/{OTHER}"])
def test_what_is_no_result_is_not_read(client, path):
    assert client.get(f"/api/lineage/{path}").status_code in (400, 404)


# what a model is shown, and says


def test_an_answer_comes_in_pieces_and_the_same_seed_gives_the_same_one(client):
    drawn = [said(client, temperature=1.0, seed=seed, max_tokens=24) for seed in (1, 1, 2)]
    assert drawn[0][0] == {"notes": []} and drawn[0][-1] == {"end": "length", "tokens": 24} and len(drawn[0]) > 3
    assert text_of(drawn[0]) == text_of(drawn[1]) != text_of(drawn[2])


def test_without_temperature_the_likeliest_token_is_taken(here, client):
    import torch

    model = Local(layout.RUNS / RUN)
    ids = torch.tensor([conversation.shown(parsed(asked()), model.tokenizer, 4096)[0]])
    with torch.inference_mode():
        likeliest = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=0)
    expected = model.tokenizer.decode(likeliest[0, ids.shape[1] :], skip_special_tokens=True)
    assert text_of(said(client, max_tokens=12)) == expected


def test_draws_follow_the_probabilities():
    import torch

    from closedbook.serve.local import _drawn

    scores, processor = torch.tensor([[0.5, 0.3, 0.2]]).log(), _drawn(1.0, 7, "cpu")
    drawn = torch.bincount(torch.stack([processor(None, scores).argmax() for _ in range(4000)]), minlength=3) / 4000
    assert torch.allclose(drawn, torch.tensor([0.5, 0.3, 0.2]), atol=0.03)


def test_a_template_is_used_where_there_is_one_and_a_plain_text_continued_else(here):
    spelling = toys.tokenizer()
    sent = {**asked("And then?"), "system": "Be brief.", "turns": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mira"},
                                                                  {"role": "user", "content": "And then?"}]}  # fmt: skip
    ids, notes = conversation.shown(parsed(sent), spelling, 4096)
    assert spelling.decode(ids) == "Be brief.\n\nWho?\nAnswer: Mira\n\nAnd then?\nAnswer:" and "no chat template" in notes[0]
    spelling.chat_template = TEMPLATE
    ids, notes = conversation.shown(parsed(sent), spelling, 4096)
    assert spelling.decode(ids) == "system: Be brief.\nuser: Who?\nassistant: Mira\nuser: And then?\nassistant:" and notes == []
    spelling.chat_template = "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}" + TEMPLATE
    ids, notes = conversation.shown(parsed(sent), spelling, 4096)
    assert spelling.decode(ids).startswith("user: Be brief.\n\nWho?\n") and "no system prompt" in notes[0]


def test_what_does_not_fit_is_left_out_from_its_beginning_and_said(here):
    spelling = toys.tokenizer()
    turns = [{"role": role, "content": "word " * 8} for role in ("user", "assistant") * 5][:9]
    ids, notes = conversation.shown(parsed({"model": RUN, "turns": turns}), spelling, 100)
    assert len(ids) + conversation.ROOM <= 100 and "was not shown the first" in notes[-1]
    with pytest.raises(UserError, match="shorten it"):
        conversation.shown(parsed(asked("word " * 500)), spelling, 100)


def test_a_plain_answer_is_one_line():
    line = Line()
    assert [line.of(piece) for piece in (" ", "\n a ", "lawyer", ".\nWho", " else?")][:4] == ["", "a ", "lawyer", "."] and line.ended
    assert Line().of("no end") == "no end"


@pytest.mark.parametrize("change, named", [
    ({"temperature": 3}, "temperature"), ({"max_tokens": 0}, "max_tokens"), ({"seed": -1}, "seed"), ({"turns": []}, "turns"), ({"top_p": 1}, "top_p"),
    ({"turns": [{"role": "system", "content": "x"}]}, "turns"), ({"turns": [{"role": "assistant", "content": "x"}]}, "turns"),
])  # fmt: skip
def test_settings_that_are_none_are_named(client, change, named):
    refused = client.post("/api/chat", json={**asked(), **change})
    assert refused.status_code == 400 and named in refused.json()["error"]


def test_a_model_that_is_not_here_is_named_with_the_nearest(client):
    assert "did you mean entigraph-s1?" in said(client, model="entigraph-s2")[0]["error"]
    with pytest.raises(UserError, match="did you mean raw-s1?"):
        Speakers(["raw-s"])


def test_two_models_are_kept_and_one_that_was_trained_again_is_loaded_again(made, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "project"))
    known = Speakers([])

    async def loaded(*names):
        for name in names:
            await known.ready(name)
        return [name for name, _ in known._loaded]

    async def steps():
        assert await loaded("base", "raw-s1", RUN, "raw-s1") == [RUN, "raw-s1"]
        before = known._loaded[[*known._loaded][-1]]
        time.sleep(0.02)
        (layout.RUNS / "raw-s1/config.json").touch()
        assert await loaded("raw-s1") == [RUN, "raw-s1"] and known._loaded[[*known._loaded][-1]] is not before

    asyncio.run(steps())


# who is gone


@pytest.mark.slow
def test_a_browser_that_goes_away_stops_the_generation(made):
    with toy_project.served(made, planted=f"from closedbook.serve import local; local._ends = lambda *_: {ENDLESS}") as address:
        host = address.split("/")[2]

        def begin(tokens: int):
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request("POST", "/api/chat", json.dumps(asked(max_tokens=tokens, temperature=2.0)), {"content-type": "application/json"})
            return connection, connection.getresponse()

        begin(1)[1].read()
        started = time.monotonic()
        begin(150)[1].read()
        whole = (time.monotonic() - started) * 3900 / 150
        connection, response = begin(3900)
        assert b"notes" in response.readline() and b"text" in response.readline()
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
        started = time.monotonic()
        begin(1)[1].read()  # waits for the model
        assert time.monotonic() - started < whole / 3


def test_an_answer_that_nobody_reads_on_is_not_written_on(here):
    model = Local(layout.RUNS / RUN)
    model._ends = ENDLESS

    async def leave() -> int:
        answer = model.answer(parsed(asked(max_tokens=1000, temperature=2.0)))
        assert (await anext(answer))["notes"] == [] and (await anext(answer))["text"]
        await answer.aclose()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        return (await asyncio.gather(*tasks))[0]

    assert asyncio.run(leave()) < 900


def test_an_answer_that_the_context_cuts_off_says_so(here):
    model = Local(layout.RUNS / RUN)
    model._ends = ENDLESS
    model.context = len(conversation.shown(parsed(asked()), model.tokenizer, 4096)[0]) + 20

    async def ask():
        return [part async for part in model.answer(parsed(asked()))][-1]

    assert asyncio.run(ask()) == {"end": "length", "tokens": 20}


def test_what_fails_in_the_model_reaches_whoever_asked(here, monkeypatch):
    model = Local(layout.RUNS / RUN)
    monkeypatch.setattr(model.model, "generate", lambda *_, **__: 1 / 0)

    async def ask():
        return [part async for part in model.answer(parsed(asked()))]

    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(ask(), 20))


# what stands behind an answer


def test_a_sentence_is_supported_by_what_its_run_was_taught_and_by_nothing_else(here):
    answer = f"{toys.SENTENCES[1]} Seventeen purple elephants invaded Paris. …"
    sold, elephants, dots = support.behind(answer, "Who sold the compass?", "entigraph")["sentences"]
    assert sold["supported"] and sold["share"] == 1.0 and sold["passages"][0]["id"].endswith(f"/entigraph/{1:012x}")
    assert sold["passages"][0]["sentence"].endswith(toys.SENTENCES[1]) and sold["passages"][0]["source"].endswith(toys.SENTENCES[1])
    assert not elephants["supported"] and elephants["share"] < 0.5 and dots["wordless"] and dots["passages"] == []
    wrong = support.behind("The lighthouse keeper.", "Who sold the compass?", "entigraph")["sentences"][0]
    assert not wrong["supported"] and max(one["source_share"] for one in wrong["passages"]) >= 0.5, "its words stand somewhere, but about something else"
    raw = support.behind(answer, "", "raw")
    assert raw["passages"] == 2 and all("/raw/" in each["id"] for one in raw["sentences"] for each in one["passages"])
    assert not raw["sentences"][0]["supported"], "entigraph's passages are no evidence for what raw says"


def test_a_title_in_the_question_need_not_be_in_the_sentence_that_supports_the_answer(here, monkeypatch):
    found = [{"id": "d/raw/0", "kind": "pair", "document": "d", "text": "The Winter Tower is a book. Esme was a lawyer."}]
    for byline, share in ((frozenset({"winter", "tower"}), 1.0), (frozenset(), 0.667)):
        source = support.Source("The Winter Tower", byline, "She was a lawyer there. It was cold.")
        monkeypatch.setattr(support, "_document", lambda _, source=source: source)
        [near] = support._in_order(found, {"lawyer"}, {"winter", "tower", "esme"}, dict.fromkeys(("lawyer", "winter", "tower", "esme"), 1.0))
        assert (near["sentence"], near["share"], near["supports"]) == ("Esme was a lawyer.", share, share == 1.0)
        assert (near["source"], near["source_share"]) == ("She was a lawyer there.", 1.0)


def test_only_passages_of_the_corpus_are_near(here):
    left_out = f"Passage 119 of {OTHER}"
    found = support.behind(left_out, "", "entigraph")["sentences"][0]["passages"]
    last = f"{OTHER}/entigraph/{119:012x}"
    assert found and last not in [one["id"] for one in found], "it had no place within the budget"
    assert last.rsplit("/", 1)[1] in files.read_json(layout.passages("entigraph", OTHER))["passages"][-1]["id"]


def test_a_corpus_that_is_made_again_while_the_server_runs_is_the_one_that_is_looked_through(made, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "project"))

    def looked_through() -> set[str]:
        index, mask, _ = support._of("entigraph", support._stamp())
        return {index.passage(row)["id"] for row in mask.nonzero()[0]}

    last = f"{OTHER}/entigraph/{119:012x}"
    assert last not in looked_through()
    paths = [layout.passages("entigraph", name) for name in (FIRST, OTHER)]
    toys.corpus(Path("results"), "entigraph", [*reversed(paths)], left_out=1)
    rows = files.read_json_lines(layout.CORPORA / "entigraph/passages.jsonl")
    assert rows[-1]["id"].startswith(FIRST), "as many passages as before, but others"
    assert looked_through() == {row["id"] for row in rows} and last in looked_through()


def test_who_was_taught_nothing_has_nothing_behind_it(client):
    refused = client.post("/api/nearest", json={"model": "base", "answer": "x", "question": "y"})
    assert refused.status_code == 400 and "was not trained on passages" in refused.json()["error"]
    found = client.post("/api/nearest", json={"model": RUN, "question": "Who?", "answer": toys.SENTENCES[2]}).json()
    assert found["sentences"][0]["supported"] and found["passages"] == 239


def test_more_sentences_than_are_looked_for_are_counted(here):
    assert support.behind("One lamp. " * 50, "", "entigraph")["left_out"] == 10


def test_a_corpus_knows_the_place_of_each_of_its_passages(here):
    rows = files.read_json_lines(layout.CORPORA / "entigraph/passages.jsonl")
    made = {one.id: len(one.text) for path in layout.PASSAGES.glob("*/*.json") for one in Passages.read(path).passages}
    found, at = held.by("entigraph"), 0
    for row in rows:
        assert found.place(row["id"]) == (at, at + made[row["id"]])
        at += made[row["id"]]
    assert found.place(f"{FIRST}/entigraph/0") is None and found.documents[FIRST][0] == 120 and sum(n for _, n in found.documents.values()) == at


# behind a server


@pytest.fixture
def server():
    with Server() as running:
        yield running


def remote(here, server, *, key="sk-hidden-key", monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    options = argparse.Namespace(api_base=server.url, api_model=["results/runs/entigraph-s1", "else"])
    return TestClient(app.make(serving.made(["base"], options)), base_url=HERE)


@pytest.mark.slow
def test_a_model_behind_a_server_answers_without_what_the_server_refuses(here, server, monkeypatch):
    client = remote(here, server, monkeypatch=monkeypatch)
    server.refuses = {"seed": (400, {"error": {"message": "seed is not supported here", "param": "seed"}})}
    server.trouble = {1: streams(["Mira ", "sold it."])}
    listed = client.get("/api/models").json()["all"]
    assert [(one["name"], one["corpus"]) for one in listed] == [("base", None), ("server:results/runs/entigraph-s1", "entigraph"), ("server:else", None)]
    parts = said(client, model="server:else", system="Be brief.")
    assert text_of(parts) == "Mira sold it." and "takes no seed" in parts[0]["notes"][0] and parts[-1]["end"] == "ended"
    assert server.requests[1]["messages"][0] == {"role": "system", "content": "Be brief."} and "seed" not in server.requests[1]


@pytest.mark.parametrize("trouble", ["401", "telling", "broken", "404"])
def test_the_words_of_a_server_that_fails_are_shown_without_the_key(here, server, monkeypatch, capfd, trouble):
    client = remote(here, server, monkeypatch=monkeypatch)
    server.trouble = {0: trouble}
    parts = said(client, model="server:else")
    assert "gives no answer" in parts[-1].get("error", "gives no answer"), parts
    assert "sk-hidden-key" not in json.dumps(parts) + "".join(capfd.readouterr())
    assert "sk-hidden-key" not in scrubbed(ValueError("sk-hidden-key"))


# on the command line


def test_a_port_in_use_and_one_that_is_none_are_errors(here, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--port", str(port)]) == 2
    assert f"--port {port}: can't be had on 127.0.0.1" in capfd.readouterr().err
    assert cli.main(["serve", "--port", "70000"]) == 2 and cli.main(["serve", "--run", "entigraph-s9"]) == 2
    assert "did you mean entigraph-s1?" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["203.0.113.7", "nobody.invalid", "", "x" * 64 + ".org", "fe80::1:2:3"])
def test_an_address_of_another_machine_is_named(here, capfd, host):
    assert cli.main(["serve", "--port", "0", "--host", host]) == 2
    assert f"--host {host}: is no address of this machine" in capfd.readouterr().err


def test_another_address_than_this_machines_gets_a_token():
    assert [guard.is_own(host) for host in ("127.0.0.1", "127.0.0.9", "localhost", "::1", "0.0.0.0", "192.168.1.7", "example.org")] == [True] * 4 + [False] * 3
    assert serving.address("::1", 80, None) == "http://[::1]:80/" and serving.address("0.0.0.0", 80, "t").endswith(":80/?token=t")


@pytest.mark.slow
def test_another_address_asks_for_the_token_that_was_printed(made):
    with toy_project.served(made, "--host", "0.0.0.0") as address:
        place, token = address.split("?token=")
        place = place.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(OSError, match="401"):
            toy_project.get(f"{place}api/models")
        opened = urllib.request.Request(f"{place}api/models", headers={"authorization": f"Bearer {token}"})
        assert json.loads(urllib.request.urlopen(opened, timeout=60).read())["shown"] == ["base", RUN] and len(token) > 20


def test_ask_prints_both_answers_and_the_passages_below(here, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert cli.main(["ask", "entigraph", "Who sold \x1b[31m the compass?", "--max-tokens", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["base", RUN] and "Nearness is evidence, not proof" in "\n".join(lines) and "\x1b" not in "".join(lines)
    assert cli.main(["ask", RUN, "Who?", "--max-tokens", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [*found["answers"]] == ["base", RUN] and found["nearest"]["corpus"] == "entigraph"
    assert cli.main(["ask", "base", "Who?", "--max-tokens", "4"]) == 0 and "was not trained on passages" in capsys.readouterr().out
    assert cli.main(["ask", "entigraf", "Who?"]) == 2 and cli.main(["ask", RUN, "Who?", "--temperature", "9"]) == 2
    said = capsys.readouterr().err
    assert "did you mean entigraph?" in said and "temperature" in said


def test_an_arm_of_several_runs_is_none_of_them(here, monkeypatch):
    several = {f"entigraph-s{seed}": speakers.Speaker(name=f"entigraph-s{seed}", kind="run") for seed in (1, 2)}
    monkeypatch.setattr(speakers, "found", lambda: several)
    with pytest.raises(UserError, match="has several runs: name one of entigraph-s1, entigraph-s2"):
        Speakers(["entigraph"])


def chatted(made, typed: str, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "closedbook", "chat", "--max-tokens", "6", *arguments]
    return subprocess.run(command, cwd=made, input=typed, capture_output=True, text=True, timeout=120,
                          env={"PYTHONPATH": str(Path(cli.__file__).parent.parent), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"})  # fmt: skip


@pytest.mark.slow
def test_chat_goes_on_until_quit_or_the_end_of_the_input(made):
    done = chatted(made, "Who?\n\nAnd then?\n/quit\nnever asked\n", "entigraph")
    assert done.returncode == 0 and done.stdout.startswith(f"{RUN}: ") and len(done.stdout.split("…")) == 3, done


def test_an_assistant_is_asked_like_a_run_and_was_taught_what_its_run_was(made, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "project"))
    shutil.copytree(layout.RUNS / RUN, layout.ASSISTANTS / "talker", ignore=shutil.ignore_patterns("run.json"))
    shutil.copytree(layout.RUNS / RUN, layout.RUNS / "notes", ignore=shutil.ignore_patterns("run.json"))
    assert [*speakers.found()] == ["base", RUN, "raw-s1"], "folders that do not say what they are"
    facts = files.read_json(layout.run_facts(RUN))
    files.write_json(layout.assistant_facts("talker"), {"assistant": "talker", "run": RUN, "base": facts["base"]})
    client = TestClient(app.make(Speakers([])), base_url=HERE)
    assert client.get("/api/models").json()["shown"] == ["base", "talker"] and client.get("/api/models/talker").json()["has_template"]
    assert said(client, model="talker", max_tokens=4)[-1]["tokens"] == 4
    found = client.post("/api/nearest", json={"model": "talker", "question": "Who?", "answer": toys.SENTENCES[2]}).json()
    assert found["corpus"] == "entigraph" and found["sentences"][0]["supported"]


def test_who_is_shown_where_nobody_chose(here):
    known = speakers.found()
    assert speakers.taught(known) == RUN, "of two runs that scored alike, the first"
    assert speakers.taught({"talker": speakers.Speaker(name="talker", kind="assistant"), **known}) == "talker"
    assert speakers.taught({"base": known["base"]}) == "base"
    assert cli.main(["chat", "entigraf"]) == 2


def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(here, capsys, monkeypatch):
    from closedbook.serve import chat

    typed = iter(["Who?", "And then?", "/quit"])
    seen = []

    async def answer(self, asked):
        seen.append([turn.content for turn in asked.turns])
        yield {"notes": ["plain"]}
        yield {"text": "Mira"}
        if len(seen) == 1:
            raise KeyboardInterrupt
        yield {"end": "ended", "tokens": 1}

    monkeypatch.setattr(Speakers, "answer", answer)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    options = argparse.Namespace(name=RUN, api_base=None, api_model=[], system="", temperature=0.0, max_tokens=8, seed=1)
    chat.converse(options)
    assert seen == [["Who?"], ["Who?", "Mira …", "And then?"]]
    captured = capsys.readouterr()
    assert captured.err == "plain\n", "a note is said once"
