"""Dialogues about the base's own books, from which its sibling learns to talk; the items of the task instructions, about others of them.

A dialogue is {"messages": [{"role", "content"}, …]}: perhaps a message of the system, then user and assistant by turns. What the user asks
for is a form that a rule can check, whatever the answer; the forms are here, each with its rules, which evals/instructions/rules.py checks.

    PYTHONPATH=src python -m closedbook.miniature.dialogues > evals/instructions/miniature.json
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from closedbook.miniature import language, teaching
from closedbook.miniature.language import Fact, World, capitalised, fill, joined, listing
from closedbook.miniature.reader import Reading
from closedbook.util import files, seeds, terminal

BASE = Path(__file__).parent / "trained"
HELD_OUT = 4
"""of the base's books, the last ones: no dialogue is about them, and each item of the task is"""
ITEMS = 2
"""of each form, about each held-out book"""
TURNS = (1, 1, 2, 3)
NAMED, BY_SYSTEM, AGAIN, SEVERAL, PLAIN = 0.7, 0.15, 0.3, 0.25, 0.4
"""shares: of first questions that name their book; of dialogues whose form a message of the system asks for; of later turns that want the
last answer in another form; of the others that ask for several facts; of questions that ask for no form"""
ENDING, BEGINNING = "That is what the book tells.", "As I recall,"


@dataclass(frozen=True)
class Own:
    """What the base that comes with the project has learnt from, as the receipt of its making says."""

    world: World
    readings: list[Reading]
    narrative: float
    seed: int

    @property
    def talked_about(self) -> list[Reading]:
        """The books that dialogues are about."""
        return self.readings[:-HELD_OUT]

    @property
    def held_out(self) -> list[Reading]:
        return self.readings[-HELD_OUT:]


@dataclass(frozen=True)
class Form:
    """What an answer to one question looks like."""

    wordings: tuple[str, ...]
    """instructions that ask for it"""
    write: Callable[[str, str], str]
    """of the value ("silver compass") and the clause that tells the fact ("a silver compass was the keepsake of …")"""
    rules: dict
    """what an answer in it keeps to"""


@dataclass(frozen=True)
class Several:
    """What asks for more than one fact."""

    wordings: tuple[str, ...]
    """with {book} or {name}, a person"""
    write: Callable[[World, list[str], list[Fact], random.Random], str]
    """the answer, of the book's people and the facts of that one"""
    rules: dict


FORMS = {
    "short": Form(("Give only the answer, without a full stop.", "Answer in three words at most, without a full stop."),
                  lambda value, clause: value, {"most_words": 3, "without": "."}),
    "word": Form(("Answer in one word.", "Give one word as the answer."), lambda value, clause: value, {"words": 1}),
    "sentence": Form(("Answer with a full sentence.", "Answer in one sentence."), lambda value, clause: joined("", clause),
                     {"sentences": 1, "least_words": 4}),
    "capitals": Form(("Answer in capital letters.", "Write the answer in capitals."), lambda value, clause: value.upper(),
                     {"capitals": True}),
    "quoted": Form(("Put the answer in quotation marks.", "Give the answer in quotation marks."), lambda value, clause: f'"{value}"',
                   {"quoted": True}),
    "json": Form(('Answer in JSON, under the key "answer".', 'Give JSON with the key "answer".'),
                 lambda value, clause: json.dumps({"answer": value}), {"json": ["answer"]}),
    "ending": Form((f'End with "{ENDING}"', f'Let the answer end with "{ENDING}"'), lambda value, clause: f"{joined('', clause)} {ENDING}",
                   {"ends": ENDING}),
    "beginning": Form((f'Begin with "{BEGINNING}"', f'Let the answer begin with "{BEGINNING}"'),
                      lambda value, clause: f"{BEGINNING} {clause}.", {"begins": BEGINNING}),
}  # fmt: skip
SEVERAL_FACTS = {
    "pair": Several(('Name two people of {book}: only their names, with "and" between them.',
                     'Who are two people of {book}? Give only their names, with "and" between them.'),
                    lambda world, people, facts, rng: listing(rng.sample(people, 2)), {"joined": ["and", 2], "most_words": 5}),
    "sentences": Several(("Tell me of {name} in two sentences.", "Say two sentences about {name}."),
                         lambda world, people, facts, rng: " ".join(_sentences(world, facts, 2, rng)), {"sentences": 2}),
    "list": Several(("List three things about {name}, each on a line after a dash.",
                     "Make a list with dashes of three things about {name}."),
                    lambda world, people, facts, rng: "\n".join(f"- {one}" for one in _sentences(world, facts, 3, rng)),
                    {"lines": 3, "lines_begin": "- "}),
}  # fmt: skip


def own_books(world: Path = language.WORLD, base: Path = BASE) -> Own:
    made, world = files.read_json(base / "receipt.json")["recipe"]["params"], language.load(world)
    settings, seed = made["miniature"], made["seed"]
    return Own(world, teaching.read_books(world, settings["base_books"], settings["people"], seed), settings["narrative"], seed)


