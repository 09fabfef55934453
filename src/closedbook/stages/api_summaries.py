"""The api_summaries stage: a model behind an API sums the documents up that runs sum up.

    PYTHONPATH=src python -m closedbook job summaries/api-NAME
"""

from pathlib import Path
from types import SimpleNamespace

from closedbook import llm
from closedbook.evaluation import summarising, whose
from closedbook.llm import ledger as ledgers
from closedbook.params import API, LanguageModel, Limits
from closedbook.records import Document


def job(**given) -> dict:
    return build(**given)


def build(*, documents: list[Path], entities: list[Path], params: SimpleNamespace, limits: Limits, output: Path) -> dict:
    """Write what the API model `params.name` says of each document, which it is not shown; where it gives no answer, why.

    Raises UserError where the model can't be reached or used at all.
    """
    sources, groups = {path.stem: path for path in documents}, {}
    for request in summarising.requests(documents, entities, summarising.CHAT):
        groups.setdefault(request.document, []).append(request)
    model = LanguageModel.model_construct(**params.api_model.model_dump(), temperature=0.0, max_tokens=params.scores.summary_tokens)

    async def of_one(ledger, document: str) -> list[dict]:
        client = llm.Client(llm=model, limits=limits, ledger=ledger, document=Document.read(sources[document]), seed=params.seed,
                            section=f"api_models.{params.name}")
        return await llm.gather([_asked(client, request) for request in groups[document]])

    rows = [row for of_document in llm.in_segments(f"{ledgers.API_MODELS}{params.name}", list(groups), of_one) for row in of_document]
    summarising.write(whose.other(f"{API}{params.name}", "api_model"), rows, output)
    return {"answered": sorted({row["call"]["model_answered"] for row in rows if row["call"]})}


async def _asked(client: llm.Client, request: summarising.Request) -> dict:
    if request.prompt is None:
        return summarising.row(request)
    name = summarising.CHAT[summarising.KINDS.index(request.kind)]
    try:
        text, call = await client.converse(name, [{"role": "user", "content": request.prompt}], attempts=1, check=str)
    except llm.NotAnswered as problem:
        return summarising.row(request, reason=str(problem))
    return summarising.row(request, text, call=call.as_record())
