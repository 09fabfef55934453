"""What closedbook does without a language model: entity lists by spaCy, passages from the document's own sentences."""
