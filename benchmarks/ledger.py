"""What the ledger costs at a size that no test can have: opening a document's segment, and the questions about the whole of it.

    python benchmarks/ledger.py [DOCUMENTS]     so many documents with 1,800 calls each, as EntiGraph's paper asks (56: 100,800 calls)
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "src"))

from closedbook import llm, params
from closedbook.llm import prompts
from closedbook.llm.ledger import ANSWERED, Ledger  # noqa: E402
from closedbook.records import Document  # noqa: E402
from closedbook.util import files  # noqa: E402

CALLS, WORDS_A_DOCUMENT, WORDS_AN_ANSWER = 1_800, 5_000, 700
TIMES = 7
WORDS = [f"{first}{last}" for first in ("har", "win", "cap", "lan", "spring", "o") for last in ("bour", "ter", "tain", "tern", "s", "ver")]
QUESTIONS = (["ledger", "stats"], ["spent"], ["ledger", "verify"])


def main(documents: int = 56) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number in range(documents):
            _write(f"document-{number:04}")
        segments = sorted(Path("ledger").glob("*/*.jsonl"))
        total = sum(path.stat().st_size for path in segments)
        print(f"{documents * CALLS:,} calls in {documents} segments, {total / 1e6:,.0f} MB", flush=True)
        size = segments[0].stat().st_size / 1e6
        print(f"opening a segment of {CALLS:,} calls, {size:.1f} MB: {median(map(_opened, segments[:TIMES])):.3f} s")
        for question in QUESTIONS:
            seconds = [_asked(question) for _ in range(TIMES)]
            print(f"closedbook {' '.join(question)}: {median(seconds):.2f} s (first {seconds[0]:.2f} s)", flush=True)


def _write(name: str) -> None:
    draw = random.Random(name)
    document = Document(id=name, title=name, author=None, year=None, text=" ".join(draw.choices(WORDS, k=WORDS_A_DOCUMENT)))
    settings = params.load(ROOT / "params.yaml").llm.model_copy(update={"model": "openai/toy"})
    messages = prompts.messages("pair", document, first="the harbour", second="the captain")
    request = llm.asked(settings, 1, "pair", messages, sample=0, attempt=0)
    with Ledger("entigraph", name) as ledger:
        for number in range(CALLS):
            text = " ".join(draw.choices(WORDS, k=WORDS_AN_ANSWER)) + "\n\n"
            ledger.append({**request, "key": files.sha256_text(f"{name} {number}"), **_answer(text), "time": 1.7e9 + number}, document.text)


def _answer(text: str) -> dict:
    return {"outcome": ANSWERED, "reason": None, "try": 1, "seconds": 9.5, "gen_ai.response.id": "x", "gen_ai.response.model": "toy-0001",
            "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": 6_600, "gen_ai.usage.output_tokens": 950, "text": text,
            "refusal": None, "response_sha256": files.sha256_text(text), "cost_usd": 0.01, "prices": "params",
            "error.type": None, "error": None,
            "counted": {"input_tokens": 6_600, "output_tokens": 950, "usd": 0.01}}  # fmt: skip


def _opened(segment: Path) -> float:
    started = time.perf_counter()
    with Ledger(segment.parent.name, segment.stem) as ledger:
        assert ledger.find(files.sha256_text(f"{segment.stem} 0"))
        return time.perf_counter() - started


def _asked(question: list[str]) -> float:
    """In a process of its own, as a user asks."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "closedbook", *question]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    if sys.argv[1:] == [] or (len(sys.argv) == 2 and sys.argv[1].isdecimal()):
        main(*map(int, sys.argv[1:]))
    else:
        sys.exit(__doc__)
