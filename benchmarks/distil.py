"""Distillation beside next-token training, in turns in one process, on a corpus of a project in which `snakemake corpora` has run.

    PYTHONPATH=src python benchmarks/distil.py CORPUS [--steps 40] [--rounds 3]

Prints tokens per second of each round, the ratios of the best ones, and the bytes of a teacher for each token. On CPUs the seconds are the
process's own, so that other work on the machine is in none of them.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from time import monotonic, process_time

import numpy as np
from training import ours

from closedbook import layout, models, params
from closedbook.stages import teacher
from closedbook.training import packing
from closedbook.training.reading import Rows, Texts, name_of
from closedbook.util import files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings, corpus = params.load().training, layout.CORPORA / options.corpus
    clock = process_time if settings.device == "cpu" else monotonic
    texts, found = Texts.of_corpus(corpus), {"teacher": [], "next_token": [], "distil": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            place = Path(folder) / str(number)
            found["teacher"].append(taught(corpus, settings, texts.num_tokens, place, clock))
            for objective, rows in (("next_token", None), ("distil", Rows(place))):
                given = settings.model_copy(update={"objective": objective})
                found[objective].append(ours(models.model(layout.BASE, "float32"), given, blocks(texts, given, options.steps, rows), clock))
            print(f"round {number + 1}:", ", ".join(f"{name} {rates[-1]:,.0f} tokens/s" for name, rates in found.items()), flush=True)
        size = sum(path.stat().st_size for path in place.glob("*.npy")) / texts.num_tokens
    best = {name: max(rates) for name, rates in found.items()}
    print(f"teacher beside next-token training {best['teacher'] / best['next_token']:.2f}, distil beside it {best['distil'] / best['next_token']:.2f}; "
          f"{size:.1f} bytes a token")  # fmt: skip


def taught(corpus: Path, settings: params.Training, num_tokens: int, folder: Path, clock) -> float:
    """Tokens per second of the stage, loading and digests included."""
    work = folder.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    folder.mkdir()
    began = clock()
    pieces = [layout.TOKENS / f"{name}.npy" for name in files.read_json(corpus / "pieces.json")]
    documents = [layout.document(name) for name in dict.fromkeys(name_of(path).partition("/")[2] for path in pieces)]
    teacher.build(corpus=corpus, pieces=pieces, documents=documents, passages=[], reference=layout.BASE_FACTS, words=None, settings=settings,
                  checkpoints=work, folder=folder)  # fmt: skip
    return num_tokens / (clock() - began)


def blocks(texts: Texts, settings: params.Training, steps: int, rows: Rows | None) -> packing.PackedDataset:
    """Those of so many steps over a corpus."""
    empty = Texts([], np.zeros((0, 3), np.int64))
    schedule = packing.schedule([texts, empty], [steps * settings.batch_size * settings.block_size, 0], seed=1, run_seed=1)
    return packing.PackedDataset([texts, empty], schedule, settings.block_size, 0, rows)


if __name__ == "__main__":
    main()
