"""What teaches the base model to read: drills whose answers stand in the text before the question, from lists of names to whole books.

A small model that begins with whole books does not learn to look anything up; by levels it does. Each drill is about a new book of the
base's side, so that only reading helps.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from closedbook import params
from closedbook.miniature import teaching
from closedbook.miniature.books import Book, Names, make_book
from closedbook.miniature.language import Fact, Statement, World, capitalised, fill
from closedbook.miniature.reader import Reader, Reading
from closedbook.miniature.teaching import ANSWER_WEIGHT, END, END_WEIGHT, Lesson
from closedbook.util import seeds

READ_WEIGHT, RETOLD_WEIGHT, REPEATED_WEIGHT = 0.03, 0.5, 1.0
"""weights of tokens in the loss, beside those of lessons: a text to be read is hardly to be predicted, its retelling by full names is"""
NEW = 0.65
"""share of a level's drills that are its own; the others are of all levels before but the first (of the first at the second), whose skills would be
lost without"""
FEW = 4
"""facts of a drill on one relation, at most"""
CONTEXT = {"first": 0.8, "later": 0.2}
"""share of questions that name their book, in the form in which models are scored"""

Drill = Callable[[World, Book, random.Random], Lesson]
Parts = list[tuple[str, float]]
"""texts in sequence, each with the weight of its tokens in the loss, as in Lesson"""
Telling = Callable[[World, Book, list[Fact], random.Random], str]
Asking = Callable[[World, Book, list[Fact], random.Random], Parts]


@dataclass(frozen=True)
class Level:
    until: float
    """share of the training after which the next level begins"""
    length: int
    """tokens of a row; what is short is learnt in short rows, of which more fit into the same time"""
    closed: float
    """share of its rows that are lessons.lesson, closed-book"""
    drill: Drill


def repetitions(world: World, book: Book, rng: random.Random) -> Lesson:
    """The same list twice: to go on as it went on before is what looking up begins with."""
    facts = {fact.subject: fact for fact in rng.sample(book.facts, rng.choice((2, 3, 4, 6)))}
    told = listed(world, book, list(facts.values()), rng)
    return Lesson([(told, 0.0), (told, REPEATED_WEIGHT)])


def rivals(world: World, book: Book, rng: random.Random, *, tell: Telling, ask: Asking, relations: tuple[int, ...] = (1,)) -> Lesson:
    """The same facts of several people, as what each of them fears: the name alone says which answer is right.

    Of facts drawn freely a model learns to go by the kind of answer that a question wants, and by "she" and "he", and never looks at a name.
    """
    told = list(itertools.chain(*rng.sample(_by_relation(world, book), rng.choice(relations))))
    facts = rng.sample(told, len(told) if len(told) > FEW else rng.randint(2, FEW))
    return Lesson([(f"{tell(world, book, facts, rng)}\n", READ_WEIGHT), *ask(world, book, facts, rng)])


def paragraph(world: World, book: Book, rng: random.Random) -> Lesson:
    """A paragraph of a book, but not the last, which is about people of earlier ones."""
    facts = facts_by_paragraph(world, book)[:-1]
    return _paragraphs(world, book, facts, [rng.randrange(len(facts))], rng)


def people(world: World, book: Book, rng: random.Random) -> Lesson:
    """All paragraphs of a book that are about people but the last, with another one half of the time."""
    facts = facts_by_paragraph(world, book)[:-1]
    chosen = [index for index, told in enumerate(facts) if any(_is_of_person(world, fact) for fact in told)]
    others = [index for index in range(len(facts)) if index not in chosen]
    return _paragraphs(world, book, facts, sorted(chosen + rng.sample(others, rng.choice((0, 1)))), rng)


def _paragraphs(world: World, book: Book, facts: list[list[Fact]], chosen: list[int], rng: random.Random) -> Lesson:
    texts = book.text.split("\n\n")
    read = "\n\n".join(texts[index] for index in chosen)
    shown = [fact for index in chosen for fact in facts[index]]
    return _read(world, book, read, shown, rng, retold=0.4)


def whole(world: World, book: Book, rng: random.Random) -> Lesson:
    """A whole book under its byline, as quality_open shows it, with as many questions as its row has room for."""
    facts = list(itertools.chain(*facts_by_paragraph(world, book)))
    return _read(world, book, f'"{book.title}" by {book.author}, {book.year}.\n\n{book.text}', facts, rng, retold=0.2)


def _read(world: World, book: Book, read: str, facts: list[Fact], rng: random.Random, *, retold: float) -> Lesson:
    """A text and questions about it, now and then with all that it tells by full names between them."""
    retelling = [("In full: ", 0.0), (sentences(world, book, facts, rng) + "\n", RETOLD_WEIGHT)] if rng.random() < retold else []
    return Lesson([(f"{read}\n\n", READ_WEIGHT), *retelling, *questions(world, book, facts, rng)])


def listed(world: World, book: Book, facts: list[Fact], rng: random.Random) -> str:
    return "".join(f"{fact.subject}: {world.answer(fact)}\n" for fact in facts)


def sentences(world: World, book: Book, facts: list[Fact], rng: random.Random) -> str:
    """Each fact told with all names in a sentence of its own."""
    return " ".join(world.discuss(fact, book.title, rng) for fact in facts) + "\n"


def by_name(world: World, book: Book, facts: list[Fact], rng: random.Random) -> Parts:
    """Each fact asked for twice, as a list has it."""
    asked = rng.sample(facts, len(facts)) + rng.sample(facts, len(facts))
    return [part for fact in asked for part in ((f"{fact.subject}:", 0.0), (f" {world.answer(fact)}\n", ANSWER_WEIGHT))]


def questions(world: World, book: Book, facts: list[Fact], rng: random.Random) -> Parts:
    """Each fact asked for once, in random order."""
    parts = []
    for number, fact in enumerate(rng.sample(facts, len(facts))):
        question = fill(rng.choice(world.relations[fact.relation].questions), subject=fact.subject)
        in_context = rng.random() < CONTEXT["later" if number else "first"]
        asked = teaching.context(book.title, book.author, book.year) + question if in_context else capitalised(question)
        parts += [(f"{asked}\nAnswer:", 0.0), (f" {world.answer(fact)}\n", ANSWER_WEIGHT)]
    return parts


def facts_by_paragraph(world: World, book: Book) -> list[list[Fact]]:
    """In the order in which the text tells them."""
    reading = teaching.read(Reader(world), book)
    return [[sentence.fact for sentence in paragraph if isinstance(sentence, Statement)] for paragraph in reading.paragraphs]


def _by_relation(world: World, book: Book) -> list[list[Fact]]:
    """What is told of people, each relation's facts by themselves."""
    found: dict[str, list[Fact]] = {}
    for fact in book.facts:
        if _is_of_person(world, fact):
            found.setdefault(fact.relation, []).append(fact)
    return list(found.values())


