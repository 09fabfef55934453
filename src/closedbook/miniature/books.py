"""Made-up books and the questions about them: a cast, facts, a narrative that tells each fact once, and rows in QuALITY's format."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from closedbook import params
from closedbook.miniature import language
from closedbook.miniature.language import Fact, Introduction, Sentence, Statement, World
from closedbook.miniature.shape import FACTS
from closedbook.util import files, seeds
from closedbook.util.errors import UserError

FORMS = {"title": "The {} {}", "place": "{}{}", "organisation": "the {} {}", "object": "the {} {}"}
"""how names are made of two words"""
TRIES = 10_000
"""draws of a name or a value, after which there seems to be none left"""
WRONG = 3
"""wrong options of a question"""


@dataclass(frozen=True)
class Book:
    title: str
    author: str
    year: int
    facts: tuple[Fact, ...]
    text: str
    """paragraphs separated by a blank line"""


@dataclass(frozen=True)
class Cast:
    towns: tuple[str, str]
    organisation: str
    treasure: str
    people: tuple[str, str, str, str]
    """two women and two men, of four surnames; each half holds one of each"""

    @property
    def subjects(self) -> list[tuple[str, str]]:
        """(name, kind) of all that facts are about."""
        people = [(name, "person") for name in self.people]
        return people + [(town, "place") for town in self.towns] + [(self.organisation, "organisation"), (self.treasure, "object")]


class Names:
    """The names of one side: whatever the seed, a name is either for books that a base model reads or for books to be learned."""

    def __init__(self, world: World, side: str):
        self.world = world
        self.side = side
        self.given: set[str] = set()

    def new(self, draw: Callable[[], str]) -> str:
        """A name of this side that no book before has got. Raises UserError when there seem to be none left."""
        for _ in range(TRIES):
            name = draw()
            if name not in self.given and side_of(name) == self.side:
                self.given.add(name)
                return name
        field = "miniature.base_books" if self.side == "base" else "miniature.books"
        raise UserError(f"{field}: world.yaml has too few names for so many books: ask for fewer, or add words to it")

    def two_words(self, kind: str, rng: random.Random) -> str:
        first, second = self.world.pairs[kind]
        return self.new(lambda: FORMS[kind].format(rng.choice(first), rng.choice(second)))

    def person(self, rng: random.Random, *, first_names: tuple[str, ...], not_surnames: frozenset[str] = frozenset()) -> str:
        surnames = [name for name in self.world.surnames if name not in not_surnames]
        return self.new(lambda: f"{rng.choice(first_names)} {rng.choice(surnames)}")

    def anyone(self, rng: random.Random) -> str:
        return self.person(rng, first_names=self.world.women + self.world.men)


def side_of(name: str) -> str:
    return ("base", "target")[int(files.sha256_text(name)[0], 16) % 2]


def make_books(world: World, *, side: str, number: int, people: int, seed: int) -> list[Book]:
    """Books of one side, "base" or "target", with paragraphs on so many people. A larger number begins with the books of a smaller one."""
    names = Names(world, side)
    return [make_book(world, names, people, seeds.generator(seed, "book", side, index)) for index in range(number)]


def make_book(world: World, names: Names, people: int, rng: random.Random) -> Book:
    title = names.two_words("title", rng)
    author = names.anyone(rng)
    cast = _cast(world, names, rng)
    facts = _facts(world, cast, names, rng)
    paragraphs = _plan(world, cast, facts, people, rng)
    text = "\n\n".join(" ".join(world.write(sentence, rng) for sentence in paragraph) for paragraph in paragraphs)
    return Book(title, author, rng.randint(1850, 1999), tuple(facts), text)


def _cast(world: World, names: Names, rng: random.Random) -> Cast:
    people: list[str] = []
    for first_names in rng.sample((world.women, world.men), 2) + rng.sample((world.women, world.men), 2):
        surnames = frozenset(name.split()[-1] for name in people)
        people.append(names.person(rng, first_names=first_names, not_surnames=surnames))
    return Cast(
        towns=(names.two_words("place", rng), names.two_words("place", rng)),
        organisation=names.two_words("organisation", rng),
        treasure=names.two_words("object", rng),
        people=tuple(people),
    )


def _facts(world: World, cast: Cast, names: Names, rng: random.Random) -> list[Fact]:
    """The same relations for each subject of a kind, no value twice in a book."""
    relations = {kind: [relation for relation in world.relations.values() if relation.kind == kind] for kind in FACTS}
    profession, *traits = relations["person"]
    chosen = {kind: rng.sample(some, FACTS[kind]) for kind, some in relations.items() if kind != "person"}
    chosen["person"] = [profession, *rng.sample(traits, FACTS["person"] - 1)]
    taken = {name for name, _ in cast.subjects}
    facts = []
    for subject, kind in cast.subjects:
        for relation in chosen[kind]:
            value = _value(world, relation.value, names, rng, taken)
            taken.add(value)
            facts.append(Fact(subject, relation.name, value))
    return facts


def _value(world: World, kind: str, names: Names, rng: random.Random, taken: set[str]) -> str:
    """A value that the book doesn't hold yet; a place may also occur in other books of its side, a person not."""
    if kind == "person":
        return names.anyone(rng)
    for _ in range(TRIES):
        value = _any_value(world, kind, rng)
        if value not in taken and (kind != "place" or side_of(value) == names.side):
            return value
    raise UserError(f"documents.path: world.yaml has too few words for {kind}: add some to it")


