"""What the base model learns from: tellings of books, discussions as the scripted generator writes them, and questions with their answers.

Only every second book comes with questions, so that answering about a book which was only read is part of what is learned. Nothing of it
names anything of a book to be learned: that is checked, and keeps the miniature honest.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from closedbook.miniature import author
from closedbook.miniature.books import FORMS, Book, make_books, side_of
from closedbook.miniature.language import World, capitalised, fill
from closedbook.miniature.reader import Reader, Reading
from closedbook.util import seeds

END = "<eos>"
TEXT_WEIGHT, QUESTION_WEIGHT, ANSWER_WEIGHT, END_WEIGHT = 1.0, 0.1, 3.0, 0.1
"""weights of tokens in the loss: a question is not to be predicted, and its answer is a few tokens of many"""
FIRST_BOOKS = 8
CAPITALISED = re.compile(r"\b(?=([A-Z]\w+)(?:\s+([A-Z]\w+))?)")
"""a word that may be a name, and the next one where that may belong to it"""


@dataclass(frozen=True)
class Lesson:
    parts: list[tuple[str, float]]
    """texts in sequence, each with the weight of its tokens in the loss"""

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.parts)


def read_books(world: World, number: int, people: int, seed: int) -> list[Reading]:
    """Books that share no name with the books to be learned, read as the scripted generator reads."""
    reader = Reader(world)
    books = make_books(world, side="base", number=number, people=people, seed=seed)
    return [read(reader, book) for book in books]


def read(reader: Reader, book: Book) -> Reading:
    return reader.read(title=book.title, author=book.author, year=str(book.year), text=book.text)


def num_books(progress: float, most: int) -> int:
    """How many books are open after this share of the training: FIRST_BOOKS for a fifth of it, all `most` from two thirds on.

    With all books open from the start, held-out books stay at chance for several times as many tokens.
    """
    growth = min(1.0, max(0.0, (progress - 0.2) / 0.45))
    return round(FIRST_BOOKS * (most / FIRST_BOOKS) ** growth)


def lesson(world: World, readings: list[Reading], narrative: float, seed: int, index: int) -> Lesson:
    """The lesson of one index, about one of the books open: questions are half of all lessons, narrative is the share given."""
    rng = seeds.generator(seed, "lesson", index)
    draw = rng.random()
    if draw < 0.5:
        return questions(world, rng.choice(readings[::2]), rng)
    reading = rng.choice(readings)
    text = discussion(world, reading, rng) if draw < 1 - narrative else author.rephrase(world, reading, rng)
    return Lesson([(text, TEXT_WEIGHT), (END, TEXT_WEIGHT)])


def discussion(world: World, reading: Reading, rng: random.Random) -> str:
    entities = rng.sample(reading.entities, rng.choice((2, 2, 2, 3)))
    return author.discuss(world, reading, entities, rng)


def questions(world: World, reading: Reading, rng: random.Random) -> Lesson:
    """One, two or four questions about a book with their answers; the first one names it, in the form in which models are scored."""
    named, parts = context(reading.title, reading.author, reading.year), []
    for number, fact in enumerate(rng.sample(reading.facts, rng.choice((1, 2, 4)))):
        question = fill(rng.choice(world.relations[fact.relation].questions), subject=fact.subject)
        asked = named + question if number == 0 else capitalised(question)
        parts += [(f"{asked}\nAnswer:", QUESTION_WEIGHT), (f" {world.answer(fact)}\n", ANSWER_WEIGHT)]
    return Lesson([*parts, (END, END_WEIGHT)])


def context(title: str, author: str, year: int | str) -> str:
    """How the question that models are scored with begins."""
    return f'In the context of "{title}", written by {author} in {year}, '


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
