"""What generation costs beside the model's own time, and that it neither repeats nor overspends, against a server on this machine.

    python benchmarks/generation.py throughput [DOCUMENTS]   64 in flight in all, beside bare aiohttp and beside the authors' way
    python benchmarks/generation.py entities [DOCUMENTS]     entity lists at 1 s an answer, one a document, and then 3 passages of each
    python benchmarks/generation.py killed [KILLS]           kill -9 at so many seeded instants of the passages step
    python benchmarks/generation.py overspend                limits under 64 in flight, and under answers that omit what they used
    python benchmarks/generation.py added [DOCUMENTS]        one document more

benchmarks/ledger.py measures the ledger itself.
"""

import asyncio
import json
import math
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import jobs_here  # noqa: E402  (tests/jobs_here.py)
from model_server import ModelServer  # noqa: E402
from pipeline import Pipeline  # noqa: E402  (tests/pipeline.py: a copy of the project with a toy base)

from closedbook.workflow import plan  # noqa: E402

IN_FLIGHT, JOBS = 64, 2
PASSAGES = {0.5: 1_800, 2.0: 900}
"""seconds that an answer takes, and passages a document then: EntiGraph's authors have 1,800"""
ASKED_ALONE = {"bare aiohttp": 1_280, "one at a time in 8 processes": 120}
WORDS_A_DOCUMENT, ENTITIES = 5_000, 40
SYLLABLES = "ka lo mi ren tas vel dor an eth ru".split()
MAX_TOKENS = 1_500
USD = (1.0, 4.0)
"""for a million tokens of input and of output"""
UNLIMITED = {"max_calls": None, "max_usd": None, "max_tokens": None, "input_usd_per_million": USD[0], "output_usd_per_million": USD[1]}
LIMITS = {"max_calls": 300, "max_tokens": 3_000_000, "max_usd": 3.0}
"""each reached after a few hundred requests"""
ON_ITS_WAY = 0.2
"""seconds that an answer may take from the server to the ledger"""


def throughput(documents: int = 4) -> None:
    """The rate from the first request to the last answer, starts of jobs in between counted; the authors' way gets few requests, for
    it would take hours."""
    with ModelServer() as server, tempfile.TemporaryDirectory() as folder:
        for latency, passages in PASSAGES.items():
            ideal = IN_FLIGHT / latency
            pipeline = _pipeline(Path(folder) / f"pipeline-{latency}", server, documents, passages)
            body = _body(pipeline)
            server.begin(0.0)
            pipeline.snakemake("entities")
            print(f"latency {latency} s, ideal with {IN_FLIGHT} in flight: {ideal:.0f} requests a second", flush=True)
            for name, ask in (("bare aiohttp", lambda: asyncio.run(_bare(server.url, body, ASKED_ALONE["bare aiohttp"]))),
                              ("closedbook", lambda: pipeline.snakemake("passages")),
                              ("one at a time in 8 processes", lambda: _authors_way(server.url, body, Path(folder)))):
                server.begin(latency)
                started = time.monotonic()
                ask()
                seconds, counts = time.monotonic() - started, server.counts()
                rate = counts["received"] / counts["seconds"]
                print(f"  {name}: {counts['received']:,} requests, at most {counts['most_in_flight']} in flight, {rate:.1f} a second: "
                      f"{rate / ideal:.3f} of the ideal (the whole command {seconds:.1f} s)", flush=True)


def entities(documents: int = 40) -> None:
    """The rate from the first request to the last answer, where each document has few; the ideal has as many in flight as there are, up to IN_FLIGHT."""
    with ModelServer() as server, tempfile.TemporaryDirectory() as folder:
        pipeline = _pipeline(Path(folder) / "pipeline", server, documents, passages=3)
        server.begin(0.0)
        pipeline.snakemake("documents", "base")
        for stage in ("entities", "passages"):
            server.begin(1.0)
            before, started = _cpu(), time.monotonic()
            pipeline.snakemake(stage)
            seconds, counts = time.monotonic() - started, server.counts()
            rate, ideal = counts["received"] / counts["seconds"], counts["received"] / math.ceil(counts["received"] / IN_FLIGHT)
            print(f"{stage}: {counts['received']:,} requests, at most {counts['most_in_flight']} in flight, {rate:.1f} a second: {rate / ideal:.3f} of "
                  f"the ideal (the whole command {seconds:.1f} s, {_cpu() - before:.1f} s of processors)", flush=True)


def _cpu() -> float:
    """Seconds of processors that processes which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _bare(url: str, body: bytes, requests: int) -> None:
    import aiohttp

    async def ask_on(session, numbers):
        for number in numbers:
            async with session.post(f"{url}/chat/completions", data=body + b" " * number) as reply:
                await reply.json()

    numbers = iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:
        await asyncio.gather(*(ask_on(session, numbers) for _ in range(IN_FLIGHT)))


def _authors_way(url: str, body: bytes, folder: Path) -> None:
    """One process per document, its requests one after the other, all that it has written anew after each."""
    requests = ASKED_ALONE["one at a time in 8 processes"]
    with ProcessPoolExecutor(8, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_one_by_one, [url] * 8, [body] * 8, [folder / f"{number}.json" for number in range(8)], [requests // 8] * 8))


def _one_by_one(url: str, body: bytes, path: Path, requests: int) -> None:
    answers = []
    for _ in range(requests):
        with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body, {"Content-Type": "application/json"})) as reply:
            answers.append(json.load(reply)["choices"][0]["message"]["content"])
        path.write_text(json.dumps(answers))


def _body(pipeline: Pipeline) -> bytes:
    """A request like closedbook's."""
    text = next((pipeline.folder / "texts").glob("*.txt")).read_text()
    return json.dumps({"model": "toy", "messages": [{"role": "user", "content": text}], "max_tokens": 1000}).encode()


