"""What the questions about lineage cost, on made-up data of a size that no test can have: seconds and peak memory of a fresh process.

    python benchmarks/lineage.py trace       a token of a corpus of 10^9 tokens in 2 million passages
    python benchmarks/lineage.py nearest     the passages nearest to a sentence, among 265 documents x 1,000 passages
    python benchmarks/lineage.py crate       a crate of 10,000 actions
    python benchmarks/lineage.py audit       an audit beside plain SHA-256 of the same bytes
"""

import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from closedbook import layout  # noqa: E402
from closedbook.lineage.tracing import tokens  # noqa: E402
from closedbook.records import Passage, Passages  # noqa: E402
from closedbook.training import packing  # noqa: E402
from closedbook.training.reading import Texts  # noqa: E402
from closedbook.util import arrays, files  # noqa: E402
from closedbook.workflow import receipts  # noqa: E402
from closedbook.workflow.registry import STEPS  # noqa: E402

TIMES = 7
WATCH = """import json, os, sys, time
started = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, usage = os.wait4(process, 0)
print(json.dumps([time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
sys.exit(status != 0)
"""
"""a small process that starts another one: memory that its parent had would count as the started one's"""
DOCUMENTS, PASSAGES = 265, 1_000
JOBS = 10_000
MODELS, MODEL_BYTES, SEGMENTS, CALLS = 8, 100_000_000, 20, 500
WORDS_A_PASSAGE, WORDS_A_DOCUMENT, ENTITIES = 200, 5_000, 40
MEGABYTE = 1e6
CORPUS, RUN = Path("results/corpora/big"), Path("results/runs/big-s1")
REPLAY, OVERLAP = layout.TOKENS / "replay" / "all", layout.TOKENS / "replay_overlap" / "all.jsonl"


def trace() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _project(Path(folder))
        num_tokens = _line(num_documents=265, num_passages=2_000_000, tokens_a_passage=500)
        sizes = {name: Path("results", name).stat().st_size / 1e6 for name in ("corpora/big/passages.jsonl", "runs/big-s1/schedule.npy")}
        print(f"{num_tokens:,} tokens read by a run; {', '.join(f'{name} {size:,.0f} MB' for name, size in sizes.items())}")
        for vocabulary in (4_096, 128_000):
            _tokenizer(vocabulary)
            print(f"a tokenizer of {vocabulary:,} tokens")
            for token in (0, num_tokens // 2, num_tokens - 1):
                _write_passages(tokens.Run("big").token(token)["id"])
                _measured("trace", "--run", "big", "--token", str(token))
        _measured("trace", "--run", "big", "--step", "1000")


def nearest() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _project(Path(folder))
        inputs = _texts(Path("results"))
        for document in inputs["documents"]:
            _document_receipts(document.stem)
        words = Passages.read(inputs["passages"][7]).passages[3].text.split()
        _measured("trace", "--text", " ".join(words[20:35]))


def _project(folder: Path) -> None:
    """A git repository with this checkout's code, as the working directory."""
    os.chdir(folder)
    shutil.copytree(ROOT / "src", "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", ".")
    files.write_text(".gitignore", "/results/\n/.closedbook/\n__pycache__/\n")
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *command], check=True)


