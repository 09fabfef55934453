"""What teaches the base model to read: drills whose answers stand in the text before the question, from lists of names to whole books.

A small model that begins with whole books does not learn to look anything up; by levels it does. Each drill is about a new book of the
base's side, so that only reading helps.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from closedbook import params, seeds
from closedbook.miniature import lessons
from closedbook.miniature.books import Book, Names, make_book
from closedbook.miniature.language import Fact, Statement, World, capitalised, fill
from closedbook.miniature.lessons import ANSWER_WEIGHT, END, END_WEIGHT, Lesson
from closedbook.miniature.reader import Reader, Reading

READ_WEIGHT, RETOLD_WEIGHT, REPEATED_WEIGHT = 0.03, 0.5, 1.0
"""weights of tokens in the loss, beside those of lessons: a text to be read is hardly to be predicted, its retelling by full names is"""
NEW = 0.65
"""share of a level's drills that are its own; the others are of the two levels before"""
CONTEXT = {"first": 0.8, "later": 0.2}
"""share of questions that name their book, in the form in which models are scored"""
ASKED = 10
"""questions about a whole book, which with it fill a block"""

Drill = Callable[[World, Book, random.Random], Lesson]


@dataclass(frozen=True)
class Level:
    until: float
    """share of the training after which the next level begins"""
    length: int
    """tokens of a row; what is short is learnt in short rows, of which more fit into the same time"""
    closed: float
    """share of its rows that are lessons.lesson, with the book closed"""
    drill: Drill


def repetitions(world: World, book: Book, rng: random.Random) -> Lesson:
    """The same list twice: to go on as it went on before is what looking up begins with."""
    told = _listed(_some_answers(world, book, rng))
    return Lesson([(told, 0.0), (told, REPEATED_WEIGHT)])


def lists(world: World, book: Book, rng: random.Random) -> Lesson:
    """Names with an answer each, all of them asked for twice."""
    answers = _some_answers(world, book, rng)
    asked = rng.sample(list(answers), len(answers)) + rng.sample(list(answers), len(answers))
    return Lesson([(_listed(answers), 0.0), *(part for name in asked for part in ((f"{name}:", 0.0), (f" {answers[name]}\n", ANSWER_WEIGHT)))])


def _some_answers(world: World, book: Book, rng: random.Random) -> dict[str, str]:
    return {fact.subject: world.answer(fact) for fact in rng.sample(book.facts, rng.choice((2, 3, 4, 6)))}


def _listed(answers: dict[str, str]) -> str:
    return "".join(f"{name}: {answer}\n" for name, answer in answers.items())


def sentences(world: World, book: Book, rng: random.Random, *, most: int) -> Lesson:
    """Facts of a book, each told with all names in a sentence of its own."""
    facts = rng.sample(book.facts, rng.randint(most // 2, most))
    return Lesson([(f"{told(world, book, facts, rng)}\n\n", READ_WEIGHT), *questions(world, book, facts, rng)])


def paragraphs(world: World, book: Book, rng: random.Random, *, most: int) -> Lesson:
    """Some paragraphs of a book, without the last, which is about people of earlier ones; often retold by full names."""
    texts, facts = book.text.split("\n\n"), facts_by_paragraph(world, book)
    chosen = sorted(rng.sample(range(len(texts) - 1), rng.randint(most // 2 + 1, most)))
    read = [("\n\n".join(texts[index] for index in chosen) + "\n\n", READ_WEIGHT)]
    shown = [fact for index in chosen for fact in facts[index]]
    retold = retelling(world, book, shown, rng) if rng.random() < 0.4 else []
    return Lesson([*read, *retold, *questions(world, book, shown, rng)])


def whole(world: World, book: Book, rng: random.Random) -> Lesson:
    """A whole book under its byline, as quality_open shows it; sometimes retold by full names."""
    read = [(f'"{book.title}" by {book.author}, {book.year}.\n\n{book.text}\n\n', READ_WEIGHT)]
    facts = [fact for paragraph in facts_by_paragraph(world, book) for fact in paragraph]
    if rng.random() < 0.25:
        return Lesson([*read, *retelling(world, book, facts, rng)])
    return Lesson([*read, *questions(world, book, rng.sample(facts, ASKED), rng)])


LEVELS = (
    Level(0.08, 256, 0.0, repetitions),
    Level(0.28, 256, 0.0, lists),
    Level(0.42, 256, 0.0, partial(sentences, most=4)),
    Level(0.52, 384, 0.0, partial(sentences, most=9)),
    Level(0.61, 256, 0.2, partial(paragraphs, most=1)),
    Level(0.68, 512, 0.2, partial(paragraphs, most=3)),
    Level(1.0, 640, 0.35, whole),
)
OPENING = LEVELS[3].until
"""how far the training has come when the first rows with the book closed are read"""


def level_at(progress: float) -> int:
    return next(number for number, level in enumerate(LEVELS) if progress < level.until)


def row(world: World, readings: list[Reading], settings: params.Miniature, progress: float, seed: int) -> Iterator[Lesson]:
    """Lessons without end for one row of a training that has come so far: drills, or else lessons about the books of `readings`."""
    number = level_at(progress)
    rng = seeds.generator(seed, "row")
    if rng.random() < LEVELS[number].closed:
        books = readings[: lessons.num_books((progress - OPENING) / (1 - OPENING), len(readings))]
        return (lessons.lesson(world, books, settings.narrative, seed, index) for index in itertools.count())
    return _drills(world, number, settings.people, rng)


def _drills(world: World, number: int, people: int, rng: random.Random) -> Iterator[Lesson]:
    names = Names(world, "base")
    while True:
        level = LEVELS[number] if number == 0 or rng.random() < NEW else rng.choice(LEVELS[max(0, number - 2) : number])
        book = make_book(world, names, people, rng)
        yield Lesson([*level.drill(world, book, rng).parts, (END, END_WEIGHT)])


def questions(world: World, book: Book, facts: list[Fact], rng: random.Random) -> list[tuple[str, float]]:
    """Each fact asked for once, in random order."""
    parts = []
    for number, fact in enumerate(rng.sample(facts, len(facts))):
        question = fill(rng.choice(world.relations[fact.relation].questions), subject=fact.subject)
        in_context = rng.random() < CONTEXT["later" if number else "first"]
        asked = lessons.context(book.title, book.author, book.year) + question if in_context else capitalised(question)
        parts += [(f"{asked}\nAnswer:", 0.0), (f" {world.answer(fact)}\n", ANSWER_WEIGHT)]
    return parts


def retelling(world: World, book: Book, facts: list[Fact], rng: random.Random) -> list[tuple[str, float]]:
    return [("In full: ", 0.0), (f"{told(world, book, facts, rng)}\n\n", RETOLD_WEIGHT)]


def told(world: World, book: Book, facts: list[Fact], rng: random.Random) -> str:
    return " ".join(world.discuss(fact, book.title, rng) for fact in facts)


def facts_by_paragraph(world: World, book: Book) -> list[list[Fact]]:
    """In the order in which the text tells them."""
    reading = lessons.read(Reader(world), book)
    return [[sentence.fact for sentence in paragraph if isinstance(sentence, Statement)] for paragraph in reading.paragraphs]
