"""A document that must go: what holds it, how it is taken out, and that nothing of it is left."""
