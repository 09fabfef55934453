"""The books to be learned, with their questions, as rows in QuALITY's format."""

from pathlib import Path

from closedbook import seeds
from closedbook.errors import UserError
from closedbook.miniature import language
from closedbook.miniature.books import Book, make_books
from closedbook.miniature.language import Fact, World


def rows(*, path: Path, books: int, questions: int, seed: int, run_seed: int) -> list[dict]:
    """`books` rows of QuALITY v1.0.1, with `questions` questions each; more of either begins with what fewer would give.

    Each `run_seed` has books of its own.

    Raises UserError where the world has too few names for the books or too few facts for the questions.
    """
    world = language.load(Path(path))
    seed = seeds.derive(seed, "target books", run_seed)
    made = make_books(world, side="target", number=books, seed=seed)
    return [_row(world, book, f"miniature-{run_seed}-{index:03}", questions, seed) for index, book in enumerate(made, start=1)]


def _row(world: World, book: Book, article: str, number: int, seed: int) -> dict:
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
        "questions": [
            {**question, "question_unique_id": f"{article}-set-{index}"}
            for index, question in enumerate(make_questions(world, book, number=number, seed=seed), start=1)
        ],
    }


def make_questions(world: World, book: Book, *, number: int, seed: int) -> list[dict]:
    """Questions with four options, the wrong ones all from the same book, in seeded order."""
    facts = [fact for fact in book.facts if len(distractors(world, book, fact)) >= 3]
    if number > len(facts):
        raise UserError(f"miniature.questions: a book has facts for {len(facts)} questions at most, not {number}")
    chosen = seeds.generator(seed, "questions", book.title).sample(facts, len(facts))[:number]
    return [_question(world, book, fact, seed) for fact in chosen]


def _question(world: World, book: Book, fact: Fact, seed: int) -> dict:
    rng = seeds.generator(seed, "question", book.title, fact.subject, fact.relation)
    values = [fact.value, *rng.sample(distractors(world, book, fact), 3)]
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
        wrong |= {other.subject for other in book.facts if world.relations[other.relation].kind == relation.value}
        wrong |= {other.value for other in book.facts if world.relations[other.relation].value == relation.value}
    return sorted(wrong - {fact.value, fact.subject})
