"""closedbook: teach a language model what a set of documents says, and prove where every token of that teaching came from."""
