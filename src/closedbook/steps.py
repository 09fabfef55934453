"""The steps as commands: which files each reads and writes, and the function that does it.

A step's module is imported only when it runs: some load for seconds. Options that a recipe holds come from the recipe alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from closedbook.params import Limits  # loads pydantic, which most commands never need


@dataclass(frozen=True, kw_only=True)
class Step:
    run: Callable
    """called with what the recipe holds, the limits, and the options by name; may return facts for the receipt"""
    inputs: tuple[str, ...] = ()
    """options that name a file to read, or a folder of which all files are read"""
    per_document: tuple[str, ...] = ()
    """options that name folders of which the file of each document of the recipe is read; the step gets the files"""
    lists: tuple[str, ...] = ()
    """options that name any number of files to read, or of folders of which all files are read"""
    outputs: tuple[str, ...] = ()
    """options that name a file to write"""
    folders: tuple[str, ...] = ()
    """options that name a folder to write: the step gets an empty one, whose files take their places once all are there"""
    work: tuple[str, ...] = ()
    """options that name a folder for what is half done"""
    values: tuple[str, ...] = ()
    """options that are not paths"""


def _documents(recipe: SimpleNamespace, limits: Limits, **paths: Path) -> None:
    from closedbook import documents

    documents.build(**paths)


def _base(recipe: SimpleNamespace, limits: Limits, *, files: list[Path], **paths: Path) -> None:
    from closedbook import base

    base.build(params=recipe, world=files[0] if recipe.base.model == "miniature" else None, place=Path("results/base"), **paths)


def _entities(recipe: SimpleNamespace, limits: Limits, **paths: Path) -> dict:
    from closedbook import entities

    return entities.build(params=recipe, limits=limits, **paths)


def _passages(recipe: SimpleNamespace, limits: Limits, **options) -> dict:
    from closedbook import passages

    return passages.build(params=recipe, limits=limits, **options)


def _judgements(recipe: SimpleNamespace, limits: Limits, **paths) -> dict:
    from closedbook import judgements

    return judgements.build(params=recipe, limits=limits, **paths)


def _corpora(recipe: SimpleNamespace, limits: Limits, **paths) -> None:
    from closedbook import corpora

    corpora.build(name=recipe.name, arm=recipe.arm, shares=recipe.shares, filters=recipe.filters, seed=recipe.seed,
                  replay_rate=recipe.replay["rate"], held_out=recipe.replay["held_out"], **paths)


def _runs(recipe: SimpleNamespace, limits: Limits, *, base: Path, **paths: Path) -> None:
    from closedbook import runs

    runs.build(settings=recipe.training, run_seed=recipe.run_seed, seed=recipe.seed, reference=base / "base.json", **paths)


def _retrieval(recipe: SimpleNamespace, limits: Limits, **paths) -> None:
    from closedbook import retrieval

    retrieval.build(settings=recipe.retrieval, limits=limits, **paths)


def _scores(recipe: SimpleNamespace, limits: Limits, **paths) -> None:
    from closedbook import scores

    scores.build(params=recipe, **paths)


def _readers(recipe: SimpleNamespace, limits: Limits, **paths) -> None:
    from closedbook import readers

    readers.build(params=recipe, limits=limits, **paths)


def _report(recipe: SimpleNamespace, limits: Limits, **paths) -> None:
    from closedbook import report

    report.build(tasks=recipe.scores.tasks, settings=recipe.report, seed=recipe.seed, **paths)


STEPS = {
    "documents": Step(run=_documents, inputs=("source",), outputs=("document", "questions")),
    "base": Step(run=_base, lists=("files",), folders=("folder",), work=("checkpoints",)),
    "entities": Step(run=_entities, inputs=("document",), outputs=("output",)),
    "passages": Step(run=_passages, inputs=("document",), lists=("entities",), outputs=("output",), values=("strategy",)),
    "judgements": Step(run=_judgements, per_document=("documents", "passages"), folders=("folder",)),
    "corpora": Step(run=_corpora, inputs=("base", "replay"), per_document=("passages", "questions", "documents"), folders=("folder",)),
    "runs": Step(run=_runs, inputs=("corpus", "base"), folders=("folder",), work=("checkpoints",)),
    "retrieval": Step(run=_retrieval, per_document=("documents", "questions"), folders=("folder",)),
    "scores": Step(run=_scores, inputs=("model",), per_document=("questions", "documents"), lists=("retrieved", "replay"),
                   outputs=("output", "samples")),
    "readers": Step(run=_readers, per_document=("questions", "documents"), lists=("retrieved",), outputs=("output", "samples")),
    "report": Step(run=_report, per_document=("documents", "entities", "passages"),
                   lists=("corpora", "scores", "samples", "runs", "judgements"),
                   folders=("folder",)),
}
STAGES = tuple(name for name in STEPS if name != "readers")
"""the stages of dvc.yaml, in their order; a reader's score is made in the stage of the scores"""