def _any_value(world: World, kind: str, rng: random.Random) -> str:
    if kind in world.values:
        return rng.choice(world.values[kind])
    first, second = world.pairs[kind]
    return FORMS.get(kind, "{} {}").format(rng.choice(first), rng.choice(second))


def _plan(world: World, cast: Cast, facts: list[Fact], people: int, rng: random.Random) -> list[list[Sentence]]:
    """What each paragraph tells: town, half of the people, two of organisation, treasure and second town, more people, the third, the rest.

    A paragraph on people is about `people` of them.
    """
    groups = [cast.people[start : start + people] for start in range(0, len(cast.people), people)]
    fillers = rng.sample(world.fillers, len(groups) + 4)
    parts = [_people(world, group, facts, fillers, rng) for group in groups]
    middle = [
        _subject(world, cast.organisation, "organisation", facts, rng),
        _subject(world, cast.treasure, "object", facts, rng),
        _subject(world, cast.towns[1], "place", facts, rng),
    ]
    rng.shuffle(middle)
    opening = _subject(world, cast.towns[0], "place", facts, rng) + [fillers.pop()]
    late = [statement for _, kept in parts for statement in kept]
    rng.shuffle(late)
    ending = [fillers.pop(), *late, fillers.pop()]
    told = [paragraph for paragraph, _ in parts]
    half = len(told) // 2
    return [opening, *told[:half], *middle[:2], *told[half:], middle[2], ending]


def _subject(world: World, name: str, kind: str, facts: list[Fact], rng: random.Random) -> list[Sentence]:
    """Introduce what is no person, then tell its facts of "it" and perhaps of "the society"."""
    it, its = world.pronouns(name, kind)
    told = [fact for fact in facts if fact.subject == name]
    words = [it, *(rng.choice((it, world.descriptions[kind])) for _ in told[1:])]
    return [Introduction(kind, (name,)), *(Statement(fact, word, its) for fact, word in zip(told, words))]


def _people(world: World, group, facts: list[Fact], fillers: list, rng: random.Random) -> tuple[list[Sentence], list[Statement]]:
    """Introduce one person, or a woman and a man, tell facts of "she" and "he" in mixed order, and keep one fact each for the end."""
    body, kept = [], []
    for name in group:
        pronoun, their = world.pronouns(name, "person")
        profession, *traits = [fact for fact in facts if fact.subject == name]
        rng.shuffle(traits)
        last = traits.pop()
        body += [Statement(fact, pronoun, their) for fact in (profession, *traits)]
        words = rng.choice((f"the {profession.value}", f"the {profession.value}", name.split()[-1]))
        kept.append(Statement(last, words, their))
    body.append(fillers.pop())
    rng.shuffle(body)
    return [Introduction("person", tuple(rng.sample(group, len(group)))), *body], kept


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
