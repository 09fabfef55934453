"""Fresh by content: what goes into each job, what came out of it, and what must therefore run again (docs/freshness.md)."""