def _line(num_documents: int, num_passages: int, tokens_a_passage: int) -> int:
    """Documents, a corpus with a tenth of replay, and its run; gives the tokens that the run reads."""
    documents = [f"a-document-of-some-length-{files.sha256_text(str(each))[:8]}" for each in range(num_documents)]
    for name in documents:
        _document(name)
    rows = [{"id": f"{name}/entigraph/{number:012x}", "document": name, "strategy": "entigraph", "kind": "pair"}
            for number, name in zip(range(num_passages), cycle(documents))]  # fmt: skip
    lengths = np.random.default_rng(1).integers(tokens_a_passage // 2, tokens_a_passage * 3 // 2, num_passages)
    replay = [{"id": str(number)} for number in range(num_passages // 9)]
    pieces = np.arange(num_passages) % num_documents
    firsts = np.zeros(num_passages, np.int64)
    for piece, name in enumerate(documents):
        its = np.flatnonzero(pieces == piece)
        firsts[its] = np.cumsum(lengths[its]) - lengths[its]
        _zeros(layout.TOKENS / "entigraph" / f"{name}.npy", int(lengths[its].sum()))
    arrays.write_lines(CORPUS / "passages.jsonl", CORPUS / "lines.npy", rows)
    arrays.write(CORPUS / "passages.npy", np.stack([pieces, firsts, lengths], axis=1))
    files.write_json(CORPUS / "pieces.json", [f"entigraph/{name}" for name in documents])
    files.write_json(CORPUS / "corpus.json", {"before_text": [], "end_of_text_id": 0})
    counts = [int(lengths.sum()), int(lengths[: len(replay)].sum())]
    _zeros(REPLAY / "tokens.npy", counts[1])
    arrays.write(REPLAY / "offsets.npy", np.cumsum([0, *lengths[: len(replay)]]))
    arrays.write_lines(REPLAY / "replay.jsonl", REPLAY / "lines.npy", replay)
    files.write_json_lines(OVERLAP, [])
    _receipt("corpora/big", _passage_files(documents), [f"{CORPUS}/passages.jsonl"])
    _receipt("tokens/replay/all", ["replay.jsonl"], [f"{REPLAY}/replay.jsonl"])
    _run(*counts)
    return sum(counts)


def _document(name: str) -> None:
    text = {"id": name, "title": name.title(), "author": "Ann Lee", "year": 1950, "text": "A word or two. " * 2000, "license": "CC0-1.0"}
    files.write_json(f"results/documents/{name}.json", text)
    _document_receipts(name)


def _document_receipts(name: str) -> None:
    _receipt(f"documents/{name}", [f".closedbook/sources/{name}.json"], [f"results/documents/{name}.json"])
    _receipt(f"passages/entigraph/{name}", [f"results/documents/{name}.json"], _passage_files([name]), llm={"model": "miniature/author"})


def _passage_files(documents: list[str]) -> list[str]:
    return [f"results/passages/entigraph/{name}.json" for name in documents]


def _receipt(name: str, inputs: list[str], outputs: list[str], **params) -> None:
    step = "replay" if name == "tokens/replay/all" else name.partition("/")[0]
    recipe = {"step": step, "params": params, "code": STEPS[step].code(), "prompts": {}, "assets": {}, "reads": {"replay": "replay.jsonl"}}
    hashes = {"inputs": dict.fromkeys(inputs, "0" * 64), "outputs": dict.fromkeys(outputs, "0" * 64)}
    receipts.keep(receipts.FOLDER / f"{name}.json", {"recipe": recipe, **hashes, "facts": {}, "versions": receipts.versions()})


def _zeros(path: Path, number: int) -> None:
    """So many tokens in a file with holes, which reads as zeros."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.lib.format.open_memmap(path, "w+", np.uint32, (number,))


def _run(train_tokens: int, replay_tokens: int) -> None:
    read = [train_tokens, replay_tokens]
    schedule = packing.schedule([Texts.of_corpus(CORPUS), Texts.of_replay(REPLAY, OVERLAP, replay_tokens)], read, seed=1, run_seed=1)
    RUN.mkdir(parents=True)
    np.save(RUN / "schedule.npy", schedule)
    blocks = packing.num_blocks(schedule, 2048)
    files.write_json(RUN / "run.json", {
        "arm": "big", "corpus": "big", "replay_overlap": "all", "block_size": 2048, "batch_size": 16, "num_steps": -(-blocks // 16), "num_blocks": blocks,
        "padding_tokens": blocks * 2048 - train_tokens - replay_tokens, "train_tokens": train_tokens, "replay_tokens": replay_tokens,
    })  # fmt: skip
    _receipt("runs/big-s1", [f"{CORPUS}/passages.jsonl"], [f"{RUN}/run.json"])


def _tokenizer(size: int) -> None:
    """A byte-level tokenizer of so many tokens, as large in its file as a real one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    words = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(f"token{number:06}" for number in range(size - 256))]
    tokenizer = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(RUN / "tokenizer.json"))


def _write_passages(identity: str) -> None:
    """The passages file in which one is found: all of its document's, each with its call."""
    document = identity.partition("/")[0]
    with open(CORPUS / "passages.jsonl", encoding="utf-8") as rows:
        found = [json.loads(row) for row in rows if f'"{document}"' in row]
    passages = [Passage(**row, entities=["Mira Oldan", "Varn"], sample=0, writer="llm", text="Some words of it. " * 140, call=_call(number))
                for number, row in enumerate(found)]  # fmt: skip
    Passages(document=document, strategy="entigraph", dropped=[], passages=passages).write(Path(_passage_files([document])[0]))


def _measured(*question: str) -> None:
    """How long a question takes, from the start of its process to its end, and the largest memory of it. The first time it finds nothing
    remembered: no digests of commits, no index."""
    command = [sys.executable, "-c", WATCH, sys.executable, "-m", "closedbook", *question]
    environment = {**os.environ, "PYTHONPATH": "src"}
    said = [subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout for _ in range(TIMES)]
    first, *later = map(json.loads, said)
    fastest, middle = min(later), median(seconds for seconds, _, _ in later)
    print(f"closedbook {' '.join(question)}: first {first[0]:.3f} s, {first[2]:.0f} MB; then fastest {fastest[0]:.3f} s ({fastest[1]:.3f} s of a core), "
          f"median {middle:.3f} s, {max(peak for _, _, peak in later):.0f} MB", flush=True)  # fmt: skip


def _texts(folder: Path) -> dict[str, list[Path]]:
    """As many documents and passages as the paper's experiment on QuALITY has documents."""
    import toys

    random.seed(1)
    words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 9))) for _ in range(20_000)]

    def text(num_words: int) -> str:
        return " ".join(random.choices(words, k=num_words))

    documents, written = [], []
    for number in range(DOCUMENTS):
        name, names = f"document-{number:08x}", [text(2).title() for _ in range(ENTITIES)]
        documents.append(toys.document(folder, name, text(4).title(), text(2).title(), text(WORDS_A_DOCUMENT)))
        written.append(folder / "passages" / "entigraph" / f"{name}.json")
        made = [_passage(name, place, names, text(WORDS_A_PASSAGE)) for place in range(PASSAGES)]
        Passages(document=name, strategy="entigraph", passages=made, dropped=[]).write(written[-1])
    return {"documents": documents, "passages": written}


