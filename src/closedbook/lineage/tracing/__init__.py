"""Following a result back: passages, tokens, and the passages nearest to a sentence."""
