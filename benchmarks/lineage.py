"""What the questions about lineage cost, on synthetic data made on the spot in a temporary folder.

    python benchmarks/lineage.py page           the lineage page of 265 documents with 1,000 passages each, written and walked through
    python benchmarks/lineage.py crate          a crate of 10,000 actions
"""

import json
import random
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from closedbook import files  # noqa: E402

DOCUMENTS, PASSAGES = 265, 1_000
JOBS = 10_000
WORDS_A_PASSAGE, WORDS_A_DOCUMENT, ENTITIES = 200, 5_000, 40
MEGABYTE = 1e6


def page() -> None:
    """Seconds and megabytes to write it; milliseconds in chromium from opening to the first place, and from a click to the next."""
    from browser import Browser

    from closedbook.lineage import page

    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(1) as apart:  # so that its memory does not count
            inputs = apart.submit(_project, Path(folder)).result()
        started = time.perf_counter()
        page.build(**inputs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"written in {time.perf_counter() - started:.1f} s, peak memory {peak:.0f} MB")
        _sizes(inputs["folder"])
        browser = Browser()
        _walk(browser, inputs["folder"] / "lineage.html")
        browser.driver.quit()


def _project(folder: Path) -> dict:
    """The report's inputs: as many documents and passages as the paper's experiment on QuALITY has documents."""
    import toys

    from closedbook.records import EntityList, Passages

    random.seed(1)
    words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 9))) for _ in range(20_000)]

    def text(num_words: int) -> str:
        return " ".join(random.choices(words, k=num_words))

    documents, lists, written = [], [], []
    for number in range(DOCUMENTS):
        name, names = f"document-{number:08x}", [text(2).title() for _ in range(ENTITIES)]
        documents.append(toys.document(folder, name, text(4).title(), text(2).title(), text(WORDS_A_DOCUMENT)))
        lists.append(folder / "entities" / f"{name}.json")
        EntityList(document=name, summary=text(60), entities=names, made_by="llm", why=None, maker="large",
                   call=_call(number)).write(lists[-1])  # fmt: skip
        written.append(folder / "passages" / "entigraph" / f"{name}.json")
        made = [_passage(name, place, names, text(WORDS_A_PASSAGE)) for place in range(PASSAGES)]
        Passages(document=name, strategy="entigraph", passages=made, dropped=[]).write(written[-1])
    return {
        "scores": [toys.score(folder, "base", "base"), toys.score(folder, "entigraph-s1", "entigraph")],
        "runs": [toys.run(folder, "entigraph", "entigraph")], "corpora": [toys.corpus(folder, "entigraph", written)],
        "documents": documents, "entities": lists, "passages": written, "folder": folder / "report",
    }  # fmt: skip


def _passage(document: str, place: int, names: list[str], text: str):
    from closedbook.records import Passage

    return Passage(id=f"{document}/entigraph/{place:012x}", document=document, strategy="entigraph", kind="pair",
                   entities=random.sample(names, 2), sample=0, writer="llm", text=text, call=_call(place))  # fmt: skip


def _call(number: int) -> dict:
    return {"key": f"{number:064x}", "model": "openai/large", "model_answered": "large-2026", "sample": 0, "attempt": 0, "prompt": "pair",
            "settings": {"api_base": None, "temperature": 0.7, "max_tokens": 4096, "seed": number, "schema": None,
                         "provider_version": None},
            "prompt_sha256": "ab" * 32, "usage": {"prompt_tokens": 7000, "completion_tokens": 300}, "cost_usd": 0.003,
            "finish_reason": "stop", "response_sha256": "cd" * 32}  # fmt: skip


def _sizes(report: Path) -> None:
    sizes = {path.relative_to(report): path.stat().st_size for path in report.rglob("*.js")}
    data = Path("lineage/data")
    largest = max(size for path, size in sizes.items() if path.is_relative_to(data / "passages"))
    print(f"{len(sizes)} scripts, {sum(sizes.values()) / MEGABYTE:.0f} MB; opening reads index.js, "
          f"{sizes[data / 'index.js'] / MEGABYTE:.2f} MB; the first search entities.js, {sizes[data / 'entities.js'] / MEGABYTE:.2f} MB; "
          f"a document's passages at most {largest / MEGABYTE:.2f} MB")