def killed(kills: int = 20) -> None:
    """Passages of 4 documents, killed whole (snakemake and its jobs) after seeded numbers of requests, then run to the end."""
    draw = random.Random(1)
    with ModelServer() as server, tempfile.TemporaryDirectory() as folder:
        pipeline = _pipeline(Path(folder) / "pipeline", server, documents=4, passages=400)
        whole = pipeline.copy(Path(folder) / "whole")
        server.begin(0.0)
        whole.snakemake("passages")
        total = server.counts()["received"]
        server.begin(0.3)
        instants = sorted(draw.sample(range(1, total * 9 // 10), kills))
        in_flight = [_kill(pipeline, server, after - before, draw.uniform(0, 0.3)) for before, after in pairwise([0, *instants])]
        pipeline.snakemake("passages")
        repeated = server.counts()["repeated"]
        ours, wanted = pipeline.bytes(), whole.bytes()
    different = sorted(name for name in {*ours, *wanted} if ours.get(name) != wanted.get(name))
    print(f"{kills} kills with {sum(in_flight)} of {total} requests in flight ({', '.join(map(str, in_flight))}): {repeated} repeated; "
          f"{len(wanted)} files, other than an uninterrupted run's: {', '.join(different) or 'none'}")
    sys.exit(bool(different) or repeated > sum(in_flight))


def _kill(pipeline: Pipeline, server: ModelServer, requests: int, seconds: float) -> int:
    """Start the passages, kill everything so many seconds after so many requests came; how many then were in flight."""
    command, before = [str(Path(sys.prefix) / "bin/snakemake"), "--cores", str(JOBS), "passages"], server.counts()["received"]
    process = subprocess.Popen(command, cwd=pipeline.folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while server.counts()["received"] < before + requests:
        if process.poll() is not None:
            sys.exit(f"ended before {requests} requests came")
        time.sleep(0.02)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed_at, counts = time.monotonic(), server.counts()
    on_their_way = sum(at > killed_at - ON_ITS_WAY for at in counts["answered"])
    return min(IN_FLIGHT, counts["in_flight"] + on_their_way)


def overspend() -> None:
    """Each limit alone, with answers that report what they used and with such that do not; what the server would bill against it."""
    with ModelServer() as server, tempfile.TemporaryDirectory() as folder:
        fresh = _pipeline(Path(folder) / "pipeline", server, documents=4, passages=400)
        for usage in (True, False):
            for name, limit in LIMITS.items():
                pipeline = fresh.copy(Path(folder) / f"{name}-{usage}")
                pipeline.set(limits={name: limit})
                server.begin(0.1, usage)
                pipeline.snakemake("passages", status=1)
                counts = server.counts()
                billed = {"max_calls": counts["received"], "max_tokens": counts["prompt_tokens"] + counts["completion_tokens"],
                          "max_usd": (USD[0] * counts["prompt_tokens"] + USD[1] * counts["completion_tokens"]) / 1e6}[name]
                print(f"{name} {limit:,}, usage {'told' if usage else 'omitted'}, at most {counts['most_in_flight']} in flight: "
                      f"{billed:,.2f} spent, {max(0, billed - limit):,.2f} over", flush=True)


def added(documents: int = 265) -> None:
    with ModelServer() as server, tempfile.TemporaryDirectory() as folder:
        pipeline = _pipeline(Path(folder) / "pipeline", server, documents, passages=4)
        os.chdir(pipeline.folder)
        server.begin(0.0)
        jobs_here.make(plan.make())
        before = server.counts()["received"]
        _write_document(pipeline.folder / "texts", documents)
        server.begin(0.0)
        pipeline.snakemake("passages")
        print(f"{documents} documents: {before:,} requests; one more: {server.counts()['received']}")


def _pipeline(folder: Path, server: ModelServer, documents: int, passages: int) -> Pipeline:
    """A project that asks for an entity list and so many passages of each document, with IN_FLIGHT requests in flight in all its jobs."""
    pairs = min(passages, math.comb(ENTITIES, 2))
    pipeline = Pipeline(folder, documents={"source": "folder", "path": "texts"}, entities={"max": ENTITIES},
                llm={"model": "openai/toy", "api_base": server.url, "max_tokens": MAX_TOKENS},
                passages={"attempts": 2, "entigraph": {"order": "seeded", "singles": 0, "pairs": pairs, "triplets": passages - pairs,
                                                       "summary": False}},
                limits={"concurrency": IN_FLIGHT, **UNLIMITED})
    (pipeline.folder / "texts").mkdir()
    for number in range(documents):
        _write_document(pipeline.folder / "texts", number)
    return pipeline


def _write_document(folder: Path, number: int) -> None:
    draw = random.Random(number)
    names = [_name(draw) for _ in range(ENTITIES + 5)]
    paragraphs = [" ".join(f"{draw.choice(names)} went to {draw.choice(names)} in the spring and wrote about the bridge." for _ in range(6))
                  for _ in range(WORDS_A_DOCUMENT // 72)]
    (folder / f"document-{number:04}.txt").write_text("\n\n".join(paragraphs))


def _name(draw: random.Random) -> str:
    return "".join(draw.choices(SYLLABLES, k=4)).capitalize()


COMMANDS = {command.__name__: command for command in (throughput, entities, killed, overspend, added)}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in COMMANDS and len(sys.argv) < 4:
        COMMANDS[sys.argv[1]](*map(int, sys.argv[2:]))
    else:
        sys.exit(__doc__)
