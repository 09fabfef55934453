"""What is measured of a model's answer to one question, and the standard error of means over questions that share documents."""

import math
from collections import defaultdict

import numpy as np


def score_letters(doc: dict, results: list) -> dict:
    """`results`: (log-likelihood, is greedy) of each letter."""
    return _headline(doc, "acc", _correct(doc, [log_likelihood for log_likelihood, _ in results]))


def score_texts(doc: dict, results: list) -> dict:
    """`results`: (log-likelihood, is greedy) of each option. acc_norm divides it by the option's characters, as lm_eval's own does."""
    summed = [log_likelihood for log_likelihood, _ in results]
    normalised = [value / len(option) for value, option in zip(summed, doc["options"], strict=True)]
    acc = _correct(doc, summed)
    return {"acc": acc, **({"acc_hard": acc} if doc["difficult"] else {}), **_headline(doc, "acc_norm", _correct(doc, normalised))}


def score_cot(doc: dict, results: list) -> dict:
    """`results`: what votes.choose made of the responses."""
    (chosen,) = results
    answered = chosen["first"] is not None
    metrics = {"attempted": float(answered), "acc_majority": float(chosen["majority"] == doc["gold"])}
    if answered and doc["split"] == "test":
        metrics["acc_repository"] = float(chosen["first"] == doc["gold"])
    return metrics | _headline(doc, "acc", float(chosen["paper"] == doc["gold"]))


def _correct(doc: dict, values: list[float]) -> float:
    return float(np.argmax(values) == doc["gold"])


def _headline(doc: dict, name: str, value: float) -> dict:
    """A task's main metric, of all questions and of each subset that this one is in: a key that is not there counts in none."""
    difficulty = {True: ["_hard"], False: ["_not_hard"], None: []}[doc["difficult"]]
    names = [name + subset for subset in ("", *difficulty, f"_{doc['split']}")]
    errors = {f"{name}_error_by_document": (value, doc["document"]) for name in names}
    cut = {"cut": float(doc["paragraphs_left_out"] > 0)} if "paragraphs_left_out" in doc else {}
    return dict.fromkeys(names, value) | errors | cut


def error_by_document(values: list[tuple[float, str]]) -> float | str:
    """The standard error of the mean, clustered by document (README.md has the formula); N/A, as lm_eval says it, of a single one."""
    mean, sums = math.fsum(value for value, _ in values) / len(values), defaultdict(float)
    for value, document in values:
        sums[document] += value - mean
    if len(sums) < 2:
        return "N/A"
    return math.sqrt(len(sums) / (len(sums) - 1) * math.fsum(total * total for total in sums.values())) / len(values)
