"""The verdicts stage: a judge takes one model's summaries apart into claims, and says of each whether the document supports it and whether it
is salient. A model's word: no proof.

    PYTHONPATH=src python -m closedbook job verdicts/RUN
"""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

from pydantic import BaseModel, Field

from closedbook import llm
from closedbook.llm import ledger as ledgers
from closedbook.params import Limits
from closedbook.records import Document
from closedbook.util import files, units

PROMPT = "verdict"
STEM = 4
"""characters by which a word is known in another form ("glassblower", "glassblowers"); shorter words say little"""


class Claim(BaseModel):
    claim: str
    sentences: list[int] = Field(min_length=1)
    """the numbers, from 1, of those that make it"""
    article: Literal["supports", "contradicts", "silent"]
    salient: bool


class Verdict(BaseModel):
    claims: list[Claim]


def job(**given) -> dict:
    return build(**given)


def build(*, summaries: Path, documents: list[Path], params: SimpleNamespace, limits: Limits, output: Path) -> dict:
    """Write one row per summary, in their order: {"document", "kind", "sentences", "claims" (of Claim), "reason", "call"}.

    The reason is why there is no verdict: the model's, where it gave no summary, or the judge's. A summary without any sentence is not shown to
    the judge, and claims nothing. `params` holds seed and judge. Raises UserError where the judge can't be reached or used at all.
    """
    told, sources = files.read_json(summaries), {path.stem: path for path in documents}
    rows = [_row(one) for one in told["summaries"]]
    groups: dict[str, list[dict]] = {}
    for row in rows:
        if row["sentences"]:
            groups.setdefault(row["document"], []).append(row)

    async def of_one(ledger, document: str) -> None:
        client = llm.Client(llm=params.judge, limits=limits, ledger=ledger, document=Document.read(sources[document]), seed=params.seed,
                            section="judge")
        asked = [client.ask(PROMPT, attempts=params.judge.attempts, check=partial(parse, sentences=row["sentences"]), schema=Verdict,
                            summary=_numbered(row["sentences"])) for row in groups[document]]  # fmt: skip
        for row, answer in zip(groups[document], await llm.gather(asked), strict=True):
            row |= _said(answer)

    llm.in_segments(f"{ledgers.VERDICTS}{told['run']}", list(groups), of_one)
    answered = sorted({row["call"]["model_answered"] for row in rows if row["call"]})
    facts = {name: value for name, value in told.items() if name != "summaries"}
    files.write_json(output, {**facts, "judge": params.judge.model, "answered": answered, "summaries": rows})
    return {"answered": answered}


def sentences(text: str, is_cut: bool) -> list[str]:
    """Those of a summary, each on one line; of a text that was cut, without the last one, which has no end."""
    found = [" ".join(sentence.split()) for sentence in units.sentences(text)]
    return found[:-1] if is_cut else found


def parse(text: str, sentences: list[str]) -> Verdict:
    """The JSON object in an answer, bare or fenced. Raises llm.Invalid where it holds none, names a sentence that is not there, makes a claim
    that shares no word with its sentences, or makes one twice."""
    verdict = llm.from_json(text, Verdict)
    for claim in verdict.claims:
        if strange := [number for number in claim.sentences if not 1 <= number <= len(sentences)]:
            raise llm.Invalid(f"the answer names sentence {strange[0]} of {len(sentences)}")
        if not _stems(claim.claim) & _stems(" ".join(sentences[number - 1] for number in claim.sentences)):
            raise llm.Invalid("the answer judges a claim that is not in the summary")
    if len({tuple(units.bare(claim.claim)) for claim in verdict.claims}) < len(verdict.claims):
        raise llm.Invalid("the answer judges a claim twice")
    return verdict


def _row(summary: dict) -> dict:
    """What is judged of a summary, and what is known before anybody is asked."""
    found = sentences(summary["text"] or "", summary["cut"])
    return {"document": summary["document"], "kind": summary["kind"], "sentences": found, "claims": [], "reason": summary["reason"], "call": None}


def _said(answer) -> dict:
    if isinstance(answer, llm.NotAnswered):
        return {"reason": str(answer)}
    verdict, call = answer
    return {"claims": verdict.model_dump()["claims"], "call": call.as_record()}


def _numbered(found: list[str]) -> str:
    return json.dumps({str(number): sentence for number, sentence in enumerate(found, start=1)}, ensure_ascii=False)


def _stems(text: str) -> set[str]:
    """The words of a text by their beginnings: the longer ones, of a script without spaces all, and all where none is longer."""
    words = units.bare(text)
    return {word[:STEM] for word in words if len(word) >= STEM or units.is_unspaced(word)} or set(words)