def _walk(browser, html: Path) -> None:
    started = time.perf_counter()
    browser.open(html, "#score/entigraph-s1")
    print(f"opened at a score: {1000 * (time.perf_counter() - started):.0f} ms, the driver's own time in it")
    name = "document-00000084"
    for what, address in (("its corpus, 265 documents", "#corpus/entigraph"), ("a document", f"#document/{name}"),
                          ("its 1,000 passages, loaded", f"#passages/{name}/entigraph"), ("… again, from memory", f"#document/{name}"),
                          ("a passage", f"#passage/{name}/entigraph/{500:012x}"), ("its call", f"#call/{name}/entigraph/{500:064x}"),
                          ("search over all, the first", "#search?words=ab"),
                          ("search in 1,000 passages", "#search?words=cab")):  # fmt: skip
        print(f"to {what}: {browser.driver.execute_async_script(SHOWN, address):.0f} ms")


def crate() -> None:
    """Seconds and megabytes for a crate of 10,000 jobs: documents, entity lists, and passages of two strategies."""
    import os

    from closedbook.lineage import crate, published
    from closedbook.lineage.history import History

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in ("Snakefile", "params.yaml", "rules/passages.smk"):
            files.write_text(name, "# synthetic\n")
        records = dict(record for number in range(JOBS // 4) for record in _records(f"document-{number:08x}"))
        project = published.Project(root="a" * 40, commit="b" * 40, date="2026-01-01T00:00:00+00:00")
        started = time.perf_counter()
        crate.write(Path("crate"), History(records), project, [])
        size = Path("crate", crate.METADATA).stat().st_size / MEGABYTE
        print(f"{len(records):,} actions written in {time.perf_counter() - started:.1f} s, {size:.0f} MB of metadata, "
              f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        os.chdir(ROOT)


def _records(document: str):
    """(job, receipt) of one document's jobs, their results and receipts written as small files."""
    made = {}

    def job(name: str, inputs: list[str], outputs: list[str], params: dict) -> tuple[str, dict]:
        for path in outputs:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"id": document, "title": document, "author": None, "year": 1900, "text": path})
            Path(path).write_text(text, encoding="utf-8")
            made[path] = files.sha256_text(text)
        recipe = {"step": name.partition("/")[0], "params": params, "code": "c" * 64, "prompts": {"pair": "d" * 64}, "assets": {}}
        record = {"recipe": recipe, "inputs": {path: made.get(path, "0" * 64) for path in inputs}, "facts": {"dropped": 0},
                  "outputs": {path: made[path] for path in outputs}, "versions": {f"library-{number}": "1.0" for number in range(10)}}
        receipt = Path(f"results/receipts/{name}.json")
        receipt.parent.mkdir(parents=True, exist_ok=True)
        receipt.write_text(json.dumps(record), encoding="utf-8")
        return name, record

    text, names = f"results/documents/{document}.json", f"results/entities/{document}.json"
    llm = {"llm": {"model": "openai/large", "temperature": 0.7, "max_tokens": 4096}, "seed": 1}
    yield job(f"documents/{document}", [f".closedbook/sources/{document}.json"], [text, f"results/questions/{document}.json"], {})
    yield job(f"entities/{document}", [text], [names], llm)
    for strategy in ("entigraph", "rephrase"):
        yield job(f"passages/{strategy}/{document}", [text, names], [f"results/passages/{strategy}/{document}.json"], llm)


SHOWN = """
const [address, done] = arguments, main = document.querySelector("main"), started = performance.now();
const look = () => main.dataset.shown === location.hash ? requestAnimationFrame(() => done(performance.now() - started)) : setTimeout(look);
location.hash = address;
setTimeout(look);
"""
"""from a click on a link to this address to the next frame after its place is there, in milliseconds"""


if __name__ == "__main__":
    {"page": page, "crate": crate}[sys.argv[1]]()
