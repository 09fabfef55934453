"""What a corpus cost: the calls behind its passages and the entity lists that they needed, as they were paid or at another model's prices."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from closedbook import layout
from closedbook.generation.strategies import STRATEGIES
from closedbook.llm import prices
from closedbook.records import EntityList, Passages
from closedbook.spending.sums import Sums
from closedbook.util import files
from closedbook.util.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Cost(Sums):
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    """None where the price of a call is not known"""


def of(corpus: Path, price: prices.Prices | None = None) -> Cost:
    """Of the corpus in a folder; `price`: as if this model had been paid for as many tokens.

    A call counts once, however many passages came of it; so do a strategy's proposals. Attempts without a usable answer are not in
    it: closedbook spent has them. Raises UserError for passages that are not here.
    """
    taken: dict[tuple[str, str], set[str]] = {}
    for row in files.each_json_line(corpus / "passages.jsonl"):
        taken.setdefault((row["strategy"], row["document"]), set()).add(row["id"])
    calls = {call["key"]: call for (strategy, document), ids in taken.items() for call in _behind(strategy, document, ids) if call}
    return sum((_cost(call, price) for call in calls.values()), Cost())


def _behind(strategy: str, document: str, ids: set[str]) -> Iterator[dict | None]:
    path = layout.passages(strategy, document)
    if not path.is_file():
        raise UserError(f"{path}: is gone, and what its corpus cost can't be told without it: closedbook restore passages brings it back")
    read = Passages.read(path)
    yield from (passage.call for passage in read.passages if passage.id in ids)
    yield from (proposal.call for proposal in read.proposals)
    if STRATEGIES[strategy].NEEDS_ENTITIES and layout.entities(document).is_file():
        yield from (made.call for made in EntityList.read(layout.entities(document)).made)


def _cost(call: dict, price: prices.Prices | None) -> Cost:
    read, written = (call["usage"].get(f"{name}_tokens", 0) for name in ("prompt", "completion"))
    usd = price.usd(read, written) if price else call["cost_usd"]
    return Cost(calls=1, input_tokens=read, output_tokens=written, usd=usd)
