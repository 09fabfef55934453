"""Exact duplicates: the same words in the same order, whatever their case, spacing and punctuation."""

from collections.abc import Sequence

from closedbook.util import files, units

DIGITS = 32
"""of a digest, hexadecimal: 128 bits, so that two texts never share one by chance"""


def digest(text: str) -> str:
    """Equal for texts that say the same words."""
    return files.sha256_text(" ".join(units.bare(text)))[:DIGITS]


def rule(digests: Sequence[str], ids: Sequence[str]):
    seen: dict[str, int] = {}

    def look(number: int) -> dict | None:
        first = seen.setdefault(digests[number], number)
        return None if first == number else {"duplicates": ids[first]}

    return look
