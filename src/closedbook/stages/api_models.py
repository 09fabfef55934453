"""The api_models stage: a model behind an API answers the questions that runs are scored on.

    PYTHONPATH=src python -m closedbook job scores/api-NAME
"""

from pathlib import Path
from types import SimpleNamespace

from closedbook import llm
from closedbook.evaluation import harness, tasks, whose
from closedbook.params import API, Limits
from closedbook.records import Document
from closedbook.stages import scores


def job(**given) -> None:
    build(**given)


def build(
    *, questions: list[Path], documents: list[Path], retrieved: list[Path], params: SimpleNamespace, limits: Limits, output: Path,
    samples: Path, include_path: Path = tasks.FOLDER,
) -> None:
    """Score the API model `params.name` as a run is scored: the numbers into `output`, the answers behind them into `samples`.

    `params` holds name, api_model, seed, its tasks and how responses are sampled (scores), and retrieval where a task shows chunks.
    Raises UserError for a task that measures log-likelihoods, and where the model can't be reached or used at all.
    """
    tasks.check_in_words(params.scores.tasks, params.api_model.model)
    name, asked = f"{API}{params.name}", scores.rows(questions)
    scored = {}
    if asked:
        from closedbook.evaluation.api_model import ApiModel

        texts = {document.id: document for document in map(Document.read, documents)}
        where, model = scores.places(questions, documents, retrieved), ApiModel(params.name, params.api_model, limits, texts, params.seed)
        scored = harness.measure(model, params, where, include_path, what=f"api_models.{params.name}")
        if model.is_postponed:
            raise llm.Postponed
    scores.write(whose.other(name, "api_model"), asked, scored, output, samples)
