"""How often a 95% interval holds the truth: ours, that over documents alone, and two-stage draws of seeds and documents.

    PYTHONPATH=src python benchmarks/intervals.py

Answers of made models, whose true accuracy, or difference in accuracy, is known (tests/simulated.py). Nested: each seed has documents of
its own, as in the miniature; crossed: every seed is asked about all documents. In the draws, a bootstrap, seeds are drawn with replacement
and, within each (nested) or for all (crossed), documents; the interval is from their percentiles.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from simulated import answers  # tests/simulated.py

from closedbook.analysis import certainty

DESIGNS = {
    "nested, 3 × 16": {"seeds": 3, "documents": 16, "nested": True},
    "crossed, 3 × 48": {"seeds": 3, "documents": 48, "nested": False},
    "crossed, 2 × 48": {"seeds": 2, "documents": 48, "nested": False},
    "crossed, 5 × 48": {"seeds": 5, "documents": 48, "nested": False},
    "crossed, 3 × 265": {"seeds": 3, "documents": 265, "nested": False},
    "one seed, 16": {"seeds": 1, "documents": 16, "nested": False},
    "one seed, 48": {"seeds": 1, "documents": 48, "nested": False},
}
SD_SEEDS = (0.0, 0.05, 0.15, 0.3)
"""of the luck of a seed; 0.05, 0.15 and 0.3 move an accuracy of .67 by some .016, .047 and .094"""
MEANS = {"accuracy": (0.5,), "difference": (0.2, 0.5)}
RESAMPLES = 400


def drawn(values: list[float], draws: np.random.Generator, *, seeds: int, documents: int, nested: bool) -> list[float]:
    """Percentiles of the means of draws of seeds and documents, each of as many as there are."""
    means = np.reshape(values, (seeds, documents, -1)).mean(axis=2)
    rows = draws.integers(seeds, size=(RESAMPLES, seeds, 1))
    columns = draws.integers(documents, size=(RESAMPLES, seeds if nested else 1, documents))
    return [float(end) for end in np.percentile(means[rows, columns].mean(axis=(1, 2)), (2.5, 97.5))]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=1000)
    options.add_argument("--questions", type=int, default=12, help="of each document")
    given = options.parse_args()
    print("| what | design | sd of seeds | ours | documents alone | drawn | half-width: ours | documents alone | drawn |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for what, means in MEANS.items():
        for name, design in DESIGNS.items():
            for sd_seed in SD_SEEDS:
                draws, held, widths = np.random.default_rng(1), np.zeros(3), np.zeros(3)
                for _ in range(given.repeats):
                    values, documents, seeds, truth = answers(draws, **design, questions=given.questions, sd_seed=sd_seed, means=means)
                    found = (certainty.of(values, documents, seeds)["interval"],
                             certainty.of(values, documents, [None] * len(values))["interval"],
                             drawn(values, draws, **design))  # fmt: skip
                    held += [low <= truth <= high for low, high in found]
                    widths += [(high - low) / 2 for low, high in found]
                cells = [f"{one / given.repeats:.3f}" for one in (*held, *widths)]
                print(f"| {what} | {name} | {sd_seed:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