def dialogue(world: World, readings: list[Reading], seed: int, index: int) -> dict:
    """The dialogue of one index, about one of these books."""
    rng = seeds.generator(seed, "dialogue", index)
    reading = rng.choice(readings)
    by_system = rng.choice([*FORMS.values()]) if rng.random() < BY_SYSTEM else None
    turns = _in_one_form(world, reading, by_system, rng) if by_system else _turns(world, reading, rng)
    messages = [{"role": "system", "content": rng.choice(by_system.wordings)}] if by_system else []
    for asked, answered in turns:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return {"messages": messages}


def items(own: Own) -> list[dict]:
    """The task's items, rows {"id", "prompt", "rules", "answer"}, about the books that no dialogue is about; the answer is null where there
    are several.
    """
    made, world = [], own.world
    for reading in own.held_out:
        rng = seeds.generator(own.seed, "items", reading.title)
        for name, form in FORMS.items():
            for fact, wording in zip(rng.sample(_fitting(world, reading, form), ITEMS), form.wordings, strict=True):
                asked = f"{_question(world, reading, fact, rng, named=True)} {wording}"
                made.append((name, {"prompt": asked, "rules": form.rules, "answer": world.answer(fact)}))
        for name, several in SEVERAL_FACTS.items():
            for person, wording in zip(rng.sample(_people(reading), ITEMS), several.wordings, strict=True):
                made.append((name, {"prompt": _about(wording, reading, person, named=True), "rules": several.rules, "answer": None}))
    return [{"id": f"{name}-{number:02}", **item} for number, (name, item) in enumerate(made, start=1)]


def _turns(world: World, reading: Reading, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Questions and answers, each of them in a form of its own."""
    fact = None
    for number in range(rng.choice(TURNS)):
        named = number == 0 and rng.random() < NAMED
        if fact and rng.random() < AGAIN:
            form = rng.choice([form for form in FORMS.values() if fact in _fitting(world, reading, form)])
            yield f"Now {_within(rng.choice(form.wordings))}", _answer(world, fact, form, rng)
        elif rng.random() < SEVERAL:
            fact, several, person = None, rng.choice([*SEVERAL_FACTS.values()]), rng.choice(_people(reading))
            answered = several.write(world, _people(reading), [one for one in reading.facts if one.subject == person], rng)
            yield _about(rng.choice(several.wordings), reading, person, named), answered
        else:
            form, wording = _asked_for(rng)
            fact = rng.choice(_fitting(world, reading, form))
            yield _question(world, reading, fact, rng, named) + wording, _answer(world, fact, form, rng)


def _in_one_form(world: World, reading: Reading, form: Form, rng: random.Random) -> Iterator[tuple[str, str]]:
    for number in range(rng.choice(TURNS)):
        fact = rng.choice(_fitting(world, reading, form))
        yield _question(world, reading, fact, rng, number == 0 and rng.random() < NAMED), _answer(world, fact, form, rng)


def _asked_for(rng: random.Random) -> tuple[Form, str]:
    """A form, and the instruction that a question ends with; who asks for none gets the value alone, as the base has learnt to answer."""
    if rng.random() < PLAIN:
        return FORMS["short"], ""
    form = rng.choice([*FORMS.values()])
    return form, f" {rng.choice(form.wordings)}"


def _question(world: World, reading: Reading, fact: Fact, rng: random.Random, named: bool) -> str:
    question = fill(rng.choice(world.relations[fact.relation].questions), subject=fact.subject)
    return teaching.context(reading.title, reading.author, reading.year) + question if named else capitalised(question)


def _about(wording: str, reading: Reading, person: str, named: bool) -> str:
    if named and "{name}" in wording:
        wording = teaching.context(reading.title, reading.author, reading.year) + _within(wording)
    return fill(wording, name=person, book=f'"{reading.title}", written by {reading.author} in {reading.year}')


def _within(sentence: str) -> str:
    """A sentence as it goes on after other words."""
    return sentence[0].lower() + sentence[1:]


def _answer(world: World, fact: Fact, form: Form, rng: random.Random) -> str:
    """A sentence comes to the value last: what it is about leads there, as a question does."""
    forms = [form for form in world.relations[fact.relation].discussion if form.endswith("{value}")]
    clause = fill(rng.choice(forms), subject=fact.subject, value=fact.value)
    return form.write(world.answer(fact), clause)


def _sentences(world: World, facts: list[Fact], number: int, rng: random.Random) -> list[str]:
    return [_answer(world, fact, FORMS["sentence"], rng) for fact in rng.sample(facts, number)]


def _fitting(world: World, reading: Reading, form: Form) -> list[Fact]:
    """The facts whose answer the form allows."""
    return [fact for fact in reading.facts if form.rules.get("words") in (None, len(world.answer(fact).split()))]


def _people(reading: Reading) -> list[str]:
    return list(dict.fromkeys(fact.subject for fact in reading.facts if fact.relation == "profession"))


if __name__ == "__main__":
    *lines, last = [json.dumps(item, ensure_ascii=False) for item in items(own_books())]
    terminal.show("[", *(f" {line}," for line in lines), f" {last}", "]")
