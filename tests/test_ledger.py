import json
import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from closedbook.errors import UserError
from closedbook.ledger import Ledger


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
        "import resource, sys; from pathlib import Path; from closedbook.errors import UserError; from closedbook.ledger import Ledger\n"
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
