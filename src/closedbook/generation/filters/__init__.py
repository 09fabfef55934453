"""Filters: rules that keep passages out of every corpus, each with its reason.

A rule of one text is a function of the text that returns why it is rejected (the detail, plain data), or None where it passes: length and
language look once at each passage of a strategy, `question` once for each set of documents that are taught together. A rule of several
passages is a function of a passage's number; it is asked in the corpus's order, so that the earlier of two that are alike stays, whatever
comes later.
To add one: a module with a function `rule`, and a line in `alone` or `several`, and in `names`.
"""

from collections.abc import Callable, Mapping, Sequence

from closedbook.generation.filters import exact, language, length, near

QUESTION = "question"


def names(filters) -> list[str]:
    """The rules that the settings ask for (see params.Filters), in the order in which they look."""
    on = {"length": filters.min_words or filters.max_words, "language": filters.languages, QUESTION: True, "exact_duplicate": True,
          "near_duplicate": filters.near_duplicates}
    return [name for name, is_on in on.items() if is_on]


def alone(filters) -> dict[str, Callable[[str], dict | None]]:
    """The rules that need nothing but the text, by name."""
    found = {"length": length.rule(filters.min_words, filters.max_words), "language": language.rule(filters.languages)}
    return {name: rule for name, rule in found.items() if rule}


def several(filters, digests: Sequence[str], sketches, ids: Sequence[str]) -> dict[str, Callable[[int], dict | None]]:
    """The rules that compare passages, by name, from exact.digest and near.sketch of each, and its id."""
    found = {"exact_duplicate": exact.rule(digests, ids), "near_duplicate": near.rule(filters.near_duplicates, sketches, ids)}
    return {name: rule for name, rule in found.items() if rule}


def reason(rules: Mapping[str, Callable], about) -> dict | None:
    """{"rule", "detail"} of the first rule that rejects a text, or the passage of a number."""
    for name, rule in rules.items():
        detail = rule(about)
        if detail is not None:
            return {"rule": name, "detail": detail}
    return None
