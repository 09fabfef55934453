"""Audited lineage: what any result came from, what came from it, and whether it is still what it was (docs/lineage.md)."""
