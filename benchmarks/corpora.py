"""From made-up passages to a corpus: peak memory, and tokenising beside plain encode_batch_fast over the same texts in the same run.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/corpora.py [PASSAGES] [near] [listed]

Passages of about 1,050 tokens, 1,800 of each document; each step is a process of its own, as Snakemake's would be, and works through the stages'
own functions. Of every tenth document the texts are tokenised once more by encode_batch_fast alone, before or after in turn; beside other work,
seconds of processors say more than those of the clock. With `near`, near duplicates are looked for too. With `listed` the pieces are made up as
well, so that only the corpus is made: what is left to hold in memory at a size that takes long to tokenise.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from closedbook import params
from closedbook.records import Passage, Passages
from closedbook.stages import corpora, overlap, tokens
from closedbook.training import tokenizing
from closedbook.util import arrays, files

PAPER, OF_A_DOCUMENT, SENTENCES, WORDS = 475_000, 1_800, 46, 14
EVERY = 10


def settings(near: bool) -> params.Filters:
    return params.Filters(min_words=20, max_words=5000, languages=None, question_words=8, near_duplicates=0.8 if near else None)


def made(folder: Path, number: int) -> None:
    """Write a tokenizer and passages: sentences that are drawn from 50,000, so that no two passages are alike."""
    rng = np.random.default_rng(1)
    vocabulary = ["".join(rng.choice(list("etaoinshrdlu"), rng.integers(2, 10))) for _ in range(20_000)]
    sentences = [" ".join(vocabulary[place] for place in row) + "." for row in rng.integers(0, len(vocabulary), (50_000, WORDS))]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel()
    bpe.train_from_iterator(sentences[:10_000], trainers.BpeTrainer(vocab_size=16_000, special_tokens=["<eos>"], show_progress=False))
    folder.mkdir(exist_ok=True)
    bpe.save(str(folder / "tokenizer.json"))
    files.write_json(folder / "base.json", {"before_text": [], "end_of_text_id": 0, "tokenizer_sha256": ""})
    for document, first in enumerate(range(0, number, OF_A_DOCUMENT)):
        drawn = rng.integers(0, len(sentences), (min(OF_A_DOCUMENT, number - first), SENTENCES))
        passages = [Passage(id=f"d{document}/entigraph/{place:012x}", document=f"d{document}", strategy="entigraph", kind="pair", entities=[], sample=0,
                            writer="llm", text=" ".join(sentences[one] for one in row), call=None) for place, row in enumerate(drawn)]  # fmt: skip
        Passages(document=f"d{document}", strategy="entigraph", passages=passages, dropped=[]).write(folder / "passages" / "entigraph" / f"d{document}.json")


def tokenised(folder: Path, near: bool) -> dict:
    """All documents in one process, as a shard's; seconds of all, of tokenising, and of both ways where they are compared."""
    plain = tokenizing._tokenizer(folder / "tokenizer.json", (folder / "tokenizer.json").stat().st_mtime_ns)
    spent = dict.fromkeys(("tokenising", "ours", "plain", "ours_cpu", "plain_cpu"), 0.0)
    write, is_compared = arrays.write_joined, False

    def timed(path, ids):
        begun, used = time.perf_counter(), time.process_time()
        lengths = write(path, ids)
        spent["tokenising"] += time.perf_counter() - begun
        if is_compared:
            spent["ours"] += time.perf_counter() - begun
            spent["ours_cpu"] += time.process_time() - used
        return lengths

    def without(texts):
        begun, used = time.perf_counter(), time.process_time()
        plain.encode_batch_fast(texts, add_special_tokens=False)
        spent["plain"] += time.perf_counter() - begun
        spent["plain_cpu"] += time.process_time() - used

    arrays.write_joined = timed
    started, aside = time.perf_counter(), 0.0
    for number, path in enumerate(sorted(folder.glob("passages/entigraph/*.json"))):
        is_compared, piece = number % EVERY == 0, folder / "tokens" / "entigraph" / path.stem
        begun = time.perf_counter()
        texts = [passage.text for passage in Passages.read(path).passages] if is_compared else []
        if is_compared and number // EVERY % 2 == 0:
            without(texts)
        aside += time.perf_counter() - begun
        tokens.build(passages=path, tokenizer=folder / "tokenizer.json", pinned=folder / "base.json", settings=settings(near),
                     tokens=piece.with_suffix(".npy"), index=piece.with_suffix(".jsonl"), sketches=piece.with_suffix(".sketches.npy") if near else None)  # fmt: skip
        begun = time.perf_counter()
        if is_compared and number // EVERY % 2:
            without(texts)
        aside += time.perf_counter() - begun
    return {"seconds": time.perf_counter() - started - aside, **spent}


