"""Filters: rules that keep passages out of every corpus, each with its reason.

A rule is a function that looks at one passage and returns why it is rejected (the detail, plain data), or None where it passes. It sees
the passages in the corpus's order, so that the earlier of two that are alike stays, whatever comes later.
To add one: a module with a function `rule` that makes it from its settings (None where it is off), and a line in `rules`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from closedbook.generation.filters import exact, language, length, near, question

Rule = Callable[[str, str], dict | None]
"""(a passage's id, its text) -> the detail, or None"""


def rules(filters, questions: list[Path], documents: list[Path]) -> dict[str, Rule]:
    """The rules that the settings ask for (see params.Filters), by name and in the order in which they look.

    `questions` are those that will be asked, one file per document; a run of words that the document itself holds gives no question away.
    """
    found = {
        "length": length.rule(filters.min_words, filters.max_words),
        "language": language.rule(filters.languages),
        "question": question.rule(filters.question_words, questions, documents),
        "exact_duplicate": exact.rule(),
        "near_duplicate": near.rule(filters.near_duplicates),
    }
    return {name: rule for name, rule in found.items() if rule}


class Filter:
    """Lets passages through that no rule rejects, and records the others, each with its reason."""

    def __init__(self, rules: dict[str, Rule]):
        self._rules = rules
        self.rejected: list[dict] = []
        """{"id", "document", "strategy", "kind", "rule", "detail"}: the first rule with a reason, in the order of the passages"""

    def kept(self, passages: Iterable[tuple[dict, str]]) -> Iterator[tuple[dict, str]]:
        """(row, text) of the passages that stay, in their order; a row has the fields above but the last two."""
        for row, text in passages:
            reason = self._reason(row["id"], text)
            if reason is None:
                yield row, text
            else:
                self.rejected.append({**row, **reason})

    def counts(self) -> dict[str, int]:
        """How many passages each rule that is on has kept out, those that found none among them."""
        found = Counter(row["rule"] for row in self.rejected)
        return {name: found[name] for name in self._rules}

    def _reason(self, identity: str, text: str) -> dict | None:
        for name, rule in self._rules.items():
            detail = rule(identity, text)
            if detail is not None:
                return {"rule": name, "detail": detail}
        return None
