import json
import multiprocessing
import os
import random
import subprocess
import sys
import time

import pytest

from closedbook.llm import ledger as ledgers
from closedbook.llm.ledger import Ledger
from closedbook.spending import asking
from closedbook.util.errors import UserError


def record(key, content="Tell me."):
    return {"key": key, "messages": [{"role": "user", "content": content}], "text": f"answer {key}"}


def test_what_was_written_is_found_by_the_next_process(tmp_path):
    with Ledger("entities", "doc", tmp_path) as ledger:
        ledger.append(record("a"))
        assert ledger.find("a")["text"] == "answer a"
        assert ledger.find("b") is None
    with Ledger("entities", "doc", tmp_path) as ledger:
        assert ledger.find("a")["text"] == "answer a"


def test_a_document_is_stored_once_however_often_it_is_asked_about(tmp_path):
    text = "A long story. " * 1000
    with Ledger("pair", "doc", tmp_path) as ledger:
        for number in range(5):
            ledger.append(record(str(number), f"Read: {text} Now write."), text)
    assert (tmp_path / "pair" / "doc.jsonl").stat().st_size < len(text)
    (stored,) = (tmp_path / "texts").iterdir()
    assert stored.read_text() == text


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_a_torn_tail_costs_that_record_alone(tmp_path, cut):
    with Ledger("pair", "doc", tmp_path) as ledger:
        ledger.append(record("a"))
        ledger.append(record("b"))
    path = tmp_path / "pair" / "doc.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with Ledger("pair", "doc", tmp_path) as ledger:
        assert ledger.find("a") and not ledger.find("b")
        ledger.append(record("c"))
    with Ledger("pair", "doc", tmp_path) as ledger:
        assert ledger.find("a") and ledger.find("c")


def test_a_changed_line_inside_is_an_error_that_names_it(tmp_path):
    with Ledger("pair", "doc", tmp_path) as ledger:
        ledger.append(record("a"))
        ledger.append(record("b"))
    path = tmp_path / "pair" / "doc.jsonl"
    path.write_bytes(b"{" + path.read_bytes())
    with pytest.raises(UserError, match=r"doc\.jsonl:1"), Ledger("pair", "doc", tmp_path):
        pass


def _hold(folder, order, name, seconds):
    with Ledger("pair", "doc", folder) as ledger:
        order.put((name, ledger.find("first") is not None))
        time.sleep(seconds)
        ledger.append(record(name))


def test_a_second_job_on_a_segment_waits_and_then_sees_what_the_first_was_told(tmp_path):
    order = multiprocessing.Queue()
    first = multiprocessing.Process(target=_hold, args=(tmp_path, order, "first", 0.3))
    first.start()
    assert order.get(timeout=10) == ("first", False)
    second = multiprocessing.Process(target=_hold, args=(tmp_path, order, "second", 0))
    second.start()
    assert order.get(timeout=10) == ("second", True)
    for process in (first, second):
        process.join(10)
    keys = [json.loads(line)["key"] for line in (tmp_path / "pair" / "doc.jsonl").read_text().splitlines()]
    assert keys == ["first", "second"]


def test_a_full_disk_is_named_and_leaves_the_records_before(tmp_path):
    script = (
        "import resource, sys; from pathlib import Path; from closedbook.util.errors import UserError; from closedbook.llm.ledger import Ledger\n"
        "try:\n"
        "    with Ledger('pair', 'doc', Path(sys.argv[1])) as ledger:\n"
        "        ledger.append({'key': 'a', 'messages': []})\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "        try: ledger.append({'key': 'b', 'messages': [], 'text': 'x' * 5000})\n"
        "        finally: ledger.append({'key': 'c', 'messages': []})\n"
        "except UserError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "src"})
    assert "doc.jsonl: cannot be written" in done.stdout, done.stderr
    with Ledger("pair", "doc", tmp_path) as ledger:
        assert ledger.find("a") and not ledger.find("b") and ledger.find("c")


@pytest.fixture
def segment(tmp_path):
    """Five calls about one document, and what allowed a new round of attempts."""
    text = "The whole story of Varn."
    with Ledger("pair", "doc", tmp_path) as ledger:
        for key in "abc":
            ledger.append(record(key, f"Read: {text} Now write."), text)
    with Ledger("pair", "doc", tmp_path) as ledger:
        ledger.reopen()
        for key in "de":
            ledger.append({**record(key), "cost_usd": 1.5e-05, "refusal": None})
    return tmp_path / "pair" / "doc.jsonl"


def breaks(path):
    return [number for number, _, problem in ledgers.verified(path) if problem]


def test_an_untouched_segment_holds(segment):
    assert breaks(segment) == [] and len(list(ledgers.verified(segment))) == 6


def test_flipped_bits_are_found_in_their_line_or_the_next(segment):
    content, draw = segment.read_bytes(), random.Random(0)
    exponent = content.index(b"1.5e-05") + 3  # 1.5E-05 is the same number
    for place, bit in [(exponent, 5), *((draw.randrange(len(content)), draw.randrange(8)) for _ in range(200))]:
        segment.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        line = content.count(b"\n", 0, place) + 1
        assert {line, line + 1} & set(breaks(segment)), f"bit {bit} of byte {place}"


@pytest.mark.parametrize("order, broken", [
    ([0, 2, 3, 4, 5], [2]), ([1, 2, 3, 4, 5], [1]), ([0, 2, 1, 3, 4, 5], [2, 3, 4]), ([0, 1, 1, 2, 3, 4, 5], [3])])  # fmt: skip
def test_a_missing_a_moved_and_a_doubled_line_are_found(segment, order, broken):
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[number] for number in order))
    assert breaks(segment) == broken


