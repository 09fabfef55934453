"""The full study of the miniature: presets/miniature-full.yaml, varied in one place at a time, each variant in a folder of its own.

    python benchmarks/miniature.py run FOLDER base-1 base-2 narrative    hours; what is finished is not run again
    python benchmarks/miniature.py table FOLDER                          accuracies of all finished variants, as Markdown

A variant of the same seed begins with what base-1 has made, where that is finished, so that only what differs is made again: other
options need no training.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from pipeline import copy_project  # tests/pipeline.py

from closedbook import presets
from closedbook.analysis import certainty, table
from closedbook.util import files

PRESET = "miniature-full"
ONE_SEED = {"training": {"seeds": [1]}}
"""of those that train a base of their own"""
VARIANTS = {
    "base-1": {"seed": 1},
    "base-2": {"seed": 2, **ONE_SEED},
    "base-3": {"seed": 3, **ONE_SEED},
    "narrative": {"miniature": {"narrative": 0.25}, **ONE_SEED},
    "same-book-0": {"miniature": {"same_book": 0}},
    "same-book-1": {"miniature": {"same_book": 1}},
    "one-person": {"miniature": {"people": 1}, **ONE_SEED},
}
FIRST = "base-1"
ONCE = ("qa", "entigraph-qa")
"""other ways to write: arms of the first variant alone"""
ADDED = {"rewriting": ("raw", "rephrase"), "naming": ("rephrase", "rephrase-named"), "wording": ("rephrase-named", "facts"),
         "recombination": ("facts", "entigraph")}
TASK = "quality_closed_text"


def run(folder: Path, variants: list[str]) -> None:
    for variant in variants:
        place = folder / variant
        if finished(place):
            print(f"{variant}: finished", flush=True)
            continue
        if not place.exists():
            prepare(place, VARIANTS[variant])
        print(f"{variant}: snakemake in {place}", flush=True)
        subprocess.run([f"{sys.prefix}/bin/snakemake", "--cores", "2"], cwd=place, check=True)


def finished(place: Path) -> bool:
    """The report is made last."""
    return (place / "results/report/metrics.json").exists()


def prepare(place: Path, changes: dict) -> None:
    """A copy of the project with the preset changed; it appears whole or not at all."""
    part = place.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    copy_project(part)
    yaml = YAML(typ="safe", pure=True)
    data = yaml.load(presets.text(PRESET, ROOT / "presets"))
    for name, value in changes.items():
        data[name] = {**data[name], **value} if isinstance(value, dict) else value
    first = place.parent / FIRST
    if place != first:
        data["arms"] = {name: arm for name, arm in data["arms"].items() if name not in ONCE}
    yaml.dump(data, part / "params.yaml")
    if "seed" not in changes and finished(first):
        shutil.copytree(first / "results", part / "results", ignore=shutil.ignore_patterns("report"))
        shutil.copytree(first / "ledger", part / "ledger")
    part.rename(place)


def print_table(folder: Path) -> None:
    """One row per arm or step from arm to arm, one column per variant: accuracy, or what the step adds on the same questions, over all training
    seeds ± its standard error, over seeds and books (of variants with one seed, over books only)."""
    columns = {variant: answers(folder / variant) for variant in VARIANTS if finished(folder / variant)}
    if not columns:
        sys.exit(f"{folder}: no variant is finished here; begin with: python benchmarks/miniature.py run {folder} {FIRST}")
    arms = list(dict.fromkeys(arm for column in columns.values() for arm in column))
    print_rows(["arm", *columns], [[arm, *(cell(column.get(arm)) for column in columns.values())] for arm in arms])
    print()
    print_rows(["step", *columns], [[f"{what} ({one} → {other})", *(cell(added(column, one, other), "+") for column in columns.values())]
                                    for what, (one, other) in ADDED.items()])


def print_rows(header: list[str], rows: list[list[str]]) -> None:
    for line in (header, ["---", *["---:"] * (len(header) - 1)], *rows):
        print(f"| {' | '.join(line)} |")


def answers(place: Path) -> dict[str, dict[str, tuple[float, str, int | None]]]:
    """{arm: {question: (1.0 where the answer is right, book, seed)}}, the runs of all seeds together: each has books of its own."""
    arms = ("base", *YAML(typ="safe", pure=True).load(place / "params.yaml")["arms"])  # what was begun with can have had more
    found: dict[str, dict] = {}
    for score in (score for score in table.scored(list((place / "results/scores").glob("*.json"))) if score["arm"] in arms):
        rows = [row for row in files.read_json_lines(score["samples"]) if row["task"] == TASK]
        found.setdefault(score["arm"], {}).update({row["id"]: (float(row["correct"]), row["document"], score["seed"]) for row in rows})
    return found


def added(column: dict, one: str, other: str) -> dict[str, tuple[float, str, int | None]]:
    """What the other arm gets right and the one does not, question by question."""
    return {question: (right - column[one][question][0], book, seed) for question, (right, book, seed) in column[other].items()}


def cell(answered: dict[str, tuple[float, str, int | None]] | None, sign: str = "") -> str:
    if not answered:
        return "–"
    values, books, seeds = zip(*answered.values())
    return f"{fmean(values):{sign}.3f} ± {certainty.of(values, books, seeds)['stderr']:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "table"):
        commands.add_parser(name).add_argument("folder", type=Path)
    commands.choices["run"].add_argument("variants", nargs="+", choices=VARIANTS, metavar="VARIANT", help=", ".join(VARIANTS))
    asked = parser.parse_args()
    if asked.command == "run":
        run(asked.folder.resolve(), asked.variants)
    else:
        print_table(asked.folder)
