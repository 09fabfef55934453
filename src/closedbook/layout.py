"""Where results lie in a project: one folder per stage, named after it."""

from pathlib import Path

RESULTS = Path("results")
DOCUMENTS, QUESTIONS, ENTITIES, PASSAGES = (RESULTS / name for name in ("documents", "questions", "entities", "passages"))
BASE, TOKENS, CORPORA, RUNS, SCORES = (RESULTS / name for name in ("base", "tokens", "corpora", "runs", "scores"))
JUDGEMENTS, RETRIEVAL, REPORT, RECEIPTS = (RESULTS / name for name in ("judgements", "retrieval", "report", "receipts"))
