"""Whose a score, or a summary, is: what it says of the model that was asked."""

from pathlib import Path

from closedbook.util import files

BASE = {"run": "base", "arm": "base", "strategy": "base", "corpus_tokens": 0, "train_tokens": 0, "seed": None}
"""what stands of the base in an arm's place: it has read nothing of the documents"""


def model(folder: Path) -> dict:
    """Of a run, with its run.json, or of a base, with its base.json."""
    if (folder / "base.json").exists():
        return BASE
    run = files.read_json(folder / "run.json")
    return {name: run[name] for name in BASE}


def other(name: str, kind: str) -> dict:
    """Of one that was not trained here: an API model, or people."""
    return BASE | {"run": name, "arm": name, "strategy": kind}
