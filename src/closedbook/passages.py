"""The passages step: what a strategy writes about one document, by a language model or from the document's own sentences."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from closedbook import llm, sections
from closedbook.ledger import Ledger
from closedbook.params import Limits
from closedbook.records import Document, EntityList, Passage, Passages
from closedbook.strategies import STRATEGIES, Wanted


def build(*, document: Path, entities: list[Path], strategy: str, output: Path, params: SimpleNamespace, limits: Limits) -> dict:
    """Write all passages of one document under one strategy and return how many, by whom and which model, and how many were dropped.

    `params` holds seed, llm and passages.

    `entities` is the document's entity list, or nothing under a strategy that needs none.

    Raises UserError where the model can't be reached or used at all; what it has answered by then is in the ledger.
    """
    source = Document.read(document)
    names = EntityList.read(entities[0]) if entities else None
    shown = _shown(source, strategy, params)
    lists = {section: sections.listed(each, names) if names else None for section, each in shown.items()}
    asked = [replace(wanted, section=section) for section, each in shown.items()
             for wanted in STRATEGIES[strategy].wanted(each, lists[section], params.passages, params.seed)]
    at_hand = {(None, "document"): (f"{source.byline}.\n\n{source.text}", "document", None)}
    at_hand |= {(section, "summary"): (each.summary, each.made_by, each.call) for section, each in lists.items() if each}
    written = {wanted: at_hand[wanted.section, wanted.kind] for wanted in asked if (wanted.section, wanted.kind) in at_hand}
    open_ones = [wanted for wanted in asked if wanted not in written]
    references = None
    if open_ones and params.llm.model is None:
        texts, references = by_extraction(source, open_ones, params.seed)
        written.update(zip(open_ones, texts, strict=True))
    elif open_ones:
        written.update(zip(open_ones, by_model(shown, strategy, open_ones, params, limits), strict=True))
    passages, dropped = [], []
    for wanted in asked:
        text, writer, call = written[wanted]
        common = {"kind": wanted.kind, "entities": list(wanted.entities), "sample": wanted.sample, "section": wanted.section}
        if writer is None:
            dropped.append({**common, "reason": text})
        else:
            passages.append(Passage(id=wanted.passage_id(source.id, strategy), document=source.id, strategy=strategy,
                                    writer=writer, text=text, call=call, **common))
    Passages(document=source.id, strategy=strategy, passages=passages, dropped=dropped, references=references).write(output)
    made_by = {"entities_made_by": names.made_by} if names else {}
    answered = Counter(passage.call["model_answered"] for passage in passages if passage.call)
    return {**made_by, "written": Counter(passage.writer for passage in passages), "answered": answered, "dropped": len(dropped)}


def _shown(document: Document, strategy: str, params: SimpleNamespace) -> dict[str | None, Document]:
    """What passages are asked for about: the document, of which a language model sees a long one in sections."""
    by_model = STRATEGIES[strategy].PROMPTS and params.llm.model
    return sections.split(document, params.llm.sections) if by_model else {None: document}


def by_model(shown: dict[str | None, Document], strategy: str, asked: list[Wanted], params: SimpleNamespace, limits: Limits) -> list[tuple]:
    """(text, "llm", call) for each passage asked for, or (reason, None, None) for one that the model did not write."""
    (document,) = {each.id for each in shown.values()}

    async def all_of_them(clients: dict[str | None, llm.Client]):
        return await llm.gather([
            clients[wanted.section].ask(wanted.kind, attempts=params.passages.attempts, check=str, sample=wanted.sample,
                                        **dict(zip(("first", "second", "third"), wanted.entities)))
            for wanted in asked
        ], f"{strategy}/{document}")

    with Ledger(strategy, document) as ledger:
        clients = {section: llm.Client(llm=params.llm, limits=limits, ledger=ledger, document=each, seed=params.seed)
                   for section, each in shown.items()}
        answers = asyncio.run(all_of_them(clients))
    return [(str(answer), None, None) if isinstance(answer, llm.NotAnswered) else (answer[0], "llm", answer[1].as_record())
            for answer in answers]


def by_extraction(document: Document, asked: list[Wanted], seed: int) -> tuple[list[tuple], dict]:
    """The same from the document's own sentences, and how many references were resolved; a passage that would repeat an earlier one
    word for word is dropped and said."""
    from closedbook.without_model.writer import Writer

    writer, seen, results = Writer(document), set(), []
    for wanted in asked:
        if wanted.entities:
            text = writer.relate(entities=wanted.entities, seed=seed)
        else:
            text = writer.rephrase(style=wanted.kind, sample=wanted.sample, seed=seed)
        if text is None:
            results.append(("the document has no sentence for one of the entities", None, None))
        elif text in seen:
            results.append(("word for word an earlier passage", None, None))
        else:
            results.append((text, "extractive", None))
            seen.add(text)
    return results, writer.resolution.counts
