"""From lm_eval's results to the rows of samples.jsonl and the figures of a score."""

from statistics import fmean

from closedbook.evaluation import clustered, tasks
from closedbook.evaluation.clustered import SPLITS


def of(task, results: dict) -> tuple[dict, list[dict]]:
    """lm_eval's results of one task as (summary, answers)."""
    name = task.task_name
    in_words, recalls = tasks.answers_in_words(name), tasks.recalls(name)
    measured = {key.removesuffix(",none"): value for key, value in results["results"][name].items() if key.endswith(",none")}
    metrics = {key: value for key, value in sorted(measured.items()) if value != "N/A"}  # N/A: no error of a single question
    metric = "acc_norm" if "acc_norm" in metrics else "acc"
    form = _in_words if in_words else _recalled if recalls else _by_likelihood
    answers = [form(task, sample, metric) for sample in results["samples"][name]]
    summary = {
        "version": task.VERSION,
        "metric": metric,
        "chance": 0.0 if recalls else fmean(1 / len(sample["doc"]["options"]) for sample in results["samples"][name]),
        **figures(answers),
        **_cut(answers),
        **({"recall": fmean(row["finds_document"] for row in answers)} if "finds_document" in answers[0] else {}),
        **(_conventions(answers) if in_words else {}),
        **(_written(answers) if recalls else {}),
        "metrics": metrics,
        **{split: figures([row for row in answers if row["split"] == split]) for split in SPLITS},
    }
    return summary, answers


def figures(rows: list[dict]) -> dict:
    """How many of the questions of `rows` are right, over all, hard and not hard ones; None where there are none."""
    subsets = {"": rows}
    subsets |= {name: [row for row in rows if row["difficult"] is hard] for name, hard in (("_hard", True), ("_not_hard", False))}
    result = {}
    for subset, some in subsets.items():
        values, documents = [float(row["correct"]) for row in some], [row["document"] for row in some]
        result[f"accuracy{subset}"] = sum(values) / len(values) if values else None
        result[f"stderr{subset}"] = clustered.stderr(values, documents) if values else None
    counts = {f"n{subset}": len(some) for subset, some in subsets.items()}
    return {**result, **counts, "n_documents": len({row["document"] for row in rows})}


def _cut(answers: list[dict]) -> dict:
    """How many documents were shown without all of their paragraphs, and to how many questions, where the task shows documents."""
    if "paragraphs_left_out" not in answers[0]:
        return {}
    cut = [row["document"] for row in answers if row["paragraphs_left_out"]]
    return {"documents_cut": len(set(cut)), "questions_cut": len(cut)}


def _conventions(answers: list[dict]) -> dict:
    """The other ways to make one answer of several responses; the paper's, a valid one drawn at random, is the accuracy itself."""
    attempted = [row for row in answers if row["first"] is not None]
    counted = {
        "repository": [row | {"correct": row["first"] == row["gold"]} for row in attempted if row["split"] == "test"],
        "majority": [row | {"correct": row["majority"] == row["gold"]} for row in answers],
    }
    return {"attempt_rate": len(attempted) / len(answers), **{name: figures(rows) for name, rows in counted.items()}}


def _written(answers: list[dict]) -> dict:
    """How many responses are the answer and nothing else, and both figures of the questions whose answer is an identifier."""
    identifiers = [row for row in answers if row["identifier"]]
    found = {name: figures(identifiers)[name] for name in ("accuracy", "stderr", "n")} if identifiers else {"accuracy": None, "stderr": None, "n": 0}
    in_format = fmean(row["in_format"] for row in identifiers) if identifiers else None
    return {"in_format": fmean(row["in_format"] for row in answers), "identifiers": found | {"in_format": in_format}}


def _row(task, doc: dict) -> dict:
    reading = {name: doc[name] for name in ("paragraphs_left_out", "chunks", "finds_document") if name in doc}
    kept = {name: doc[name] for name in ("id", "document", "difficult", "split", "gold")}
    return {"task": task.task_name, **kept, **reading}


def _by_likelihood(task, sample: dict, metric: str) -> dict:
    """One question's answer: the choice that `metric` takes for it, and the summed log-likelihood (nats) of each."""
    doc = sample["doc"]
    log_likelihoods = [log_likelihood for log_likelihood, _ in sample["filtered_resps"]]
    lengths = [len(choice) if metric == "acc_norm" else 1 for choice in task.doc_to_choice(doc)]
    values = [value / length for value, length in zip(log_likelihoods, lengths, strict=True)]
    chosen = {"chosen": values.index(max(values)), "correct": bool(sample[metric])}
    return {**_row(task, doc), **chosen, "log_likelihoods": log_likelihoods}


def _in_words(task, sample: dict, metric: str) -> dict:
    """One question's answer: the option that the responses amount to (None: no valid one), and all responses."""
    (votes,), (responses,) = sample["filtered_resps"], sample["resps"]
    chosen = {"chosen": votes["paper"], "correct": bool(sample[metric]), "log_likelihoods": None}
    others = {name: votes[name] for name in ("first", "majority", "answers")}
    return {**_row(task, sample["doc"]), **chosen, **others, "responses": responses}


def _recalled(task, sample: dict, metric: str) -> dict:
    """One question's answer: the right option where the response holds it, None where not, and the response."""
    doc, correct = sample["doc"], bool(sample[metric])
    chosen = {"chosen": doc["gold"] if correct else None, "correct": correct, "log_likelihoods": None}
    return {**_row(task, doc), **chosen, "in_format": bool(sample["in_format"]), "identifier": doc["identifier"], "responses": sample["resps"][0]}
