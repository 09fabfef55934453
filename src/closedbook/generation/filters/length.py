"""Length: what is too short says nothing, what is too long is often a model that could not stop."""

from closedbook.util import units


def rule(min_words: int | None, max_words: int | None):
    """In words (see units); either bound may be None."""
    if min_words is None and max_words is None:
        return None

    def look(text: str) -> dict | None:
        words = units.count(text)
        is_fit = (min_words or 0) <= words and (max_words is None or words <= max_words)
        return None if is_fit else {"words": words}

    return look
