"""The judgements stage: a model says of some passages whether their documents support them. A sample, and a model's word: no proof.

    PYTHONPATH=src python -m closedbook job judgements/judgements
"""

from collections import defaultdict
from itertools import islice, zip_longest
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

from pydantic import BaseModel, NonNegativeInt

from closedbook import llm
from closedbook.evaluation import clustered
from closedbook.params import Limits
from closedbook.records import Document, Passage, Passages
from closedbook.util import files, seeds

PROMPT = "judge"


class Verdict(BaseModel):
    supported: NonNegativeInt
    """statements that the document supports"""
    unsupported: list[str]
    """what each of the others claims, in short"""


def job(**given) -> dict:
    return build(**given)


def build(*, documents: list[Path], passages: list[Path], folder: Path, params: SimpleNamespace, limits: Limits) -> dict:
    """Write judgements.json into `folder`: one row per judged passage, what was asked and not usably answered, and the rates by strategy.

    `params` holds seed and judge. Raises UserError where the model can't be reached or used at all.
    """
    sources = {path.stem: path for path in documents}
    strategies: dict[str, list[Path]] = {}
    for path in passages:
        strategies.setdefault(path.parent.name, []).append(path)
    chosen = [passage for paths in strategies.values() for passage in sample(paths, params.judge.passages, params.seed)]
    rows = _judged(chosen, sources, params, limits)
    answered = sorted({row["call"]["model_answered"] for row in rows if row["call"]})
    files.write_json(folder / "judgements.json", {
        "model": params.judge.model, "answered": answered,
        "rates": {strategy: rates([row for row in rows if row["strategy"] == strategy]) for strategy in strategies},
        "passages": rows,
    })  # fmt: skip
    return {"answered": answered}


def sample(paths: list[Path], number: int, seed: int) -> list[Passage]:
    """So many passages of a strategy, in turn from each document, both in seeded order: a larger number takes a superset. The texts of one
    document are held at a time, beside those that are chosen."""
    def order(name):
        return seeds.derive(seed, "judge", name)

    in_order = {path: sorted((passage.id for passage in Passages.read(path).passages), key=order) for path in sorted(paths, key=lambda path: order(path.stem))}
    in_turn = (one for turn in zip_longest(*([(path, identity) for identity in its] for path, its in in_order.items())) for one in turn if one)
    chosen = {identity: path for path, identity in islice(in_turn, number)}
    read = (passage for path in dict.fromkeys(chosen.values()) for passage in Passages.read(path).passages)
    texts = {passage.id: passage for passage in read if passage.id in chosen}
    return [texts[identity] for identity in chosen]


def rates(rows: list[dict]) -> dict:
    """The share of passages without an unsupported statement, and of statements that are supported, with standard errors clustered by
    document. A passage of which no usable verdict came is not taken for a faithful one."""
    faithful = [(float(row["reason"] is None and not row["unsupported"]), row["document"]) for row in rows]
    statements = [(value, row["document"]) for row in rows if row["reason"] is None
                  for value in [1.0] * row["supported"] + [0.0] * len(row["unsupported"])]  # fmt: skip
    unusable = sum(row["reason"] is not None for row in rows)
    return {"passages": len(rows), "unusable": unusable, **_mean("faithful", faithful),
            "statements": len(statements), **_mean("supported", statements)}  # fmt: skip


def parse(text: str) -> Verdict:
    """The JSON object in an answer, bare or fenced. Raises llm.Invalid where it holds none, or one that says of no statement."""
    verdict = llm.from_json(text, Verdict)
    if not verdict.supported and not verdict.unsupported:
        raise llm.Invalid("the answer judges no statement")
    return verdict


def _mean(name: str, values: list[tuple[float, str]]) -> dict:
    """Of (value, document) pairs; None where there are none."""
    if not values:
        return {name: None, f"{name}_stderr": None}
    numbers, documents = zip(*values, strict=True)
    return {name: fmean(numbers), f"{name}_stderr": clustered.stderr(numbers, documents)}


def _judged(passages: list[Passage], sources: dict[str, Path], params: SimpleNamespace, limits: Limits) -> list[dict]:
    """One row per passage: {"id", "document", "strategy", "supported", "unsupported", "reason", "call"}; the reason is why no verdict is usable."""
    about = defaultdict(list)
    for passage in passages:
        about[passage.document].append(passage)

    async def of_one(ledger, document: str) -> dict[str, dict]:
        client = llm.Client(llm=params.judge, limits=limits, ledger=ledger, document=Document.read(sources[document]), seed=params.seed,
                            section="judge")
        asked = [client.ask(PROMPT, attempts=params.judge.attempts, check=parse, schema=Verdict, passage=passage.text)
                 for passage in about[document]]
        answers = await llm.gather(asked)
        return {passage.id: _row(answer) for passage, answer in zip(about[document], answers, strict=True)}

    found = {identity: row for of_document in llm.in_segments("judgements", list(about), of_one) for identity, row in of_document.items()}
    return [{"id": passage.id, "document": passage.document, "strategy": passage.strategy, **found[passage.id]} for passage in passages]


def _row(answer) -> dict:
    if isinstance(answer, llm.NotAnswered):
        return {"supported": None, "unsupported": [], "reason": str(answer), "call": None}
    verdict, call = answer
    return {**verdict.model_dump(), "reason": None, "call": call.as_record()}
