"""Whose a score, or a summary, is: what it says of the model that was asked."""

from pathlib import Path

from closedbook import models
from closedbook.util import files

BASE = {"run": "base", "arm": "base", "strategy": "base", "corpus_tokens": 0, "train_tokens": 0, "seed": None}
"""what stands of the base in an arm's place: it has read nothing of the documents"""
ASSISTANT = "assistant"
"""in a strategy's place: they stand beside runs in tables, and not on a curve of tokens"""
RELEASED = "released"
"""the same, of models that exist and were not trained here"""


def model(folder: Path) -> dict:
    """Of a run, with its run.json; of a base, with its base.json, or of the released model that is the arm which this file names; or of an
    assistant, with its assistant.json: its name then stands in an arm's place, and "of" says what it was made from."""
    if (folder / "base.json").exists():
        its = files.read_json(folder / "base.json")
        if "arm" not in its:
            return BASE
        return other(its["arm"], RELEASED) | {"released": {name: its[name] for name in ("model", "revision", "sha256")}}
    its = models.facts(folder)
    if models.is_assistant(folder):
        its |= {"of": {name: its.get(name) for name in ("run", "arm", "method", "strength")} | {"is_chosen": bool(its.get("tried"))}}
        its |= {"run": its["assistant"], "arm": its["name"], "strategy": ASSISTANT}
    return {name: its[name] for name in (*BASE, "of") if name in its}


def refused(folder: Path) -> str | None:
    """Why a run was not trained; None of one that was, and of all else."""
    return None if (folder / "base.json").exists() else models.facts(folder).get("refused")


def other(name: str, kind: str) -> dict:
    """Of one that was not trained here: an API model, or people."""
    return BASE | {"run": name, "arm": name, "strategy": kind}
