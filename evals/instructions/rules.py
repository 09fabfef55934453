"""Items and metrics of the tasks in this folder: rules that a response keeps to or not, whatever it says.

Nothing of closedbook is imported here, so that lm_eval alone can run them.
"""

import json
import re
from pathlib import Path

SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")


def load(items: str, **_) -> dict:
    """{"test": the items of a file beside this one}, rows {"id", "prompt", "rules": {name: argument}, "answer"}.

    Raises ValueError, which names file and item, for one that can't be checked.
    """
    import datasets

    rows = json.loads(Path(__file__).with_name(items).read_text(encoding="utf-8"))
    for row in rows:
        unknown = sorted(row["rules"].keys() - RULES.keys())
        if not row["rules"] or unknown:
            said = f", not {unknown[0]!r}" if unknown else ""
            raise ValueError(f"{items}: item {row['id']}: rules: needs one or more of {', '.join(RULES)}{said}")
    return {"test": datasets.Dataset.from_list([row | {"rules": json.dumps(row["rules"])} for row in rows])}


def score(doc: dict, results: list) -> dict:
    """`results`: the response. `right`, of an item that has an answer: whether that is in it, in whatever form."""
    (response,), rules = results, json.loads(doc["rules"])
    lost = broken(response, rules)
    right = {"right": float(doc["answer"].lower() in response.lower())} if doc["answer"] else {}
    return {"followed": float(not lost), "rules_kept": 1 - len(lost) / len(rules)} | right


def broken(response: str, rules: dict) -> list[str]:
    """The rules that a response breaks; an empty one breaks all. Spaces and lines around it do not count."""
    text = response.strip()
    return [name for name, argument in rules.items() if not text or not RULES[name](text, argument)]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _sentences(text: str, number: int) -> bool:
    """That many, and nothing after the last one."""
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    return len(ends) == number and ends[-1] == len(text)


def _json(text: str, keys: list[str]) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and sorted(found) == sorted(keys)


def _joined(text: str, by: list) -> bool:
    word, number = by
    return len(parts := re.split(rf"\s+{re.escape(word)}\s+", text)) == number and all(parts)


RULES = {
    "words": lambda text, number: len(text.split()) == number,
    "least_words": lambda text, number: len(text.split()) >= number,
    "most_words": lambda text, number: len(text.split()) <= number,
    "sentences": _sentences,
    "lines": lambda text, number: len(_lines(text)) == number,
    "lines_begin": lambda text, start: all(line.startswith(start) for line in _lines(text)),
    "paragraphs": lambda text, number: len(re.split(r"\n\s*\n", text)) == number,
    "begins": lambda text, start: text.startswith(start),
    "ends": lambda text, end: text.endswith(end),
    "with": lambda text, part: part in text,
    "without": lambda text, part: part not in text,
    "times": lambda text, of: re.findall(r"\w+", text.lower()).count(of[0]) == of[1],
    "capitals": lambda text, wanted: text.isupper() is wanted,
    "small_letters": lambda text, wanted: text.islower() is wanted,
    "quoted": lambda text, wanted: (len(text) > 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1]) is wanted,
    "json": _json,
    "joined": _joined,
}
"""by their names in an item, each with the argument that stands there"""
