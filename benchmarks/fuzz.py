"""Does anything that a user can get wrong end in a traceback? A seeded fuzz over documents, parameters, keys and a server's answers.

    python benchmarks/fuzz.py [--cases 1000] [--seed 1] [--only AREA CASE] [AREA …]     areas: documents params key server

Every case is made from its area, number and seed alone, so --only gives one of them again. A case fails where anything but a user's error
(or a normal end) comes out, a secret is shown or kept, a control character reaches the terminal, the process dies, or the case
takes longer than BOUND. Each distinct failure is printed once, with its traceback and the first cases that have it. Exit status 1 if there
is any.
"""

import argparse
import io
import logging
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from fuzzing import answers, documents, keys, parameters  # noqa: E402
from fuzzing.common import SECRET  # noqa: E402

AREAS = {"documents": documents.area, "params": parameters.area, "key": keys.area, "server": answers.area}
"""each makes, once a process, the function that does a case"""
BOUND = 10
"""seconds that a case may take: a hundred times what most do"""
START = 180
"""seconds for a process to load the libraries"""
MEMORY = 6 * 2**30
"""bytes of address space that a process may take"""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SHOWN = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", metavar="AREA")
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs=2, metavar=("AREA", "CASE"), help="one case again")
    options = parser.parse_args()
    if options.only:
        return bool(_area(options.only[0], options.seed, [int(options.only[1])]))
    return max(bool(_area(area, options.seed, range(options.cases))) for area in options.areas or AREAS)


def _area(area: str, seed: int, numbers) -> int:
    """How many distinct failures an area has; prints them."""
    began, failures, slowest = time.monotonic(), defaultdict(list), (0.0, None)
    for number, seconds, failure in _cases(area, seed, list(numbers)):
        slowest = max(slowest, (seconds, number))
        if failure:
            failures[failure[0]].append((number, failure[1]))
    failed = sum(map(len, failures.values()))
    print(f"{area}, seed {seed}: {len(numbers):,} cases in {time.monotonic() - began:.0f} s, {failed} fail in {len(failures)} ways; "
          f"the slowest took {slowest[0]:.1f} s (case {slowest[1]})", flush=True)
    for failure, its in sorted(failures.items(), key=lambda item: -len(item[1])):
        cases = ", ".join(str(number) for number, _ in its[:SHOWN])
        print(f"\n--- {area}: {failure}: {len(its)} cases ({cases}{', …' if len(its) > SHOWN else ''})\n{its[0][1]}", flush=True)
    return len(failures)


def _cases(area: str, seed: int, numbers: list[int]):
    """(number, seconds, None or (failure in a line, what was seen)) of each case. They run in a process of their own, and where that hangs
    or dies, the next ones in another."""
    context = multiprocessing.get_context("fork")
    while numbers:
        reader, writer = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(area, seed, numbers, writer))
        worker.start()
        writer.close()
        if not reader.poll(START) or not _sent(reader):
            raise SystemExit(f"{area}: can't begin")
        while numbers:
            if not reader.poll(BOUND):
                failure = (f"takes longer than {BOUND} s", "")
            elif result := _sent(reader):
                yield numbers.pop(0), *result
                continue
            else:
                worker.join()
                failure = (f"the process dies with {worker.exitcode}", "")
            yield numbers.pop(0), float(BOUND), failure
            break
        worker.kill()
        worker.join()
        reader.close()


def _sent(reader):
    """What a process sends; None where it died."""
    try:
        return reader.recv()
    except EOFError:
        return None


def _work(area: str, seed: int, numbers: list[int], writer) -> None:
    """Do these cases, each in an empty folder, and report each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable(logging.INFO)
    run = AREAS[area]()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries say of their connections when all ends
    writer.send("ready")
    for number in numbers:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            os.chdir(folder)
            began = time.monotonic()
            failure = _case(run, random.Random(f"{area} {seed} {number}"))
            writer.send((time.monotonic() - began, failure))
            os.chdir("/")
    writer.close()
    os._exit(0)


def _case(run, draw: random.Random) -> tuple[str, str] | None:
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            run(draw)
    except BaseException as error:
        return _named(error), "".join(traceback.format_exception(error, limit=-6, chain=False))[-3_000:]
    if SECRET in said.getvalue():
        return "a secret is shown", said.getvalue()[-1_000:].replace(SECRET, "[the secret]")
    if kept := [path for path in Path(".").rglob("*") if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes()]:
        return "a secret is kept", str(kept[0])
    if found := CONTROL.search(said.getvalue()):
        return "a control character reaches the terminal", repr(said.getvalue()[max(0, found.start() - 300) : found.end() + 50])
    return None


def _named(error: BaseException) -> str:
    """What it is and where: the last place in closedbook's code that it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/closedbook/" in frame.filename]
    where = f"{frames[-1].filename.partition('/src/')[2]}:{frames[-1].lineno}" if frames else "outside closedbook"
    return f"{type(error).__name__} from {where}"


if __name__ == "__main__":
    sys.exit(main())
