"""The books to be learned, with their questions, as rows in QuALITY's format."""

from pathlib import Path

from closedbook import params
from closedbook.miniature import language
from closedbook.miniature.books import Book, make_books
from closedbook.miniature.language import Fact, World
from closedbook.util import seeds
from closedbook.util.errors import UserError

WRONG = 3
"""wrong options of a question"""


def rows(*, path: Path, settings: params.Miniature, seed: int, run_seed: int) -> list[dict]:
    """The books as rows of QuALITY v1.0.1; each `run_seed` has books of its own.

    More books, or more questions a book, begin with what fewer would give, but for options that come from other books.

    Raises UserError where the world has too few names for the books, or a book too few facts for the questions or their options.
    """
    world = language.load(Path(path))
    seed = seeds.derive(seed, "target books", run_seed)
    made = make_books(world, side="target", number=settings.books, people=settings.people, seed=seed)
    asked = [make_questions(world, book, made, settings, seed) for book in made]
    return [_row(book, f"miniature-{run_seed}-{index:03}", questions) for index, (book, questions) in enumerate(zip(made, asked), start=1)]


def _row(book: Book, article: str, questions: list[dict]) -> dict:
    return {
        "article_id": article,
        "set_unique_id": f"{article}-set",
        "batch_num": "1",
        "writer_id": "miniature",
        "source": "miniature",
        "title": book.title,
        "year": book.year,
        "author": book.author,
        "topic": "fiction",
        "article": book.text,
        "url": "",
        "license": "Apache-2.0",  # as all of this project
        "questions": [{**question, "question_unique_id": f"{article}-set-{index}"} for index, question in enumerate(questions, start=1)],
    }


def make_questions(world: World, book: Book, books: list[Book], settings: params.Miniature, seed: int) -> list[dict]:
    """Questions with four options, of which settings.same_book wrong ones are from the same book, in seeded order.

    They ask for the same facts whatever the options: those that have three wrong answers in the book.
    """
    facts = [fact for fact in book.facts if len(distractors(world, book, fact)) >= WRONG]
    if settings.questions > len(facts):
        raise UserError(f"miniature.questions: a book has facts for {len(facts)} questions at most, not {settings.questions}")
    chosen = seeds.generator(seed, "questions", book.title).sample(facts, len(facts))[: settings.questions]
    return [_question(world, book, books, fact, settings.same_book, seed) for fact in chosen]


def _question(world: World, book: Book, books: list[Book], fact: Fact, same_book: int, seed: int) -> dict:
    rng = seeds.generator(seed, "question", book.title, fact.subject, fact.relation)
    own, strange = distractors(world, book, fact), strangers(world, book, books, fact) if same_book < WRONG else []
    if same_book + len(strange) < WRONG:
        raise UserError(f"miniature.same_book: the other books have {len(strange)} wrong options for a question about {book.title!r}, "
                        f"not {WRONG - same_book}: raise it, or miniature.books")
    values = [fact.value, *rng.sample(own, same_book), *rng.sample(strange, WRONG - same_book)]
    rng.shuffle(values)
    gold = values.index(fact.value) + 1
    return {
        "question": language.fill(rng.choice(world.relations[fact.relation].questions), subject=fact.subject),
        "options": [world.answer(Fact(fact.subject, fact.relation, value)) for value in values],
        "writer_label": gold,
        "gold_label": gold,
        "validation": [],
        "speed_validation": [],
    }


def distractors(world: World, book: Book, fact: Fact) -> list[str]:
    """Wrong answers from the same book: other values of the relation; for an organisation, its people or its places."""
    relation = world.relations[fact.relation]
    wrong = {other.value for other in book.facts if other.relation == fact.relation}
    if relation.kind == "organisation":
        wrong |= _of_kind(world, book, relation.value)
    return sorted(wrong - {fact.value, fact.subject})


def strangers(world: World, book: Book, books: list[Book], fact: Fact) -> list[str]:
    """Wrong answers that are not in the book: people or places of the other books, or other words of the kind that was asked for."""
    kind = world.relations[fact.relation].value
    found = {name for other in books for name in _of_kind(world, other, kind)} if kind in ("person", "place") else set(world.every(kind))
    return sorted(found - {name for each in book.facts for name in (each.subject, each.value)})


def _of_kind(world: World, book: Book, kind: str) -> set[str]:
    """The book's people or places, whatever the book says of them."""
    subjects = {fact.subject for fact in book.facts if world.relations[fact.relation].kind == kind}
    return subjects | {fact.value for fact in book.facts if world.relations[fact.relation].value == kind}