def _passage(document: str, place: int, names: list[str], text: str):
    return Passage(id=f"{document}/entigraph/{place:012x}", document=document, strategy="entigraph", kind="pair", entities=random.sample(names, 2),
                   sample=0, writer="llm", text=text, call=_call(place))  # fmt: skip


def _call(number: int) -> dict:
    return {"key": f"{number:064x}", "model": "openai/large", "model_answered": "large-2026", "sample": 0, "attempt": 0, "prompt": "pair",
            "settings": {"api_base": None, "temperature": 0.7, "max_tokens": 4096, "seed": number, "schema": None, "provider_version": None},
            "prompt_sha256": "ab" * 32, "usage": {"prompt_tokens": 7000, "completion_tokens": 300}, "cost_usd": 0.003, "finish_reason": "stop",
            "response_sha256": "cd" * 32}  # fmt: skip


def crate() -> None:
    """Seconds and megabytes for a crate of 10,000 jobs: documents, entity lists, and passages of two strategies."""
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


def audit() -> None:
    """An audit of models, and of a cache with copies of them, beside plain SHA-256 of the same bytes on all cores; then with a ledger and
    the passages that carry its calls. All files are in the page cache."""
    from closedbook.llm import ledger
    from closedbook.workflow import versioned

    with tempfile.TemporaryDirectory() as folder:
        _project(Path(folder))
        subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
        _in_cache(versioned, [path for number in range(MODELS) for path in _model(f"big-s{number}")])
        _beside_plain("models and their copies")
        for number in range(SEGMENTS):
            _asked(number)
        _beside_plain(f"the same and {SEGMENTS * CALLS:,} calls")
        started = time.perf_counter()
        size = sum(len(list(ledger.verified(path))) and path.stat().st_size for path in Path("ledger").glob("*/*.jsonl"))
        seconds = time.perf_counter() - started
        print(f"chains alone: {SEGMENTS * CALLS / seconds:,.0f} calls a second, {size / MEGABYTE / seconds:.0f} MB a second")


