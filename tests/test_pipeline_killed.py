"""The pipeline under kill -9 at many instants: it resumes by itself, repeats no call but those in flight, and ends with the same bytes."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pipeline import Pipeline
from texts import write_documents

pytestmark = pytest.mark.slow

CONCURRENCY = 2
INSTANTS = [(0, 0), (0, 1), (3, 2), (5, 4), (8, 6), (8, 9), (11, 12), (16, 15), (17, 15), (19, 15)]
"""(receipts, calls) of 21 and 15, from which on a seeded time runs"""
ON_ITS_WAY = 1.0
"""seconds that an answer may take from the server to the ledger"""


def kill(pipeline: Pipeline, server, receipts: int, calls: int, seconds: float, alone: bool) -> tuple[str, int]:
    """Start the pipeline, and kill it so many seconds after so many receipts and calls are there: snakemake alone, or it and all its jobs.

    Returns the steps that were hit and how many calls were in flight.
    """
    command = [str(Path(sys.prefix) / "bin/snakemake"), "--cores", "2"]
    process = subprocess.Popen(command, cwd=pipeline.folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(pipeline.folder.glob("results/receipts/**/*.json"))) < receipts or server.received < calls:
        assert process.poll() is None, f"ended before there were {receipts} receipts and {calls} calls"
        time.sleep(0.01)
    time.sleep(seconds)
    hit = steps_at_work(process.pid)
    (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "ended before it was killed"
    return f"{'snakemake alone' if alone else 'everything'} at {hit or 'no job'}", server.in_flight(ON_ITS_WAY)


def steps_at_work(pid: int) -> str:
    """The stages that a process and its children run, however long their command lines are."""
    steps = set()
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            steps.update(re.findall(r"-m closedbook job (?:--shard \.closedbook/shards/)?([a-z]+)", " ".join(child.cmdline())))
    return ", ".join(sorted(steps))


def test_a_step_is_seen_at_work_below_a_long_path(tmp_path):
    place = tmp_path.joinpath(*["a" * 100] * 5)
    place.mkdir(parents=True)
    (place / "closedbook.py").write_text("print('begun', flush=True); input()")
    command = f"{sys.executable} -m closedbook job passages/entigraph/{'a' * 100} {place}; true"
    with subprocess.Popen(command, shell=True, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"begun\n"
        assert steps_at_work(process.pid) == "passages"


def test_after_each_of_ten_kills_the_next_run_resumes_to_the_same_bytes(finished_pipeline, server, tmp_path):
    pipeline = Pipeline(tmp_path / "pipeline", documents={"source": "folder", "path": "texts"}, limits={"concurrency": CONCURRENCY},
                llm={"model": "openai/toy", "api_base": server.url, "max_tokens": 500})  # fmt: skip
    write_documents(pipeline.folder / "texts")
    server.bodies.clear()
    server.delay, before = 1.0, server.received
    draw = random.Random(3)
    hits, in_flight = [], 0
    for receipts, calls in INSTANTS:
        hit, open_calls = kill(pipeline, server, receipts, before + calls, draw.uniform(0.1, 1.5), alone=draw.random() < 0.4)
        hits.append(f"after {receipts} receipts and {calls} calls: {hit}, {open_calls} calls in flight")
        in_flight += open_calls
    server.delay = 0.0
    assert 0 < in_flight, "no call was hit"
    assert not (pipeline.folder / "results/report/report.html").exists()
    pipeline.snakemake()
    print("\n".join(hits))
    assert server.repeated() <= in_flight <= len(INSTANTS) * 2 * CONCURRENCY, f"{server.repeated()} calls repeated\n" + "\n".join(hits)
    assert len({step for step in ("base", "entities", "passages", "runs", "scores") if step in "".join(hits)}) >= 3, hits
    assert any("alone" in hit for hit in hits) and any("everything" in hit for hit in hits)
    assert pipeline.bytes() == finished_pipeline.bytes()