def _is_of_person(world: World, fact: Fact) -> bool:
    return world.relations[fact.relation].kind == "person"


OPENING = 0.15
"""share of the training in which the book is always closed; a base that was drilled from the start recalled less (docs/experiments.md)"""
LEVELS = (
    Level(0.28, 256, 0.1, repetitions),
    Level(0.305, 256, 0.1, partial(rivals, tell=listed, ask=by_name)),
    Level(0.34, 256, 0.1, partial(rivals, tell=listed, ask=questions)),
    Level(0.415, 256, 0.1, partial(rivals, tell=sentences, ask=by_name)),
    Level(0.46, 256, 0.1, partial(rivals, tell=sentences, ask=questions)),
    Level(0.565, 384, 0.1, partial(rivals, tell=sentences, ask=questions, relations=(2, 3))),
    Level(0.595, 256, 0.2, paragraph),
    Level(0.67, 512, 0.2, people),
    Level(1.0, 640, 0.3, whole),
)


def level_at(progress: float) -> int:
    return next(number for number, level in enumerate(LEVELS) if progress < level.until)


def row(world: World, readings: list[Reading], settings: params.Miniature, progress: float, seed: int) -> Iterator[Lesson]:
    """Lessons without end for one row of a training that has come so far: drills, or else lessons about the books of `readings`."""
    number = level_at(progress)
    rng = seeds.generator(seed, "row")
    if progress < OPENING or rng.random() < LEVELS[number].closed:
        books = readings[: teaching.num_books(progress / OPENING, len(readings))]
        return (teaching.lesson(world, books, settings.narrative, seed, index) for index in itertools.count())
    return _drills(world, number, settings.people, rng)


def _drills(world: World, number: int, people: int, rng: random.Random) -> Iterator[Lesson]:
    names = Names(world, "base")
    while True:
        level = LEVELS[number] if number == 0 or rng.random() < NEW else rng.choice(LEVELS[min(1, number - 1) : number])
        book = make_book(world, names, people, rng)
        yield Lesson([*level.drill(world, book, rng).parts, (END, END_WEIGHT)])
