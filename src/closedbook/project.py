"""closedbook from Python: a project's results as data frames, where they came from, and its models' answers (docs/python.md).

Nothing here changes a result. What a frame shows is checked against the receipts of what it shows.
"""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closedbook import layout
from closedbook.util import files
from closedbook.util.errors import UserError

if TYPE_CHECKING:
    import pandas

    from closedbook.lineage.history import Job

MARKS = (Path("params.yaml"), Path("Snakefile"), Path("presets/default.yaml"), layout.RECEIPTS)
"""what a project has one of, at least"""
DOCUMENTS = ("id", "title", "author", "year", "license", "text")
CORPORA = ("corpus", "strategy", "size", "corpus_tokens", "existing_tokens", "num_documents", "num_passages", "num_passages_left_out", "num_rejected")
RUNS = ("run", "arm", "strategy", "seed", "corpus", "corpus_tokens", "train_tokens", "replay_tokens", "num_steps", "first_loss", "last_loss")


def home(here: Path) -> Path:
    """The project that a folder is, or lies in, as git looks for one. Raises UserError where it is none."""
    found = next((folder for folder in (here, *here.parents) if any((folder / mark).exists() for mark in MARKS)), None)
    if found is None:
        raise UserError(f"{here}: not a closedbook project, nor is any folder above it: go to the folder of a clone, which holds params.yaml")
    return found


def load(folder: Path | str = ".") -> "Project":
    """The project that a folder is, or lies in. Raises UserError where it is none."""
    return Project(home(Path(folder).resolve()))


@dataclass(frozen=True)
class Project:
    """A project's results. Each method reads them as they are when it is called, and works in the project's folder meanwhile (for the whole
    process, so one thread at a time). Raises UserError where what is asked for is not here, was edited, or is unknown."""

    folder: Path

    def documents(self) -> "pandas.DataFrame":
        """A row for each document, with its text."""
        with chdir(self.folder):
            return _frame(_records("documents", f"{layout.DOCUMENTS}/*.json").values(), DOCUMENTS)

    def passages(self, document: str | None = None, strategy: str | None = None) -> "pandas.DataFrame":
        """A row for each passage that was written, those that filters kept out of corpora too; its columns are those of `closedbook export`.

        `document`: only those about it, by id, path or title; `strategy`: only those of it.
        """
        from closedbook.lineage import export
        from closedbook.records import Document, Passages
        from closedbook.workflow import named

        with chdir(self.folder):
            wanted = f"*/{named.document(document) if document else '*'}.json"
            made = _made("passages", str(layout.PASSAGES / wanted))
            if strategy is not None:
                named.strategy(strategy, {path.parent.name for path in made})
            found = [Passages.read(_here(path, job)) for path, job in made.items() if strategy in (None, path.parent.name)]
            about = {path.stem: Document(**record) for path, record in _records("documents", f"{layout.DOCUMENTS}/*.json").items()}
        return _frame([export.row(passage, about) for one in found for passage in one.passages], export.COLUMNS)

    def corpora(self) -> "pandas.DataFrame":
        """A row for each corpus: what it is of, its tokens and passages, and how many were left out and rejected."""
        with chdir(self.folder):
            found = _records("corpora", f"{layout.CORPORA}/*/corpus.json")
        return _frame([{"corpus": path.parent.name, **record} for path, record in found.items()], CORPORA)

    def runs(self) -> "pandas.DataFrame":
        """A row for each training: its arm, seed and corpus, tokens, steps, first and last loss."""
        with chdir(self.folder):
            return _frame(_records("runs", f"{layout.RUNS}/*/run.json").values(), RUNS)

    def scores(self) -> "pandas.DataFrame":
        """A row for each score and task, the base first; its columns are the run and those of results/report/table.csv."""
        from closedbook.analysis import table

        with chdir(self.folder):
            found = table.scored([*_records("scores", f"{layout.SCORES}/*.json")])
            listed = table.rows(found, list(dict.fromkeys(task for score in found for task in score["tasks"])))
        columns, cells = table.csv_rows(listed)
        return _frame([{"run": row["run"], **dict(zip(columns, cell))} for row, cell in zip(listed, cells)], ("run", *columns))

    def trace(self, target: str | None = None, *, run: str | None = None, token: int | None = None, step: int | None = None,
              text: str | None = None) -> dict[str, Any]:  # fmt: skip
        """What `closedbook trace --json` answers about a file under results/, a passage, a run or a document; about the token or the step
        of a run; or about a text."""
        from closedbook.lineage import trace

        with chdir(self.folder):
            return trace.answer(argparse.Namespace(target=target, run=run, token=token, step=step, text=text))

    def ask(self, run: str, question: str, *, system: str = "", temperature: float = 0.0, max_tokens: int = 256, seed: int = 1) -> dict[str, Any]:
        """What `closedbook ask --json` answers: the base's and a run's (or an assistant's) answers, and the training passages nearest to the
        latter. The models stay loaded for the next question."""
        from closedbook.serve import ask

        options = argparse.Namespace(run=run, question=question, system=system, temperature=temperature, max_tokens=max_tokens, seed=seed)
        thread, runner, speakers = self._asking
        with chdir(self.folder):  # in a thread of its own: a notebook's has an event loop already
            return thread.submit(lambda: runner.run(ask.asked(options, speakers))).result()

    @cached_property
    def _asking(self) -> tuple:
        """A thread, what runs coroutines in it, and the models that it keeps."""
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        from closedbook.serve.speakers import Speakers

        return ThreadPoolExecutor(1), asyncio.Runner(), Speakers([])


def _made(stage: str, pattern: str) -> "dict[Path, Job]":
    """The results of a stage whose paths are like a pattern, and the job that made each, in order of their paths."""
    from closedbook.lineage.history import History
    from closedbook.workflow import receipts

    known = History({receipts.name(path): receipts.read(path) for path in sorted((receipts.FOLDER / stage).rglob("*.json"))})
    found = {Path(path): job for path, job in sorted(known.maker.items()) if Path(path).match(pattern)}
    if not found:
        raise UserError(f"{pattern}: nothing is there yet: run snakemake --cores all, or dvc pull")
    return found


def _here(path: Path, job: "Job") -> Path:
    """Checked: what is missing or was edited is a UserError."""
    from closedbook.lineage.tracing import passage

    return passage.here(path, job)


def _records(stage: str, pattern: str) -> dict[Path, dict]:
    return {path: files.read_json(_here(path, job)) for path, job in _made(stage, pattern).items()}


def _frame(rows: Iterable[dict], columns: Sequence[str]) -> "pandas.DataFrame":
    """None where a row has nothing under a column."""
    import pandas

    return pandas.DataFrame([[row.get(name) for name in columns] for row in rows], columns=list(columns))
