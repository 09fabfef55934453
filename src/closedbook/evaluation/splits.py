"""Validation and test: documents to choose settings on, and documents to say what came of it. evals/quality/utils.py splits them."""

SPLITS = ("validation", "test")