def looked(folder: Path, near: bool) -> dict:
    started = time.perf_counter()
    overlap.build(passages=sorted(folder.glob("passages/entigraph/*.json")), questions=[], documents=[], question_words=8, output=folder / "overlap.jsonl")
    return {"seconds": time.perf_counter() - started}


def listed(folder: Path, near: bool) -> dict:
    started, index = time.perf_counter(), sorted(folder.glob("tokens/entigraph/*.jsonl"))
    arm = params.Arm(strategy="entigraph", corpus_tokens="all", epochs=1)
    corpora.build(arm=arm, arms={"toy": arm}, shares={"entigraph": 1}, filters=settings(near), num_held_out=0, index=index,
                  pieces=[path.with_suffix(".npy") for path in index],
                  sketches=[path.with_suffix(".sketches.npy") for path in index] if near else [], overlap=[folder / "overlap.jsonl"],
                  pinned=folder / "base.json", seed=1, folder=folder / "corpus")  # fmt: skip
    facts = files.read_json(folder / "corpus" / "corpus.json")
    return {"seconds": time.perf_counter() - started, "tokens": facts["corpus_tokens"], "passages": facts["num_passages"], "rejected": facts["num_rejected"],
            "bytes": sum(path.stat().st_size for path in (folder / "corpus").iterdir())}  # fmt: skip


STEPS = {"tokens": tokenised, "overlap": looked, "corpus": listed}


def pieces(folder: Path, number: int, near: bool) -> None:
    """Made-up results of the stage tokens, 1,050 tokens a passage."""
    rng = np.random.default_rng(1)
    files.write_json(folder / "base.json", {"before_text": [], "end_of_text_id": 0, "tokenizer_sha256": ""})
    files.write_json_lines(folder / "overlap.jsonl", [])
    for document, first in enumerate(range(0, number, OF_A_DOCUMENT)):
        piece, size = folder / "tokens" / "entigraph" / f"d{document}", min(OF_A_DOCUMENT, number - first)
        files.write_json_lines(piece.with_suffix(".jsonl"), [
            {"id": f"d{document}/entigraph/{place:012x}", "kind": "pair", "tokens": 1050, "words": rng.bytes(16).hex(), "rejected": None} for place in range(size)])  # fmt: skip
        arrays.write(piece.with_suffix(".npy"), rng.integers(0, 16_000, size * 1050, np.uint32))
        if near:
            arrays.write(piece.with_suffix(".sketches.npy"), rng.integers(0, 2**32 - 1, (size, 128), np.uint32))


def main(number: int, near: bool, is_listed: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        pieces(Path(place), number, near) if is_listed else made(Path(place), number)
        for step in ("corpus",) if is_listed else STEPS:
            done = subprocess.run([sys.executable, __file__, step, place, str(int(near))], check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(f"{step}: {', '.join(f'{name} {value:,.1f}' if isinstance(value, float) else f'{name} {value:,}' for name, value in found.items())}", flush=True)
            if step == "tokens":
                print(f"the rate of plain encode_batch_fast: {found['plain'] / found['ours']:.3f} of it by the clock, "
                      f"{found['plain_cpu'] / found['ours_cpu']:.3f} by processors", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in STEPS:
        result = STEPS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3] == "1")
        print(json.dumps(result | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
    else:
        numbers = [int(given) for given in sys.argv[1:] if given.isdigit()]
        main(numbers[0] if numbers else PAPER, "near" in sys.argv, "listed" in sys.argv)
