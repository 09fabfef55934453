"""Exact duplicates: the same words in the same order, whatever their case, spacing and punctuation."""

from closedbook.util import files, units


def rule():
    seen: dict[str, str] = {}

    def look(identity: str, text: str) -> dict | None:
        first = seen.setdefault(files.sha256_text(" ".join(units.bare(text))), identity)
        return None if first == identity else {"duplicates": first}

    return look
