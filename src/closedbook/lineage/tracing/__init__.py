"""Following a result back: files, passages, tokens, and the passages nearest to a sentence."""