def _beside_plain(what: str) -> None:
    """Prints what both take, the fastest of some times, one after the other."""
    from closedbook.lineage import audit
    from closedbook.lineage.checks.state import State

    paths = sorted((path for path in Path().rglob("*") if path.is_file() and {".git", "src"}.isdisjoint(path.parts)), key=os.path.getsize)
    plain, audited = [], []
    for _ in range(TIMES):
        started = time.perf_counter()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(files.sha256_file, reversed(paths)))
        plain.append(time.perf_counter() - started)
        started = time.perf_counter()
        assert not audit.of(State.here())["broken"]
        audited.append(time.perf_counter() - started)
    print(f"{what}, {sum(map(os.path.getsize, paths)) / MEGABYTE:,.0f} MB: plain SHA-256 {min(plain):.2f} s, audit {min(audited):.2f} s, "
          f"which is {min(plain) / min(audited):.2f} of it (median {median(plain) / median(audited):.2f})")


def _model(run: str) -> list[str]:
    path = Path(f"results/runs/{run}/model.safetensors")
    path.parent.mkdir(parents=True)
    path.write_bytes(np.random.default_rng(int(run[-1])).bytes(MODEL_BYTES))
    _made(f"runs/{run}", [path])
    return [str(path), f"{receipts.FOLDER}/runs/{run}.json"]


def _made(name: str, outputs: list[Path]) -> None:
    recipe = {"step": name.partition("/")[0], "params": {}, "code": "0" * 64, "prompts": {}, "assets": {}}
    receipts.write(receipts.FOLDER / f"{name}.json", recipe=recipe, inputs={}, outputs=outputs, facts={})


def _asked(number: int) -> None:
    """A segment of calls and the passages that carry them."""
    from closedbook.llm import ledger

    document, told = f"document-{number:08x}", []
    with ledger.Ledger("entigraph", document) as segment:
        os.fsync, kept = lambda _: None, os.fsync  # thousands of lines that nobody would miss
        for each in range(CALLS):
            text = f"What pair {each} of document {number} is about. " * 40
            request = [{"role": "user", "content": f"Read: {document} Now write of pair {each}."}]
            segment.append({"key": files.sha256_text(text), "messages": request, "text": text, "refusal": None, "cost_usd": 0.002}, document)
            told.append({"text": text, "call": {"key": files.sha256_text(text), "prompt": "pair", "response_sha256": files.sha256_text(text)}})
        os.fsync = kept
    path = Path(f"results/passages/entigraph/{document}.json")
    files.write_json(path, {"passages": told})
    _made(f"passages/entigraph/{document}", [path])


def _in_cache(versioned, paths: list[str]) -> None:
    """A dvc.lock that names these files, and DVC's cache with a copy of each."""
    outs = []
    for path in paths:
        md5 = hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest()
        place = versioned.cache() / md5[:2] / md5[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        outs.append({"path": path, "md5": md5})
    files.write_json(Path("dvc.lock"), {"schema": "2.0", "stages": {"all": {"outs": outs}}})


if __name__ == "__main__":
    questions = {"trace": trace, "nearest": nearest, "crate": crate, "audit": audit}
    if sys.argv[1:] not in [[name] for name in questions]:
        sys.exit(__doc__)
    questions[sys.argv[1]]()
