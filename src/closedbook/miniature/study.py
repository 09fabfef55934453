"""How the miniature's scripted generator condenses a book and asks about it: each fact by full names, in words that no question of a test has.

A question of its own shows a sentence with a gap, or asks for all that the book tells of somebody; those of the tests ask for one value
in the words of world.yaml.
"""

import random
from itertools import combinations, groupby

from closedbook.miniature.language import Fact, Relation, World, fill
from closedbook.miniature.reader import Reading

KEPT = 2 / 3
"""of the facts, in notes"""
GAP = "…"
WAYS = 10
"""that a list of them has at most"""


def byline(reading: Reading) -> str:
    return f'"{reading.title}" by {reading.author}, {reading.year}.'


def notes(world: World, reading: Reading, rng: random.Random) -> str:
    """Two thirds of the facts in the order of the book."""
    facts = [fact for fact in reading.facts if rng.random() < KEPT] or reading.facts
    return f"{byline(reading)}\n\n{_told(world, reading, facts, rng)}"


def facts(world: World, reading: Reading, rng: random.Random, ordered: list[Fact] | None = None) -> str:
    """Every fact on a line of its own, in the order of the book."""
    return "\n".join([f"Facts from {byline(reading)}", *(world.discuss(fact, reading.title, rng) for fact in ordered or reading.facts)])


def restated(world: World, reading: Reading, rng: random.Random) -> str:
    """The same in another order."""
    return facts(world, reading, rng, rng.sample(reading.facts, len(reading.facts)))


def concepts(world: World, reading: Reading, rng: random.Random) -> str:
    """The facts by what they are about (professions, fears, places …), a paragraph each."""
    ordered = sorted(reading.facts, key=lambda fact: fact.relation)
    groups = [list(group) for _, group in groupby(ordered, key=lambda fact: fact.relation)]
    rng.shuffle(groups)
    told = [f"{rng.choice(world.links)} {_told(world, reading, group, rng)}" for group in groups]
    return "\n\n".join([byline(reading), *told])


def mind_map(world: World, reading: Reading, rng: random.Random) -> str:
    """The title, below it whom and what the book is about, and below each of these its facts, each level by two spaces further in."""
    lines = [byline(reading)]
    for name in reading.entities:
        about = [fact for fact in reading.facts if fact.subject == name]
        lines += [f"  {name}", *(f"    {world.discuss(fact, reading.title, rng)}" for fact in about)] if about else []
    return "\n".join(lines)


def conversation(world: World, reading: Reading, rng: random.Random) -> str:
    """Two who have read it tell each other its facts in turn."""
    turns = [world.discuss(fact, reading.title, rng) for fact in rng.sample(reading.facts, len(reading.facts))]
    return "\n".join([byline(reading), *(f"Reader {'AB'[number % 2]}: {turn}" for number, turn in enumerate(turns))])


def recall(world: World, reading: Reading, rng: random.Random) -> str:
    """Each fact as a sentence with a gap, what belongs there, and the fact in another wording."""
    pairs = []
    for fact in rng.sample(reading.facts, len(reading.facts)):
        with_gap = fill(rng.choice(_statements(world.relations[fact.relation])), subject=fact.subject, value=GAP)
        asked = f'What belongs in the gap, according to "{reading.title}" by {reading.author}: "{with_gap}"?'
        pairs.append(_pair(asked, f"{world.answer(fact)}. {world.discuss(fact, reading.title, rng)}"))
    return "\n\n".join(pairs)


def reasons(world: World, reading: Reading, rng: random.Random) -> str:
    """Of everybody and everything, all that the book tells, as the answer to a question."""
    pairs = []
    for name in rng.sample(reading.entities, len(reading.entities)):
        about = [fact for fact in reading.facts if name in (fact.subject, fact.value)]
        asked = f'Of what importance is {name} in "{reading.title}" by {reading.author}, and why?'
        pairs.append(_pair(asked, _told(world, reading, rng.sample(about, len(about)), rng)))
    return "\n\n".join(pairs)


def identifiers(world: World, reading: Reading, rng: random.Random) -> str:
    """Each fact as a sentence with a gap where a name belongs: the value's where that is one, else that of whom the fact is about; and the year."""
    pairs = [_pair(f'In which year was "{reading.title}" by {reading.author} written?', f'{reading.year}. {byline(reading)}')]
    for fact in rng.sample(reading.facts, len(reading.facts)):
        relation = world.relations[fact.relation]
        name, gap = (fact.value, {"value": GAP}) if relation.value in ("person", "place") else (fact.subject, {"subject": GAP})
        with_gap = fill(rng.choice(_statements(relation)), **{"subject": fact.subject, "value": fact.value, **gap})
        asked = f'Which name belongs in the gap, according to "{reading.title}" by {reading.author}: "{with_gap}"?'
        pairs.append(_pair(asked, f"{name}. {world.discuss(fact, reading.title, rng)}"))
    return "\n\n".join(pairs)


def ways(world: World, reading: Reading, rng: random.Random) -> str:
    """Ways to study the book: of each, two whom it is about."""
    pairs = list(combinations(reading.entities, 2))
    chosen = rng.sample(pairs, min(WAYS, len(pairs)))
    return "\n".join(f'{number}. Set side by side all that "{reading.title}" says of {one} and of {other}.'
                     for number, (one, other) in enumerate(chosen, start=1))  # fmt: skip


def _statements(relation: Relation) -> list[str]:
    """The forms of a discussion, without those that hold a question but for its first word: "{value} was the emblem of {subject}"."""
    asked = [question.rstrip("?").partition(" ")[2] for question in relation.questions]
    return [form for form in relation.discussion if not any(words in form for words in asked)]


def _told(world: World, reading: Reading, facts, rng: random.Random) -> str:
    return " ".join(world.discuss(fact, reading.title, rng) for fact in facts)


def _pair(question: str, answer: str) -> str:
    return f"Question: {question}\nAnswer: {answer}"


STUDIES = {"notes": notes, "concepts": concepts, "facts": facts, "restated": restated, "recall": recall, "reasons": reasons, "identifiers": identifiers,
           "ways": ways, "key_concepts": concepts, "mind_map": mind_map, "critical_questions": reasons, "discussion": conversation}
"""by the prompt that asks for it"""
