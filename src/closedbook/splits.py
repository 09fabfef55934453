"""Validation and test: documents to choose settings on, and documents to say what came of it."""

SPLITS = ("validation", "test")
ONE_IN = 5


def documents(titles: dict[str, str], split: str) -> set[str]:
    """Those of a split, of document -> title: the first fifth by title (rounded down) is validation, the rest is test."""
    ordered = sorted(titles, key=lambda document: (titles[document], document))
    num_validation = len(ordered) // ONE_IN
    return set(ordered[:num_validation] if split == "validation" else ordered[num_validation:])