def test_a_line_edited_with_a_chain_to_match_breaks_the_next(segment):
    lines = segment.read_bytes().splitlines(keepends=True)
    edited = {**json.loads(lines[1]), "text": "another answer"}
    edited["chain"] = ledgers.chained(json.loads(lines[0])["chain"], edited)
    segment.write_bytes(lines[0] + json.dumps(edited).encode() + b"\n" + b"".join(lines[2:]))
    assert breaks(segment) == [3]


def test_a_line_from_before_lines_were_chained_is_reported(segment):
    segment.write_text(json.dumps(record("old")) + "\n")
    with Ledger("pair", "doc", segment.parent.parent) as ledger:
        ledger.append(record("new"))
    (old, _, problem), (_, new, none) = ledgers.verified(segment)
    assert old == 1 and "before lines were chained" in problem and new["key"] == "new" and none is None


def test_a_redacted_document_leaves_hashes_that_chain_and_is_asked_again(segment, tmp_path):
    chains = [line["chain"] for _, line, _ in ledgers.verified(segment)]
    (text,) = (tmp_path / "texts").iterdir()
    assert ledgers.redact("doc", tmp_path) == [text, segment]
    assert not text.exists()
    assert not [word for word in ("Varn", "answer", "Tell", "Read") if word in segment.read_text()]
    assert breaks(segment) == [] and [line["chain"] for _, line, _ in ledgers.verified(segment)] == chains
    assert '"text_sha256": "' + ledgers.files.sha256_text("answer a") in segment.read_text()
    with Ledger("pair", "doc", tmp_path) as ledger:
        assert ledger.reopened == 1 and ledger.find("a") is None
        ledger.append(record("a"))
    assert breaks(segment) == [] and ledgers.redact("other", tmp_path) == []
    segment.write_text(segment.read_text().replace('"text_sha256"', '"text": "never said", "text_sha256"', 1))
    assert breaks(segment) == [1]


def test_redaction_spares_other_documents_and_the_text_they_share(segment, tmp_path):
    text = "The whole story of Varn."
    with Ledger("pair", "twin", tmp_path) as ledger:
        ledger.append(record("t", text), text)
    with Ledger("pair", "doc*", tmp_path) as ledger:
        ledger.append(record("s"))
    others = [tmp_path / "pair" / "twin.jsonl", tmp_path / "pair" / "doc*.jsonl", *(tmp_path / "texts").iterdir()]
    before = [path.read_bytes() for path in others]
    assert ledgers.redact("doc", tmp_path) == [segment]
    assert [path.read_bytes() for path in others] == before
    assert ledgers.redact("doc*", tmp_path) == [others[1]], "a name is no pattern"


def test_who_waited_for_a_segment_that_was_written_anew_writes_to_the_new_one(segment, tmp_path, monkeypatch):
    lock, calls = ledgers.fcntl.flock, []

    def anew_before_the_first(file, how):
        if how == ledgers.fcntl.LOCK_EX:  # a segment's; files that are being written are locked otherwise
            calls.append(how)
            if len(calls) == 1:
                ledgers.files.write_text(segment, segment.read_text())
        lock(file, how)

    monkeypatch.setattr(ledgers.fcntl, "flock", anew_before_the_first)
    with Ledger("pair", "doc", tmp_path) as ledger:
        ledger.append(record("later"))
    assert '"key": "later"' in segment.read_text() and len(calls) == 2


def test_an_answer_whose_text_has_changed_is_named_and_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with Ledger("pair", "doc") as ledger:
        for key in "ab":
            ledger.append({**record(key), "response_sha256": ledgers.files.sha256_text(f"answer {key}")})
    path = tmp_path / "ledger" / "pair" / "doc.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answer b", b"answes b"))
    for read in (lambda: Ledger("pair", "doc").__enter__(), lambda: asking.Kept("pair", "doc")):
        with pytest.raises(UserError, match=r"doc\.jsonl:2: the text of this answer.*backup"):
            read()
    path.write_bytes(path.read_bytes().replace(b"answes b", b"answer b"))
    with Ledger("pair", "doc") as ledger:
        assert ledger.find("b")["text"] == "answer b"
