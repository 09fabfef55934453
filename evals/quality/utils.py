"""What the tasks of this folder need of Python. It imports nothing of closedbook, so that lm_eval alone can run them."""

import json
from pathlib import Path

import numpy as np


def load(data_file="results/questions", **_):
    """{"test": all questions of `data_file`}: a JSON file of rows, a folder of such files, or a list of files.

    The other arguments are what lm_eval adds to --metadata: the version and the model's arguments.
    Raises ValueError, which names the file, where there is no question or one that can't be scored.
    """
    import datasets

    rows = [row for file in _files(data_file) for row in _rows(file)]
    if not rows:
        raise ValueError(f"{data_file}: no questions to score")
    return {"test": datasets.Dataset.from_list(rows)}


def _files(data_file) -> list[Path]:
    if isinstance(data_file, list):
        return [Path(file) for file in data_file]
    path = Path(data_file)
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _rows(file: Path) -> list[dict]:
    rows = json.loads(file.read_text(encoding="utf-8"))
    for row in rows:
        if len(row["options"]) != 4 or not all(option.strip() for option in row["options"]):
            raise ValueError(f"{file}: question {row['id']}: options: needs four texts, has {row['options']!r}")
        if row["gold"] not in range(4):
            raise ValueError(f"{file}: question {row['id']}: gold: must be 0 to 3, the right option's index, is {row['gold']!r}")
    return rows


def context_line(doc: dict) -> str:
    """The paper's context line, as far as author and year are known."""
    byline = ""
    if doc["author"]:
        byline = f", written by {doc['author']}" + (f" in {doc['year']}" if doc["year"] else "")
    return f'In the context of "{doc["title"]}"{byline}, {doc["question"]}'


def letters_prompt(doc: dict) -> str:
    options = [f"{letter}. {option}" for letter, option in zip("ABCD", doc["options"], strict=True)]
    return "\n".join([context_line(doc), *options, "Answer:"])


def text_prompt(doc: dict) -> str:
    return f"{context_line(doc)}\nAnswer:"


def score_letters(doc: dict, results: list) -> dict:
    """`results`: (log-likelihood, is greedy) of each letter."""
    return _with_hard(doc, {"acc": _correct(doc, [log_likelihood for log_likelihood, _ in results])})


def score_texts(doc: dict, results: list) -> dict:
    """`results`: (log-likelihood, is greedy) of each option. acc_norm divides it by the option's characters, as lm_eval's own does."""
    summed = [log_likelihood for log_likelihood, _ in results]
    normalised = [value / len(option) for value, option in zip(summed, doc["options"], strict=True)]
    return _with_hard(doc, {"acc": _correct(doc, summed), "acc_norm": _correct(doc, normalised)})


def _correct(doc: dict, values: list[float]) -> float:
    return float(np.argmax(values) == doc["gold"])


def _with_hard(doc: dict, metrics: dict) -> dict:
    """Each metric again for a question known to be hard: a key that is not there is in neither mean nor standard error."""
    hard = {f"{name}_hard": value for name, value in metrics.items()} if doc["difficult"] else {}
    return metrics | hard
