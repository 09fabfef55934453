"""The entities stage: a document's summary and salient entities, from a language model or from spaCy."""

from pathlib import Path
from types import SimpleNamespace

from pydantic import BaseModel, ConfigDict

from closedbook import llm
from closedbook.generation import sections
from closedbook.generation.extractive import extractor
from closedbook.llm.ledger import Ledger
from closedbook.params import Limits
from closedbook.records import Document, EntityList
from closedbook.util.errors import UserError

NO_MODEL = "llm.model is null"


class Answer(BaseModel):
    """What the model is asked for; goes out as a JSON schema where the provider knows structured output."""

    model_config = ConfigDict(extra="ignore", strict=True)
    summary: str
    entities: list[str]


async def job(*, document: Path, output: Path, params: SimpleNamespace, limits: Limits) -> dict:
    """Write the entity list of one document and return who made it, and why; `params` holds seed, llm, entities and spacy.

    Raises UserError where the model can't be reached or used at all, and, under entities.fallback error, where it does not give a
    valid list for this document; then nothing is written.
    """
    source = Document.read(document)
    if params.llm.model is None:
        result = by_spacy(source, params, NO_MODEL)
    else:
        result = await by_model(source, params, limits)
    result.write(output)
    return {"made_by": result.made_by, "maker": result.maker, "why": result.why}


async def by_model(document: Document, params: SimpleNamespace, limits: Limits) -> EntityList:
    shown = sections.split(document, params.llm.sections).values()
    with Ledger("entities", document.id) as ledger:
        clients = [llm.Client(llm=params.llm, limits=limits, ledger=ledger, document=each, seed=params.seed) for each in shown]
        return await asked_of(clients, list(shown), params)


async def asked_of(clients: list[llm.Client], shown: list[Document], params: SimpleNamespace) -> EntityList:
    """The list of a document by the model, or by spaCy where it gives none and the parameters allow that; of sections, theirs merged."""
    answers = await llm.gather([
        client.ask("entities", attempts=params.entities.attempts, check=parse, schema=Answer, max=params.entities.max) for client in clients
    ])
    lists = [_listed(each, answer, params) for each, answer in zip(shown, answers, strict=True)]
    return sections.merged(lists, params.entities.max) if len(lists) > 1 else lists[0]


def _listed(shown: Document, answer: tuple | llm.NotAnswered, params: SimpleNamespace) -> EntityList:
    if isinstance(answer, llm.NotAnswered):
        if params.entities.fallback == "error":
            raise UserError(f"document {shown.id}: {params.llm.model} gave no entity list: {answer}; set entities.fallback to spacy, "
                            "or ask again: closedbook retry")
        return by_spacy(shown, params, str(answer))
    found, call = answer
    return EntityList(document=shown.id, section=shown.section, summary=found.summary, entities=found.entities[: params.entities.max],
                      made_by="llm", why=None, maker=call.model_answered, call=call.as_record())


def by_spacy(document: Document, params: SimpleNamespace, why: str) -> EntityList:
    summary, names = extractor.extract(document=document, max_entities=params.entities.max, spacy_model=params.spacy.model)
    return EntityList(document=document.id, section=document.section, summary=summary, entities=names, made_by="spacy", why=why,
                      maker=extractor.version(params.spacy.model), call=None)


def parse(text: str) -> Answer:
    """The JSON object in an answer, bare or fenced, with its entities cleaned: one line each, none twice.

    Raises llm.Invalid where it holds no such object, no summary, or fewer than two entities.
    """
    answer = llm.from_json(text, Answer)
    names = {}
    for name in answer.entities:
        name = " ".join(name.split())
        if name:
            names.setdefault(name.casefold(), name)
    if len(names) < 2:
        raise llm.Invalid("the answer names fewer than two entities")
    if not answer.summary.strip():
        raise llm.Invalid("the answer has no summary")
    return Answer(summary=" ".join(answer.summary.split()), entities=list(names.values()))
