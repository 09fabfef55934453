"""What the questions about lineage cost, on made-up data of a size that no test can have: seconds and peak memory of a fresh process.

    python benchmarks/lineage.py trace       a token of a corpus of 10^9 tokens in 2 million passages
    python benchmarks/lineage.py nearest     the passages nearest to a sentence, among 265 documents x 1,000 passages
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "src"))

from closedbook import files, packing  # noqa: E402
from closedbook.freshness import code, receipts  # noqa: E402
from closedbook.lineage import tokens  # noqa: E402
from closedbook.records import Passage, Passages  # noqa: E402

TIMES = 7
WATCH = """import json, os, sys, time
started = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, usage = os.wait4(process, 0)
print(json.dumps([time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
sys.exit(status != 0)
"""
"""a small process that starts another one: memory that its parent had would count as the started one's"""
CORPUS, RUN = Path("results/corpora/big"), Path("results/runs/big-s1")


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


def _project(folder: Path) -> None:
    """A git repository with this checkout's code, as the working directory."""
    os.chdir(folder)
    shutil.copytree(ROOT / "src", "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", ".")
    files.write_text(".gitignore", "/results/\n/.closedbook/\n__pycache__/\n")
    for command in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *command], check=True)


def _line(num_documents: int, num_passages: int, tokens_a_passage: int) -> int:
    """Documents, a corpus with a tenth of replay, and its run; gives the tokens that the run reads."""
    documents = [f"a-document-of-some-length-{files.sha256_text(str(each))[:8]}" for each in range(num_documents)]
    for name in documents:
        _document(name)
    rows = [{"id": f"{name}/entigraph/{number:012x}", "document": name, "strategy": "entigraph", "kind": "pair"}
            for number, name in zip(range(num_passages), cycle(documents))]  # fmt: skip
    lengths = np.random.default_rng(1).integers(tokens_a_passage // 2, tokens_a_passage * 3 // 2, num_passages)
    counts = [_texts("passages.jsonl", "", rows, lengths),
              _texts("replay.jsonl", "replay_", [{"id": str(number)} for number in range(num_passages // 9)], lengths[: num_passages // 9])]
    files.write_json(CORPUS / "corpus.json", {"train_tokens": counts[0], "replay_train_tokens": counts[1]})
    _receipt("corpora/big", ["replay.jsonl", *_passage_files(documents)], [f"{CORPUS}/passages.jsonl", f"{CORPUS}/replay.jsonl"], replay={"path": "replay.jsonl"})
    _run(*counts)
    return sum(counts)


def _document(name: str) -> None:
    text = {"id": name, "title": name.title(), "author": "Ann Lee", "year": 1950, "text": "A word or two. " * 2000, "license": "CC0-1.0"}
    files.write_json(f"results/documents/{name}.json", text)
    _receipt(f"documents/{name}", [f".closedbook/sources/{name}.json"], [f"results/documents/{name}.json"])
    _receipt(f"passages/entigraph/{name}", [f"results/documents/{name}.json"], _passage_files([name]), llm={"model": "miniature/author"})


def _passage_files(documents: list[str]) -> list[str]:
    return [f"results/passages/entigraph/{name}.json" for name in documents]


def _receipt(name: str, inputs: list[str], outputs: list[str], **params) -> None:
    step = name.partition("/")[0]
    recipe = {"step": step, "params": params, "code": code.of_step(step), "prompts": {}, "assets": {}}
    hashes = {"inputs": dict.fromkeys(inputs, "0" * 64), "outputs": dict.fromkeys(outputs, "0" * 64)}
    receipts.keep(receipts.FOLDER / f"{name}.json", {"recipe": recipe, **hashes, "facts": {}, "versions": receipts.versions()})


def _texts(index: str, prefix: str, rows: list[dict], lengths: np.ndarray) -> int:
    """The files of a corpus that hold so many texts; gives their tokens. The tokens are a file with holes, which reads as zeros."""
    files.write_json_lines(CORPUS / index, rows)
    np.save(CORPUS / f"{prefix}offsets.npy", np.cumsum([0, *lengths]))
    np.lib.format.open_memmap(CORPUS / f"{prefix}tokens.npy", "w+", np.uint32, (int(lengths.sum()),))
    return int(lengths.sum())


def _run(train_tokens: int, replay_tokens: int) -> None:
    schedule = packing.schedule(corpus=CORPUS, seed=1, run_seed=1)
    RUN.mkdir(parents=True)
    np.save(RUN / "schedule.npy", schedule)
    blocks = packing.num_blocks(schedule, 2048)
    files.write_json(RUN / "run.json", {
        "arm": "big", "block_size": 2048, "batch_size": 16, "num_steps": -(-blocks // 16), "num_blocks": blocks,
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
    call = {"key": "0" * 64, "model": "miniature/author", "model_answered": "author-1", "settings": {"temperature": 0.7}, "sample": 0, "attempt": 0,
            "prompt": "pair", "prompt_sha256": "0" * 64, "usage": {}, "cost_usd": 0.0, "finish_reason": "stop", "response_sha256": "0" * 64}  # fmt: skip
    with open(CORPUS / "passages.jsonl", encoding="utf-8") as rows:
        found = [json.loads(row) for row in rows if f'"{document}"' in row]
    Passages(document=document, strategy="entigraph", dropped=[], passages=[
        Passage(**row, entities=["Mira Oldan", "Varn"], sample=0, writer="llm", text="Some words of it. " * 140, call=call) for row in found
    ]).write(Path(_passage_files([document])[0]))  # fmt: skip


def _measured(*question: str) -> None:
    """How long a question takes, from the start of its process to its end, and the largest memory of it."""
    command = [sys.executable, "-c", WATCH, sys.executable, "-m", "closedbook", *question]
    first, *later = [json.loads(subprocess.run(command, env={**os.environ, "PYTHONPATH": "src"}, stdout=subprocess.PIPE, check=True).stdout) for _ in range(TIMES)]
    fastest, middle = min(later), median(seconds for seconds, _, _ in later)
    print(f"closedbook {' '.join(question)}: first {first[0]:.3f} s, then fastest {fastest[0]:.3f} s ({fastest[1]:.3f} s of a core), median {middle:.3f} s; "
          f"peak {max(peak for _, _, peak in later):.0f} MB", flush=True)  # fmt: skip


if __name__ == "__main__":
    questions = {"trace": trace}
    if sys.argv[1:] not in [[name] for name in questions]:
        sys.exit(__doc__)
    questions[sys.argv[1]]()
