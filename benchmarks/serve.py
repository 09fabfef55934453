"""What closedbook serve takes over made results of 265 documents x 1,000 passages, with the miniature's base as base and run.

    python benchmarks/serve.py                           the figures, one a line
    python benchmarks/serve.py --documents 26 --keep DIR smaller, in a folder that stays
"""

import argparse
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import accumulate
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import psutil  # noqa: E402
import toy_project  # noqa: E402
import toys  # noqa: E402

from closedbook import layout  # noqa: E402
from closedbook.records import EntityList, Passage, Passages  # noqa: E402
from closedbook.util import files  # noqa: E402

PASSAGES, WORDS_A_PASSAGE, WORDS_A_DOCUMENT, ENTITIES, VOCABULARY = 1_000, 200, 5_000, 40, 60_000
TRAINED = ROOT / "src/closedbook/miniature/trained"
SENTENCES, TIMES = 5, 20
MEGABYTE = 1e6
INDEX = "import resource; from closedbook.lineage.tracing import nearest; nearest.index(); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
IN_MEMORY = """import resource; from closedbook.lineage.tracing import nearest; from closedbook.records import Passages; from pathlib import Path; import bm25s
texts = [one.text for path in sorted(Path("results/passages").glob("*/*.json")) for one in Passages.read(path).passages]
bm25s.BM25().index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"""
SHOWN = """
const [address, done] = arguments, main = document.querySelector("main"), started = performance.now();
const look = () => main.dataset.shown === location.hash ? requestAnimationFrame(() => done(performance.now() - started)) : setTimeout(look);
location.hash = address;
setTimeout(look);
"""
"""from a click on a link to this address to the next frame after its place is there, in milliseconds"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=265)
    parser.add_argument("--keep", type=Path, help="make the results in this folder, or use those that are there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        folder = options.keep or Path(aside)
        if not (folder / "results").exists():
            with ProcessPoolExecutor(1) as apart:
                apart.submit(make, folder, options.documents).result()
        os.chdir(folder)
        print(f"{options.documents * PASSAGES:,} passages, {sum(path.stat().st_size for path in Path('results/passages').rglob('*.json')) / MEGABYTE:,.0f} MB")
        print(f"the page: {sum(path.stat().st_size for path in (ROOT / 'src/closedbook/serve/page').iterdir()) / 1000:.0f} kB")
        shutil.rmtree(".closedbook/nearest", ignore_errors=True)
        ours, theirs = timed(INDEX), timed(IN_MEMORY)
        size = sum(path.stat().st_size for path in Path(".closedbook/nearest").rglob("*") if path.is_file())
        print(f"the index: {ours[0]:.0f} s, peak {ours[1]:.0f} MB, {size / MEGABYTE:.0f} MB on disk; bm25s alone, in memory: {theirs[0]:.0f} s, peak "
              f"{theirs[1]:.0f} MB; ratio of times {ours[0] / theirs[0]:.2f}, of peaks {ours[1] / theirs[1]:.2f}", flush=True)  # fmt: skip
        served()


def timed(program: str) -> tuple[float, float]:
    """Seconds and peak megabytes of a process."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, float(done.stdout)


def served() -> None:
    started = time.perf_counter()
    with toy_project.served(Path.cwd()) as address:
        toy_project.get(address)
        print(f"the first page: {time.perf_counter() - started:.1f} s after the command")
        process = next(child for child in psutil.Process().children() if "serve" in child.cmdline())
        first = spent(lambda: toy_project.get(f"{address}api/lineage/index"))
        print(f"all that there is, for the lineage: the first time {first:.2f} s, then {measured(lambda: toy_project.get(f'{address}api/lineage/index'))}")
        walk(address)
        print(f"memory after the walk: {memory(process)}")
        answer = " ".join(sentence() for _ in range(SENTENCES))
        where = {"model": "entigraph-s1", "question": sentence(), "answer": answer}
        first = spent(lambda: post(address, "/api/nearest", where))
        print(f"where from, {SENTENCES} sentences: the first {first:.2f} s; then {measured(lambda: post(address, '/api/nearest', fresh(where)))}")
        print(f"memory without a model: {memory(process)}")
        asked = {"model": "entigraph-s1", "turns": [{"role": "user", "content": "What can be told of it?"}], "max_tokens": 64}
        print(f"first token of the miniature's chat: {spent(lambda: first_token(address, asked)):.2f} s with libraries and model to load; then "
              f"{measured(lambda: first_token(address, asked))}")  # fmt: skip
        print(f"memory with a model: {memory(process)}", flush=True)


