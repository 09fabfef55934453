"""Scores of toy runs with the answers behind them, and the questions that were asked."""

from closedbook.evaluation import clustered, summaries
from closedbook.util import files

CLOSED, OPEN = "quality_closed_text", "quality_open"
HOSTILE = "what did\x1b[31m Ada <b>see</b>?"


def scored(folder, arm, right, *, seed=1, task=CLOSED, version=1.0, questions="ab" * 32, documents=4, strategy=None, tokens=100,
           train_tokens=400):
    """A score of as many questions, about `documents` documents in turn, and which were answered rightly; one call per task."""
    run = f"{arm}-s{seed}" if seed else arm
    path, samples = folder / "scores" / f"{run}.json", folder / "scores" / f"{run}.samples.jsonl"
    rows = [{"task": task, "id": f"q{i}", "document": f"d{i % documents}", "split": "test" if i % documents else "validation",
             "difficult": None,
             "gold": 0, "chosen": 0 if one else 1, "correct": bool(one)} for i, one in enumerate(right)]  # fmt: skip
    measured = summaries.figures(rows) | {split: summaries.figures([row for row in rows if row["split"] == split]) for split in clustered.SPLITS}
    old = files.read_json(path)["tasks"] if path.exists() else {}
    rows = (files.read_json_lines(samples) if old else []) + rows
    facts = {"run": run, "arm": arm, "strategy": strategy or arm, "corpus_tokens": tokens, "train_tokens": train_tokens, "seed": seed}
    about = {"questions_sha256": questions, "questions": {"d": questions}}
    files.write_json(path, {**facts, **about, "tasks": {**old, task: {"version": version, "metric": "acc_norm", **measured}}})
    files.write_json_lines(samples, rows)
    for number in range(documents):
        asked = [{"id": f"q{i}", "question": HOSTILE, "options": ["right", "wrong", "x", "y"]} for i in range(number, len(right), documents)]
        files.write_json(folder / "questions" / f"d{number}.json", asked)


def scores_in(folder):
    return [{**files.read_json(path), "samples": path.with_suffix(".samples.jsonl")} for path in sorted((folder / "scores").glob("*.json"))]
