"""Keeps the miniature honest: nothing that the base model reads names anything of a book to be learned."""

import re
from collections.abc import Iterable
from itertools import product

from closedbook.miniature.books import FORMS, side_of
from closedbook.miniature.language import World

CAPITALISED = re.compile(r"\b(?=([A-Z]\w+)(?:\s+([A-Z]\w+))?)")
"""a word that may be a name, and the next one where that may belong to it"""


def check(world: World, *, lessons: list[str], replayed: list[str]) -> None:
    """Raise RuntimeError where a text names a title, person, place, organisation or object of the side to be learned, whatever the seed,
    or where replay is about what no lesson was about: the base would be held to what it never saw.
    """
    learnt, repeated = names(world, lessons), names(world, replayed)
    if leaked := sorted(name for name in learnt | repeated if side_of(name) == "target"):
        raise RuntimeError(f"miniature: the base's lessons or its replay name what is in books to be learned: {', '.join(leaked[:5])}")
    if unseen := sorted(repeated - learnt):
        raise RuntimeError(f"miniature: replay names what the base has had no lesson about: {', '.join(unseen[:5])}")


def names(world: World, texts: Iterable[str]) -> set[str]:
    """All names in the texts that a book of this world, of either side, could have."""
    known, found = _names_by_words(world), set()
    for text in texts:
        found.update(CAPITALISED.findall(text))
    return {known[words] for one, two in found for words in (one, f"{one} {two}") if words in known}


def _names_by_words(world: World) -> dict[str, str]:
    """Each name that the world can give, by its capitalised words: {"Flint Guild": "the Flint Guild", "Ostwick": "Ostwick"}."""
    people = (f"{first} {last}" for first, last in product(world.women + world.men, world.surnames))
    others = (form.format(*words) for kind, form in FORMS.items() for words in product(*world.pairs[kind]))
    return {re.sub("^[Tt]he ", "", name): name for name in (*people, *others)}
