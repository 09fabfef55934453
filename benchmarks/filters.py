"""What filtering passages costs, rule by rule, beside tokenising the same ones in the same run.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/filters.py [PASSAGES]

Made-up passages of 500 words, whose language cannot be detected (that takes longest), a tenth of which repeat an earlier one but for some words; 4,609 made-up questions about 265 documents of 5,000
words. Prints seconds for the paper's 265,000 passages too, as far as these grow with their number.
"""

import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from closedbook.generation.filters import exact, language, length, near, question
from closedbook.records import Document
from closedbook.util import files

PAPER, DOCUMENTS, QUESTIONS = 265_000, 265, 4_609
ALONE = {"length": partial(length.rule, 20, None), "language": partial(language.rule, ["en"]), "question": partial(question.rule, 8)}
SEVERAL = {"exact_duplicate": (exact.digest, exact.rule), "near_duplicate": (near.sketch, partial(near.rule, 0.8))}
"""what is kept of each passage, and the rule that compares"""


def texts(rng, number, words, vocabulary):
    return [" ".join(vocabulary[place] for place in row) for row in rng.integers(0, len(vocabulary), (number, words))]


def passages(rng, number, vocabulary):
    found = texts(rng, number, 500, vocabulary)
    for place in range(9, number, 10):
        found[place] = found[place - 9].replace(" the ", " this ", 3)
    return [({"id": str(place), "document": "d"}, text) for place, text in enumerate(found)]


def questions(rng, folder, vocabulary):
    """(files of questions, files of documents)"""
    asked, documents = [], []
    for number in range(DOCUMENTS):
        asked.append(folder / "questions" / f"{number}.json")
        documents.append(folder / "documents" / f"{number}.json")
        rows = [{"id": f"{number}-{row}", "question": texts(rng, 1, 12, vocabulary)[0] + "?", "options": texts(rng, 4, 8, vocabulary)}
                for row in range(QUESTIONS // DOCUMENTS + 1)]  # fmt: skip
        files.write_json(asked[-1], rows)
        Document(id=str(number), title="A", author=None, year=None, text=texts(rng, 1, 5000, vocabulary)[0]).write(documents[-1])
    return asked, documents


def main(number: int) -> None:
    rng = np.random.default_rng(1)
    letters = list("etaoinshrdlu")
    vocabulary = ["the", "of", "and", *("".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(20_000))]
    some = passages(rng, number, vocabulary)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel()
    bpe.train_from_iterator([text for _, text in some[:500]], trainers.BpeTrainer(vocab_size=4000, show_progress=False))
    began = time.perf_counter()
    bpe.encode_batch_fast([text for _, text in some])
    tokenising = time.perf_counter() - began
    print(f"{number:,} passages; tokenising {tokenising:.2f} s")
    print(f"{'rule':<16}{'to begin, s':>12}{'s':>8}{'of tokenising':>15}{'caught':>8}{f's for {PAPER:,}':>15}")
    with tempfile.TemporaryDirectory() as folder:
        asked = questions(rng, Path(folder), vocabulary)
        for name, make in ALONE.items():
            began = time.perf_counter()
            rule = make(*asked) if name == "question" else make()
            _measured(name, began, tokenising, number, lambda rule=rule: [rule(text) for _, text in some])
        for name, (kept, make) in SEVERAL.items():
            _measured(name, time.perf_counter(), tokenising, number, lambda kept=kept, make=make: _compared(some, kept, make))
    print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:,.0f} MB")


def _measured(name: str, began: float, tokenising: float, number: int, look) -> None:
    ready = time.perf_counter()
    caught = sum(detail is not None for detail in look())
    took = time.perf_counter() - ready
    print(f"{name:<16}{ready - began:>12.2f}{took:>8.2f}{took / tokenising:>15.2f}{caught:>8,}{ready - began + took * PAPER / number:>15.0f}")


def _compared(some: list[tuple[dict, str]], kept, make) -> list[dict | None]:
    """What is kept of each passage, as the stage tokens does, and then the rule over all, as corpora do."""
    rule = make(np.array([kept(text) for _, text in some]), [row["id"] for row, _ in some])
    return [rule(number) for number in range(len(some))]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
