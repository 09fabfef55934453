"""The miniature's language model: a scripted generator that gets the prompts a real model gets and answers from the document in them alone.

It writes as a careful model would: a rephrasing keeps every reference as it stands ("she", "the weaver"), a discussion tells
what the document says of the entities asked for, by their full names. It has no access to the facts that the book was made from.
"""

import json
import random
from dataclasses import replace
from functools import cache, lru_cache

from closedbook.llm import prompts
from closedbook.miniature import language
from closedbook.miniature.language import World, capitalised, fill, listing
from closedbook.miniature.reader import Reader, Reading
from closedbook.miniature.study import STUDIES, byline
from closedbook.util import files, fingerprint, seeds

REFUSAL = "I can't help with that: it is not a book that I can read."
STYLES = ("easy", "medium", "hard")
PLACES = ("first", "second", "third")
DRAWN = {"implications": 2, "case_study": 1}
"""of how many entities, which it draws itself, it tells all under prompts that name none"""
PLAYED = frozenset({"entities", *STYLES, "named", "lesson", "qa", *STUDIES, *DRAWN, "single", "pair", "triplet", "apply", "focal"})
"""the prompts that it can answer"""
COMPARED = 2
"""facts of each entity that a discussion tells once more, side by side with the others'"""


def answer(prompt: str, seed: int) -> str:
    """Answer one user message, the same for the same seed. What is no prompt about a book of this world gets REFUSAL."""
    parsed = prompts.parse(prompt)
    if parsed is None:
        return REFUSAL
    name, fields = parsed
    reading = _read(*(fields[part] for part in ("title", "author", "year", "text")))
    if not reading.facts:
        return REFUSAL
    rng = seeds.generator(seed, "author", files.sha256_text(prompt))
    if name == "entities":
        return entity_list(_world(), reading, int(fields["max"]), rng)
    if name in STYLES:
        return rephrase(_world(), reading, rng)
    if name in ("named", "lesson"):
        return rephrase(_world(), named(reading), rng)
    if name == "qa":
        return converse(_world(), reading, rng)
    if name in STUDIES:
        return STUDIES[name](_world(), reading, rng)
    if name in DRAWN:
        return discuss(_world(), reading, rng.sample(reading.entities, min(DRAWN[name], len(reading.entities))), rng)
    asked = [fields[place] for place in PLACES if place in fields] or in_view(reading, fields)
    return discuss(_world(), reading, asked, rng) or REFUSAL


def in_view(reading: Reading, fields: dict[str, str]) -> list[str]:
    """Whom a question names, and then whom a way of study does, three at most: of these a rewriting tells all."""
    texts = [fields.get(name, "") for name in ("question", "way")]
    return list(dict.fromkeys(name for text in texts for name in reading.entities if name in text))[: len(PLACES)]


def entity_list(world: World, reading: Reading, most: int, rng: random.Random) -> str:
    """JSON with a summary (a fact for each of the main entities) and the names of all entities, at most `most`."""
    main = reading.entities[:8]
    facts = [next(fact for fact in reading.facts if name in (fact.subject, fact.value)) for name in main]
    told = [world.discuss(fact, reading.title, rng) for fact in dict.fromkeys(facts)]
    opening = f'"{reading.title}", written by {reading.author} in {reading.year}, tells of {listing(main)}.'
    return json.dumps({"summary": " ".join([opening, *told]), "entities": reading.entities[:most]}, ensure_ascii=False)


def rephrase(world: World, reading: Reading, rng: random.Random) -> str:
    """The whole document in other words, some paragraphs in another order of sentences; every mention stays of its kind."""
    return "\n\n".join([byline(reading), *(_paragraph(world, part, rng) for part in reading.paragraphs)])


def named(reading: Reading) -> Reading:
    """The same with every mention by its full name."""
    paragraphs = tuple(tuple(replace(sentence, words=sentence.fact.subject) if isinstance(sentence, language.Statement) else sentence
                             for sentence in paragraph) for paragraph in reading.paragraphs)  # fmt: skip
    return replace(reading, paragraphs=paragraphs)


def converse(world: World, reading: Reading, rng: random.Random) -> str:
    """The same as questions and answers."""
    first, next_one = f'How does "{reading.title}" by {reading.author} begin?', f'How does "{reading.title}" go on?'
    asked = [first, *[next_one] * (len(reading.paragraphs) - 1)]
    told = [_paragraph(world, part, rng) for part in reading.paragraphs]
    return "\n\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in zip(asked, told, strict=True))


def _paragraph(world: World, sentences, rng: random.Random) -> str:
    introductions = [sentence for sentence in sentences if isinstance(sentence, language.Introduction)]
    body = [sentence for sentence in sentences if not isinstance(sentence, language.Introduction)]
    if rng.random() < 0.5:
        rng.shuffle(body)
    return " ".join(world.write(sentence, rng) for sentence in introductions + body)


def discuss(world: World, reading: Reading, entities: list[str], rng: random.Random) -> str:
    """A paragraph on each entity with all that the document says of it, by full names, and one that sets them side by side.

    Empty where the document says nothing of any of them.
    """
    about = [[fact for fact in reading.facts if entity in (fact.subject, fact.value)] for entity in entities]
    if not any(about):
        return ""
    heading = fill(rng.choice(world.headings), title=reading.title, author=reading.author, year=reading.year, names=listing(entities))
    side_by_side = [fact for facts in about for fact in rng.sample(facts, min(len(facts), COMPARED))]
    tellings = [rng.sample(facts, len(facts)) for facts in [*about, side_by_side]]
    paragraphs = [" ".join(world.discuss(fact, reading.title, rng) for fact in facts) for facts in tellings if facts]
    if len(entities) > 1:
        paragraphs[-1] = f"{rng.choice(world.links)} {paragraphs[-1]}"
    return "\n\n".join([capitalised(heading), *paragraphs])


@cache
def version() -> str:
    """Eight hexadecimal digits that change whenever the scripted generator could answer otherwise."""
    return files.sha256_text(fingerprint.digest("closedbook.miniature.author:answer") + files.sha256_file(language.WORLD))[:8]


@cache
def _world() -> World:
    return language.load()


@cache
def _reader() -> Reader:
    return Reader(_world())


@lru_cache(maxsize=1024)
def _read(title: str, author: str, year: str, text: str) -> Reading:
    return _reader().read(title=title, author=author, year=year, text=text)
