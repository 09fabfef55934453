"""The readers step: a model behind an API answers the questions that runs are scored on.

    PYTHONPATH=src python -m closedbook job scores/reader-NAME
"""

from pathlib import Path
from types import SimpleNamespace

from closedbook.evaluation import harness, tasks
from closedbook.params import Limits
from closedbook.records import Document
from closedbook.stages import scores


def job(**given) -> None:
    build(**given)


def build(
    *, questions: list[Path], documents: list[Path], retrieved: list[Path], params: SimpleNamespace, limits: Limits, output: Path,
    samples: Path, include_path: Path = tasks.FOLDER,
) -> None:
    """Score the reader `params.name` as a run is scored: the numbers into `output`, the answers behind them into `samples`.

    `params` holds name, reader, seed, the reader's tasks and how responses are sampled (scores), and retrieval where a task shows chunks.
    Raises UserError for a task that measures log-likelihoods, and where the model can't be reached or used at all.
    """
    tasks.check_in_words(params.scores.tasks, params.reader.model)
    name, asked = f"reader-{params.name}", scores.rows(questions)
    scored = {}
    if asked:
        from closedbook.evaluation.api_model import Reader

        texts = {document.id: document for document in map(Document.read, documents)}
        where, reader = scores.places(questions, documents, retrieved), Reader(name, params.reader, limits, texts, params.seed)
        scored = harness.measure(reader, params, where, include_path, what=f"readers.{params.name}")
    facts = {"run": name, "arm": name, "strategy": "reader", "corpus_tokens": 0, "train_tokens": 0, "seed": None}
    scores.write(facts, asked, scored, output, samples)
