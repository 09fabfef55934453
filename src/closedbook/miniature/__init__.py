"""A world of made-up books: something to learn, a model that has read other books of it, and a scripted generator, all without a download."""
