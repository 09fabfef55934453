"""The summaries stage: the base or a run sums each document up from memory, by title and author, and by its subject without naming it.

    PYTHONPATH=src python -m closedbook job summaries/RUN
"""

from pathlib import Path
from types import SimpleNamespace

from closedbook.evaluation import generating, summarising
from closedbook.params import Limits
from closedbook.records import Document, EntityList
from closedbook.stages import scores
from closedbook.util import files


def job(*, limits: Limits, **given) -> None:
    build(**given)


def build(*, model: Path, documents: list[Path], entities: list[Path], params: SimpleNamespace, output: Path) -> None:
    """Write what the model in a folder (of a run or a base) says of each document, which it is not shown.

    `params` holds of scores what says how it is asked. Raises UserError as generating.texts does.
    """
    asked = requests(documents, entities, summarising.HEADINGS)
    prompts = [request.prompt for request in asked if request.prompt]
    told = iter(generating.texts(model, prompts, params.scores))
    write(scores.facts_of(model), [row(request, *next(told)) if request.prompt else row(request) for request in asked], output)


def requests(documents: list[Path], entities: list[Path], asked: tuple[str, ...]) -> list[summarising.Request]:
    lists = {found.document: found for found in map(EntityList.read, entities)}
    return summarising.requests([*map(Document.read, documents)], lists, asked)


def row(request: summarising.Request, text: str | None = None, is_cut: bool = False, reason: str | None = None, call: dict | None = None) -> dict:
    """One summary: {"document", "kind", "prompt", "text", "cut" (whether it ended at the most tokens), "reason" why there is no text, "call"}."""
    reason = reason or (None if request.prompt or text is not None else summarising.NO_SUBJECT)
    return {**request._asdict(), "text": text, "cut": is_cut, "reason": reason, "call": call}


def write(facts: dict, rows: list[dict], output: Path) -> None:
    """`facts` say whose summaries they are."""
    files.write_json(output, {**facts, "summaries": rows})
