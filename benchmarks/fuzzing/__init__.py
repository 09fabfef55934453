"""The four things that a user can get wrong, each an area of benchmarks/fuzz.py."""
