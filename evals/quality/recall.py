"""Whether a model's own words hold the right answer, and whether that is an identifier: a name, a number, a date or a code."""

import re
from pathlib import Path
from runpy import run_path

_headline = run_path(str(Path(__file__).with_name("measures.py")))["_headline"]  # lm_eval loads each module by its path
SMALL = frozenset("a an and at by de for from in la of on the to van von with".split())
"""words that may stand in an identifier without a capital"""
SENTENCES = 0.9
"""the share of options with a capital in front from which on that says nothing"""


def with_identifiers(rows: list[dict]) -> list[dict]:
    """The questions, each with "identifier": whether its right answer is one."""
    options = [option for row in rows for option in row["options"]]
    as_sentences = sum(option.strip()[:1].isupper() for option in options) >= SENTENCES * len(options)
    return [row | {"identifier": is_identifier(row["options"][row["gold"]], as_sentences)} for row in rows]


def is_identifier(answer: str, as_sentences: bool) -> bool:
    """Whether it holds a digit, or no word without a capital but SMALL ones. `as_sentences`: the first word has its capital from its place."""
    words = [word for word in re.findall(r"[\w'’.-]+", answer) if word.strip("'’.-")]
    if any(map(str.isdigit, answer)):
        return True
    names = [word for word in words[1 if as_sentences else 0 :] if word not in SMALL]
    return bool(names) and all(word[0].isupper() for word in names)


def score(doc: dict, results: list) -> dict:
    """`results`: the response. acc: it holds the answer, word for word; in_format: it is the answer, as it is written, and nothing else."""
    (response,) = results
    answer = doc["options"][doc["gold"]]
    metrics = {"acc": float(holds(response, answer)), "in_format": float(_bare(response) == _bare(answer))}
    of_identifiers = {f"{name}_identifiers": value for name, value in metrics.items()} if doc["identifier"] else {}
    return metrics | of_identifiers | _headline(doc, "acc", metrics["acc"])


def holds(response: str, answer: str) -> bool:
    """Whatever the case, the punctuation, and an article in front."""
    said, wanted = _words(response), _words(answer)
    wanted = wanted[1:] if len(wanted) > 1 and wanted[0] in ("a", "an", "the") else wanted
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(said)} "


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _bare(text: str) -> str:
    return text.strip().rstrip(".")
