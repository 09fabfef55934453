import ast
import os
import re
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from closedbook.util import files, fingerprint
from closedbook.util.errors import UserError
from closedbook.workflow import receipts
from closedbook.workflow.registry import STEPS

RECIPE = {"step": "entities", "params": {"entities": {"max": 40}}, "code": "c0de", "prompts": {"entities": "aa"}, "assets": {}}


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A finished job: input.txt went in, output.txt came out."""
    monkeypatch.chdir(tmp_path)
    for name in ("input.txt", "output.txt"):
        (tmp_path / name).write_text(name)
    receipt = receipts.FOLDER / "entities/d.json"
    inputs = {"input.txt": files.sha256_file("input.txt")}
    receipts.write(receipt, recipe=RECIPE, inputs=inputs, outputs=[Path("output.txt")], facts={})
    return receipt


def reason(receipt, recipe=RECIPE):
    hashes = receipts.Hashes()
    try:
        return receipts.stale_reason(receipt, recipe, hashes, written=[Path("output.txt")])
    finally:
        hashes.save()


def flip_a_byte_and_hide_it(path):
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_what_holds_is_fresh(job):
    assert reason(job) is None


@pytest.mark.parametrize("name, words", [("input.txt", "input input.txt changed"), ("output.txt", "output.txt was edited")])
def test_a_changed_byte_is_seen_even_with_size_and_time_kept_and_hashes_remembered(job, name, words):
    time.sleep(2 * receipts.SETTLED_NS / 1e9)  # long enough for the hash to be remembered
    assert reason(job) is None and reason(job) is None
    flip_a_byte_and_hide_it(Path(name))
    assert reason(job) == words


def test_a_hash_is_remembered(job, monkeypatch):
    time.sleep(2 * receipts.SETTLED_NS / 1e9)
    assert reason(job) is None
    monkeypatch.setattr(receipts.files, "sha256_file", lambda path: pytest.fail(f"{path} was read again"))
    assert reason(job) is None


def test_a_receipt_that_was_whole_is_read_no_more_until_it_changes(job, monkeypatch):
    time.sleep(2 * receipts.SETTLED_NS / 1e9)
    assert reason(job) is None
    with monkeypatch.context() as patch:
        patch.setattr(receipts, "read", lambda path: pytest.fail(f"{path} was read again"))
        assert reason(job) is None
        assert receipts.outputs(job) == {"output.txt": files.sha256_file("output.txt")}
    flip_a_byte_and_hide_it(job)
    assert "not a receipt" in reason(job) and receipts.outputs(job) == {}


def test_of_the_memory_of_all_files_only_what_is_asked_for_is_read(job):
    memory = receipts.Hashes()
    memory._known["hashes"] = {str(number): ("stamp", "sha256") for number in range(1000)}
    memory._new["hashes"] = set(memory._known["hashes"])
    memory.save()
    asked, memory = [], receipts.Hashes()
    memory._database.set_trace_callback(asked.append)
    assert receipts.stale_reason(job, RECIPE, memory, written=[Path("output.txt")]) is None
    assert len(asked) == 3 and all(re.search(r"WHERE path IN \('[^',]+'\)$", one) for one in asked), "a receipt, an output, an input"


def test_of_what_is_gone_the_memory_holds_not_even_the_name(job):
    time.sleep(2 * receipts.SETTLED_NS / 1e9)
    memory = receipts.Hashes()
    memory.look_up([], [job])
    assert receipts.stale_reason(job, RECIPE, memory, written=[Path("output.txt")]) is None
    memory.save()
    assert b"input.txt" in receipts.CACHE.read_bytes()
    Path("input.txt").unlink()
    files.write_text(job, job.read_text().replace("input.txt", "other.txt"))
    assert memory.forget_gone() == 1
    assert b"input.txt" not in receipts.CACHE.read_bytes() and b"output.txt" in receipts.CACHE.read_bytes()


@pytest.mark.parametrize("change, words", [
    ({"params": {"entities": {"max": 41}}}, "parameter entities.max changed 40 → 41"),
    ({"code": "other"}, "code of the stage entities changed"),
    ({"prompts": {"entities": "bb"}}, "prompt entities changed"),
])  # fmt: skip
def test_a_changed_recipe_is_reported_in_words(job, change, words):
    assert reason(job, {**RECIPE, **change}) == words


def test_a_missing_file_and_a_receipt_that_is_none_are_reported(job):
    Path("input.txt").unlink()
    assert reason(job) == "input input.txt is gone"
    Path("output.txt").unlink()
    assert reason(job) == "output.txt is missing"
    for content in (b"{", b"\xff", b"[" * 100_000):
        job.write_bytes(content)
        assert "not a receipt" in reason(job)
    job.unlink()
    assert reason(job) == "not made yet"


def test_a_receipt_that_lacks_a_file_its_stage_must_write_is_stale(job):
    written = [Path("output.txt"), Path("results/d/schedule.npy")]
    assert receipts.stale_reason(job, RECIPE, receipts.Hashes(), written=written) == "results/d/schedule.npy is not among what it wrote"


def test_of_what_planning_writes_the_text_of_now_counts_and_not_the_file(job):
    for text, words in (("input.txt", None), ("edited", "input input.txt changed")):
        hashes = receipts.Hashes(planned={"input.txt": files.sha256_text(text)})
        assert receipts.stale_reason(job, RECIPE, hashes) == words
    Path("input.txt").unlink()
    assert receipts.stale_reason(job, RECIPE, receipts.Hashes(planned={"input.txt": files.sha256_text("input.txt")})) is None


@pytest.mark.parametrize("old, new, words", [
    ('"max": 40', '"max": 41', "its own digest is [0-9a-f]{64}, and what it says gives"),
    ('"max": 40', '"max": 4e1', "not in the form"),
    ('"code"', '"code" ', "not in the form"),
    ('"facts": {}', '"fakts": {}', "no facts"),
    (r',\n "sha256": "\w+"\n', "\n", "from before receipts held it: no sha256"),
])  # fmt: skip
def test_an_edited_receipt_is_told_from_its_own_digest_and_its_job_runs_again(job, old, new, words):
    text = job.read_text()
    job.write_text(re.sub(old, new, text))
    assert job.read_text() != text
    with pytest.raises(UserError, match=words):
        receipts.read(job)
    assert re.search(words, reason(job))


def test_the_same_inputs_give_the_same_receipt(job):
    before = job.read_bytes()
    receipts.keep(job, receipts.read(job))
    assert job.read_bytes() == before and list(files.read_json(job))[-1] == "sha256"


def test_a_broken_memory_of_hashes_is_made_anew(job):
    files.write_text(receipts.CACHE, "no database")
    assert reason(job) is None


DECIDE_NOTHING = {"httpx", "openai", "psutil"}
"""what a step imports that leaves no trace in a result: the names of errors, a look at memory, answers handed on as if a server gave them"""


def test_a_receipt_names_every_library_that_a_step_imports():
    starts = [*(f"{stage.module}:job" for stage in STEPS.values()), "closedbook.sources:articles"]
    modules = {name for start in starts for name in fingerprint.modules(start)}
    imported = set()
    for module in modules:
        for node in ast.walk(ast.parse(fingerprint._module_path(module, fingerprint.PACKAGE).read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names] if isinstance(node, ast.Import) else []
            imported |= {name.partition(".")[0] for name in names}
    known = metadata.packages_distributions()
    libraries = {known[name][0].lower() for name in imported - sys.stdlib_module_names - {"closedbook"}}
    assert sorted(libraries - DECIDE_NOTHING - set(receipts.versions())) == []
    assert {"lingua-language-detector", "datasketch", "networkx", "bm25s"} <= libraries
