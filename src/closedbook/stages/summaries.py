"""The summaries stage: the base, a run or an assistant sums each document up from memory, by title and author, and by its subject without naming it.

    PYTHONPATH=src python -m closedbook job summaries/RUN
"""

from pathlib import Path
from types import SimpleNamespace

from closedbook import models
from closedbook.evaluation import generating, summarising, whose
from closedbook.params import Limits


def job(*, limits: Limits, **given) -> None:
    build(**given)


def build(*, model: Path, documents: list[Path], entities: list[Path], params: SimpleNamespace, output: Path) -> None:
    """Write what the model in a folder (of a run, a base or an assistant) says of each document, which it is not shown; nothing of a run
    that was refused.

    `params` holds of scores what says how it is asked. Raises UserError as generating.texts does.
    """
    if whose.refused(model):
        summarising.write(whose.model(model), [], output)
        return
    asked = summarising.requests(documents, entities, summarising.CHAT if models.is_assistant(model) else summarising.HEADINGS)
    prompts = [request.prompt for request in asked if request.prompt]
    told = iter(generating.texts(model, prompts, params.scores))
    rows = [summarising.row(request, *next(told)) if request.prompt else summarising.row(request) for request in asked]
    summarising.write(whose.model(model), rows, output)
