"""Every random choice is drawn from a seed of its own, made from params.yaml's seed and what the choice is for."""

import hashlib
import random


def derive(seed: int, *what) -> int:
    """A 63-bit seed for one purpose: the same for the same seed and words, whatever was drawn before."""
    text = "\x1f".join([str(seed), *map(str, what)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") >> 1


def generator(seed: int, *what) -> random.Random:
    return random.Random(derive(seed, *what))