def walk(address: str) -> None:
    from browser import Browser

    browser, name = Browser(), "document-00000004"
    started = time.perf_counter()
    browser.open(address, "#score/entigraph-s1")
    print(f"opened at a score: {time.perf_counter() - started:.2f} s, the driver's own time in it")
    for what, place in (("its corpus", "#corpus/entigraph"), ("a document", f"#document/{name}"), ("its 1,000 passages", f"#passages/{name}/entigraph"),
                        ("a passage", f"#passage/{name}/entigraph/{500:012x}"), ("its call", f"#call/{name}/entigraph/{f'{500:08x}'.ljust(64, '0')}"),
                        ("search over all", "#search?words=ab"), ("search in 1,000 passages", "#search?words=cab")):  # fmt: skip
        print(f"to {what}: {browser.driver.execute_async_script(SHOWN, place):.0f} ms")
    browser.driver.quit()


def memory(process: psutil.Process) -> str:
    """Mapped files are the index; the system takes their memory back where it is short."""
    found = dict(line.split(":") for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    own, mapped = (int(found[name].split()[0]) * 1024 / MEGABYTE for name in ("RssAnon", "RssFile"))
    return f"{own + mapped:.0f} MB, of these {own:.0f} MB its own and {mapped:.0f} MB of mapped files"


def measured(act) -> str:
    times = sorted(spent(act) for _ in range(TIMES))
    return f"median {median(times):.3f} s, fastest {times[0]:.3f} s, slowest {times[-1]:.3f} s of {TIMES}"


def spent(act) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def fresh(where: dict) -> dict:
    return {**where, "answer": " ".join(sentence() for _ in range(SENTENCES))}


def post(address: str, path: str, sent: dict) -> dict:
    response = begun(address, path, sent)
    return json.loads(response.read())


def first_token(address: str, asked: dict) -> None:
    response = begun(address, "/api/chat", asked)
    while "text" not in json.loads(response.readline()):
        pass
    response.close()


def begun(address: str, path: str, sent: dict):
    connection = http.client.HTTPConnection(address.split("/")[2], timeout=600)
    connection.request("POST", path, json.dumps(sent), {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    return response


def make(folder: Path, num_documents: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    results, written = Path("results"), []
    shutil.copytree(TRAINED, layout.BASE)
    files.write_json(layout.BASE_FACTS, {"model": "miniature", "load": str(layout.BASE), "revision": None, "context": 640, "sha256": {}, "end_of_text_id": 0})
    toys.receipt("base/base", [], [layout.BASE])
    for number in range(num_documents):
        name, names = f"document-{number:08x}", [text(2).title() for _ in range(ENTITIES)]
        document = toys.document(results, name, text(4).title(), text(2).title(), " ".join(sentence() for _ in range(WORDS_A_DOCUMENT // 20)))
        files.write_json(Path(f"sources/{name}.json"), name)
        toys.receipt(f"documents/{name}", [f"sources/{name}.json"], [document])
        EntityList(document=name, summary=text(60), entities=names, made_by="llm", why=None, maker="large", call=None).write(layout.entities(name))
        toys.receipt(f"entities/{name}", [], [layout.entities(name)])
        made = [Passage(id=f"{name}/entigraph/{place:012x}", document=name, strategy="entigraph", kind="pair", entities=random.sample(names, 2), sample=0,
                        writer="llm", text=" ".join(sentence() for _ in range(WORDS_A_PASSAGE // 20)), call=toy_project.call(f"{place:08x}".ljust(64, "0")))
                for place in range(PASSAGES)]  # fmt: skip
        written.append(layout.passages("entigraph", name))
        Passages(document=name, strategy="entigraph", passages=made, dropped=[]).write(written[-1])
        toy_project.keep("entigraph", name)
    corpus = toys.corpus(results, "entigraph", written)
    toys.receipt("corpora/entigraph", [], [corpus])
    run = toys.run(results, "entigraph", "entigraph").parent
    shutil.copytree(TRAINED, run, dirs_exist_ok=True)
    toys.receipt("runs/entigraph-s1", [], [run])
    for name, arm in (("base", "base"), ("entigraph-s1", "entigraph")):
        toys.receipt(f"scores/{name}", [], [toy_project.score(results, name, arm)])


random.seed(1)
WORDS = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 9))) for _ in range(VOCABULARY)]
OFTEN = [*accumulate(1 / (rank + 20) for rank in range(VOCABULARY))]
"""words are about as often as in a language (Zipf): cumulated weights"""


def text(num_words: int) -> str:
    return " ".join(random.choices(WORDS, cum_weights=OFTEN, k=num_words))


def sentence() -> str:
    return f"{text(20).capitalize()}."


if __name__ == "__main__":
    main()
