"""The passages stage: what a strategy writes about one document, by a language model or from the document's own sentences."""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from closedbook import llm
from closedbook.generation import sections
from closedbook.generation.strategies import STRATEGIES, Wanted, imported, is_of_pairs
from closedbook.llm.ledger import Ledger
from closedbook.params import Limits
from closedbook.records import Document, EntityList, Pairs, Passage, Passages


async def job(*, document: Path, entities: list[Path], output: Path, params: SimpleNamespace, limits: Limits, rows: list[Path] = (),
              pairs: list[Path] = ()) -> dict:
    """Write all passages of one document under one strategy and return how many, by whom and which model, and how many were dropped.

    `params` holds seed, llm, strategy and passages.

    `entities` is the document's entity list, or nothing under a strategy that needs none; `rows` the file of passages that exist already,
    which its parameters name too, `pairs` the document's pairs, under strategies that need these.

    Raises UserError where the model can't be reached or used at all; what it has answered by then is in the ledger.
    """
    source, strategy = Document.read(document), params.strategy
    names = EntityList.read(entities[0]) if entities else None
    shown = shown_of(source, strategy, params)
    lists = {section: sections.listed(each, names) if names else None for section, each in shown.items()}
    asked = asked_for(strategy, shown, {None: Pairs.read(pairs[0])} if pairs else lists, params)
    at_hand = {(None, "document"): (f"{source.byline}.\n\n{source.text}", "document", None)}
    at_hand |= {(section, "summary"): (each.summary, each.made_by, each.call) for section, each in lists.items() if each}
    written, references = {wanted: _given(wanted) or at_hand.get((wanted.section, wanted.kind)) for wanted in asked}, None
    open_ones = [wanted for wanted in asked if not written[wanted]]
    if open_ones and params.llm.model is None:
        extracted, references = by_extraction(source, open_ones, params.seed)
        written.update(extracted)
    elif open_ones:
        written.update(await by_model(shown, strategy, open_ones, params, limits))
    made = _passages(source.id, strategy, written, references)
    made.write(output)
    made_by = {"entities_made_by": names.made_by} if names else {}
    answered = Counter(passage.call["model_answered"] for passage in made.written if passage.call)
    return {**made_by, "written": Counter(passage.writer for passage in made.passages), "answered": answered, "dropped": len(made.dropped)}


def _given(wanted: Wanted) -> tuple | None:
    return (wanted.text, imported.WRITER, None) if wanted.text else None


def shown_of(document: Document, strategy: str, params: SimpleNamespace) -> dict[str | None, Document]:
    """What passages are asked for about: the document, of which a language model sees a long one in sections, unless it sees two."""
    by_model = STRATEGIES[strategy].PROMPTS and not is_of_pairs(strategy) and params.llm.model
    return sections.split(document, params.llm.sections) if by_model else {None: document}


def asked_for(strategy: str, shown: dict[str | None, Document], lists: dict[str | None, EntityList | Pairs | None],
              params: SimpleNamespace) -> list[Wanted]:
    """All that a strategy asks for, of each section with its own entities."""
    return [replace(wanted, section=section) for section, each in shown.items()
            for wanted in STRATEGIES[strategy].wanted(each, lists[section], params.passages, params.seed)]


def _passages(document: str, strategy: str, written: dict[Wanted, tuple], references: dict | None) -> Passages:
    made = Passages(document=document, strategy=strategy, passages=[], dropped=[], references=references)
    for wanted, (text, writer, call) in written.items():
        common = {"kind": wanted.kind, "entities": list(wanted.entities), "sample": wanted.sample, "way": wanted.way,
                  "question": wanted.question, "section": wanted.section, "origin": wanted.origin,
                  "beside": wanted.beside and wanted.beside.id}
        if writer is None:
            made.dropped.append({**common, "reason": text})
        else:
            place = made.proposals if wanted.then else made.passages
            place.append(Passage(id=wanted.passage_id(document, strategy), document=document, strategy=strategy,
                                 writer=writer, text=text, call=call, **common))
    return made


async def by_model(shown: dict[str | None, Document], strategy: str, asked: list[Wanted], params: SimpleNamespace,
                   limits: Limits) -> dict[Wanted, tuple]:
    """(text, "llm", call) for each passage asked for, or (reason, None, None) for one that the model did not write; and the same for
    what was asked for because of an answer."""
    (document,) = {each.id for each in shown.values()}

    async def all_of_them(clients: dict[str | None, llm.Client], wanted: list[Wanted]) -> dict[Wanted, tuple]:
        asking = [question(clients[each.section], each, params.passages.attempts) for each in wanted]
        answers = await llm.gather(asking)
        written = {each: _written(answer) for each, answer in zip(wanted, answers, strict=True)}
        following = [new for each, (text, writer, _) in written.items() if each.then and writer for new in each.following(text)]
        return {**written, **(await all_of_them(clients, list(dict.fromkeys(following))) if following else {})}

    with Ledger(strategy, document) as ledger:
        clients = {section: llm.Client(llm=params.llm, limits=limits, ledger=ledger, document=each, seed=params.seed)
                   for section, each in shown.items()}
        return await all_of_them(clients, asked)


def question(client: llm.Client, wanted: Wanted, attempts: int) -> Coroutine:
    """To be awaited: (text, call) for what is wanted."""
    return client.ask(wanted.kind, attempts=attempts, check=_check(wanted), sample=wanted.sample, **wanted.fields)


def _check(wanted: Wanted) -> Callable[[str], str]:
    """What an answer must pass: one that decides what to ask next must ask for something."""

    def check(text: str) -> str:
        if wanted.then and not wanted.then(text):
            raise llm.Invalid(f"the answer is not of the form that the prompt {wanted.kind} asks for")
        return text

    return check


def _written(answer: tuple | llm.NotAnswered) -> tuple:
    return (str(answer), None, None) if isinstance(answer, llm.NotAnswered) else (answer[0], "llm", answer[1].as_record())


def by_extraction(document: Document, asked: list[Wanted], seed: int) -> tuple[dict[Wanted, tuple], dict]:
    """The same from the document's own sentences, and how many references were resolved; a passage that would repeat an earlier one
    word for word is dropped and said."""
    from closedbook.generation.extractive.generator import Generator

    generator, seen, results = Generator(document), set(), {}
    for wanted in asked:
        text = generator.write(kind=wanted.kind, entities=wanted.entities, sample=wanted.sample, seed=seed)
        if text is None:
            results[wanted] = "the document has no sentence for one of the entities", None, None
        elif text in seen:
            results[wanted] = "word for word an earlier passage", None, None
        else:
            results[wanted] = text, "extractive", None
            seen.add(text)
    return results, generator.resolution.counts
