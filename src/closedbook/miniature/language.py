"""The world's language: the words and sentence forms of world.yaml, and how they are filled."""

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from closedbook.miniature import shape
from closedbook.util import plain_yaml
from closedbook.util.errors import UserError

WORLD = Path(__file__).parent / "world.yaml"


@dataclass(frozen=True)
class Fact:
    subject: str
    relation: str
    value: str


@dataclass(frozen=True)
class Introduction:
    """The sentence that brings names of one kind onto the stage."""

    kind: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """The sentence that tells a fact without the subject's name: `words` are "she", "the weaver", "Voss", "it", "the town"."""

    fact: Fact
    words: str
    their: str


@dataclass(frozen=True)
class Filler:
    """A sentence that tells no fact, in all its wordings."""

    wordings: tuple[str, ...]


Sentence = Introduction | Statement | Filler


@dataclass(frozen=True)
class Relation:
    name: str
    kind: str
    """what its subjects are: person, place, organisation or object"""
    value: str
    """what its values are: person, place, or a list of words of the world"""
    narrative: tuple[str, ...]
    discussion: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class LeadIns:
    plain: float
    """share of sentences without one"""
    forms: tuple[str, ...]

    def draw(self, rng: random.Random) -> str:
        return "" if rng.random() < self.plain else rng.choice(self.forms)


@dataclass(frozen=True)
class World:
    """The content of a world.yaml; see there for what each part is."""

    women: tuple[str, ...]
    men: tuple[str, ...]
    surnames: tuple[str, ...]
    pairs: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    """first and second words of what is named or made in two parts: place, title, organisation, object, keepsake"""
    values: dict[str, tuple[str, ...]]
    descriptions: dict[str, str]
    introductions: dict[str, tuple[str, ...]]
    fillers: tuple[Filler, ...]
    narrative: LeadIns
    discussion: LeadIns
    headings: tuple[str, ...]
    links: tuple[str, ...]
    relations: dict[str, Relation]

    def pronouns(self, name: str, kind: str) -> tuple[str, str]:
        """("she", "her"), ("he", "his") or ("it", "its"); a person's follow from the first name."""
        if kind != "person":
            return "it", "its"
        return ("she", "her") if name.split()[0] in self.women else ("he", "his")

    def every(self, kind: str) -> list[str]:
        """All that can be a value of a kind that is no name."""
        if kind in self.values:
            return list(self.values[kind])
        first, second = self.pairs[kind]
        return [f"{one} {other}" for one in first for other in second]

    def write(self, sentence: Sentence, rng: random.Random) -> str:
        """One of the wordings of a narrative sentence."""
        if isinstance(sentence, Filler):
            return rng.choice(sentence.wordings) + "."
        if isinstance(sentence, Introduction):
            return fill(rng.choice(self.introductions[sentence.kind]), names=listing(sentence.names)) + "."
        form = rng.choice(self.relations[sentence.fact.relation].narrative)
        clause = fill(form, subject=sentence.words, their=sentence.their, value=sentence.fact.value)
        return joined(self.narrative.draw(rng), clause)

    def discuss(self, fact: Fact, title: str, rng: random.Random) -> str:
        """A sentence that tells a fact outright, names and all."""
        clause = fill(rng.choice(self.relations[fact.relation].discussion), subject=fact.subject, value=fact.value)
        return joined(fill(self.discussion.draw(rng), title=title), clause)

    def answer(self, fact: Fact) -> str:
        return fill(self.relations[fact.relation].answer, value=fact.value)


def fill(form: str, **fields: str) -> str:
    """Put the fields into a sentence form in one pass; "a {value}" becomes "an owl" where the word asks for it."""

    def put(match):
        text = fields[match["field"]]
        if match["article"] is None:
            return text
        return ("an " if text[0] in "aeiou" else "a ") + text

    return re.sub(r"(?P<article>\ba )?\{(?P<field>\w+)\}", put, form)


def joined(lead_in: str, clause: str) -> str:
    """Lead-in and clause as one sentence: 'It was said that she ...', 'In truth, she ...'."""
    if lead_in:
        clause = f"{lead_in}{' ' if lead_in.endswith('that') else ', '}{clause}"
    return f"{capitalised(clause)}."


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def listing(names) -> str:
    """"A", "A and B", "A, B and C"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


@cache
def load(path: Path = WORLD) -> World:
    """Read a world. Raises UserError where the file is absent, is not YAML or lacks a part."""
    try:
        data = plain_yaml.load(Path(path), f"documents.path: {path}")
    except FileNotFoundError:
        raise UserError(f"documents.path: {path}: no such file: the miniature's own is src/closedbook/miniature/world.yaml") from None
    if wrong := shape.problem(data, plain_yaml.load(WORLD, str(WORLD))):
        raise UserError(f"documents.path: {path}: not a world like src/closedbook/miniature/world.yaml: {wrong}")
    return _world(data)


def _world(data: dict) -> World:
    names, values = data["names"], data["values"]
    in_pairs = {name: value for name, value in {**names, **values}.items() if isinstance(value, dict)}
    return World(
        women=_words(names["women"]),
        men=_words(names["men"]),
        surnames=_words(names["surnames"]),
        pairs={name: (_words(value["first"]), _words(value["second"])) for name, value in in_pairs.items()},
        values={name: _words(value) for name, value in values.items() if name not in in_pairs},
        descriptions=data["descriptions"],
        introductions={kind: _lines(forms) for kind, forms in data["introductions"].items()},
        fillers=tuple(Filler(tuple(line.split(" / "))) for line in _lines(data["fillers"])),
        narrative=_lead_ins(data["lead_ins"]["narrative"]),
        discussion=_lead_ins(data["lead_ins"]["discussion"]),
        headings=_lines(data["headings"]),
        links=_lines(data["links"]),
        relations={name: _relation(name, relation) for name, relation in data["relations"].items()},
    )


def _relation(name: str, data: dict) -> Relation:
    return Relation(
        name=name,
        kind=data["of"],
        value=data.get("value", name),
        narrative=_lines(data["narrative"]),
        discussion=_lines(data["discussion"]),
        questions=_lines(data["questions"]),
        answer=data.get("answer", "{value}"),
    )


def _lead_ins(data: dict) -> LeadIns:
    return LeadIns(data["plain"], _lines(data["forms"]))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines())
