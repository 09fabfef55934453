"""What the report counts of entity lists and passages: who made them, what was dropped, what the calls cost, which ones to show."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from closedbook.records import EntityList, Passage, Passages
from closedbook.util import seeds


@dataclass
class Spending:
    """Calls of one step to one model."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unmetered: int = 0
    """calls whose tokens the provider did not count"""
    unpriced: int = 0
    """calls without a known price; not in usd"""

    def add(self, call: dict) -> None:
        self.calls += 1
        self.unmetered += not call["usage"]
        self.prompt_tokens += call["usage"].get("prompt_tokens", 0)
        self.completion_tokens += call["usage"].get("completion_tokens", 0)
        self.unpriced += call["cost_usd"] is None
        self.usd += call["cost_usd"] or 0.0


@dataclass
class Tally:
    """Counts over all entity lists and passages, from one file at a time."""

    documents: set[str] = field(default_factory=set)
    lists: Counter = field(default_factory=Counter)
    """(made_by, model asked or spaCy's model, why) -> entity lists"""
    written: Counter = field(default_factory=Counter)
    """(strategy, kind, writer, model or None) -> passages"""
    dropped: Counter = field(default_factory=Counter)
    """(strategy, kind, reason) -> passages asked for and not there"""
    spent: dict[tuple[str, str, str], Spending] = field(default_factory=dict)
    """(step, model asked, model that answered) -> its calls, each counted once, in the first step that holds it"""
    examples: dict[str, list[Passage]] = field(default_factory=dict)
    """strategy -> passages to show"""
    resolved: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """document -> how many references the extractive generator met, resolved and left in it, by kind"""
    _calls: set[str] = field(default_factory=set)

    @property
    def of_strategy(self) -> Counter:
        """strategy -> passages"""
        totals = Counter()
        for (strategy, _, _, _), count in self.written.items():
            totals[strategy] += count
        return totals

    @property
    def writers(self) -> Counter:
        """(writer, model or None) -> passages, the documents themselves left out."""
        totals = Counter()
        for (_, _, writer, model), count in self.written.items():
            if writer != "document":
                totals[writer, model] += count
        return totals

    @property
    def references(self) -> dict[str, Counter]:
        """{kind: {"seen", "resolved", "left"}} over all documents that the extractive generator wrote about, each counted once."""
        totals: dict[str, Counter] = {}
        for counts in self.resolved.values():
            for kind, numbers in counts.items():
                totals.setdefault(kind, Counter()).update(numbers)
        return totals

    def add_list(self, entities: EntityList) -> None:
        self.documents.add(entities.document)
        for made in entities.made:
            maker = made.call["model"] if made.call else made.maker
            self.lists[made.made_by, maker, made.why] += 1
            self.add_call("entity lists", made.call)

    def add_passages(self, passages: Passages) -> None:
        self.documents.add(passages.document)
        for passage in passages.passages:
            model = passage.call["model"] if passage.writer == "llm" else None
            self.written[passage.strategy, passage.kind, passage.writer, model] += 1
        for written in passages.written:
            self.add_call(written.strategy, written.call)
        if passages.references:
            self.resolved[passages.document] = passages.references
        for row in passages.dropped:
            self.dropped[passages.strategy, row["kind"], row["reason"]] += 1

    def choose(self, passages: Passages, examples: int, seed: int) -> None:
        """Keep the `examples` passages that a seeded order of all of a strategy puts first."""
        shown = self.examples.setdefault(passages.strategy, [])
        shown += passages.passages
        shown.sort(key=lambda passage: seeds.derive(seed, "example", passage.id))
        del shown[examples:]

    def add_call(self, step: str, call: dict | None) -> None:
        if call is not None and call["key"] not in self._calls:
            self._calls.add(call["key"])
            self.spent.setdefault((step, call["model"], call["model_answered"]), Spending()).add(call)


def take(*, entities: list[Path], passages: list[Path], examples: int, seed: int, judged: dict | None = None,
         summed: tuple[list[dict], list[dict]] = ((), ())) -> Tally:
    """The tally of all these files, of what was judged, and of summaries and the verdicts on them; `examples` passages a strategy are kept to be shown."""
    tally = Tally()
    for path in entities:
        tally.add_list(EntityList.read(path))
    for path in passages:
        read = Passages.read(path)
        tally.add_passages(read)
        tally.choose(read, examples, seed)
    for row in judged["passages"] if judged else ():
        tally.add_call("judgements", row["call"])
    for step, several in zip(("summaries", "verdicts"), summed):
        for row in [row for one in several for row in one["summaries"]]:
            tally.add_call(step, row["call"])
    return tally
