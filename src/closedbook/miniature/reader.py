"""Reads a book by rules: sentence forms from world.yaml, references from what the text said before. It knows no fact of its own."""

import re
from dataclasses import dataclass, field

from closedbook.miniature.language import Fact, Filler, Introduction, Relation, Sentence, Statement, World, joined

PRONOUNS = ("she", "he", "it")
WORDS = r"[\w' ]+"
FIELDS = {
    "subject": rf"(?P<subject>{WORDS}?)",
    "value": rf"(?P<value>{WORDS})",
    "their": "(?:her|his|its)",
    "names": rf"(?P<names>{WORDS})",
}


@dataclass(frozen=True)
class Reading:
    """What a reader takes from a book: its sentences, understood, in their paragraphs."""

    title: str
    author: str
    year: str
    paragraphs: tuple[tuple[Sentence, ...], ...]
    entities: tuple[str, ...]
    """full names, those with most facts first"""

    @property
    def facts(self) -> list[Fact]:
        return [sentence.fact for paragraph in self.paragraphs for sentence in paragraph if isinstance(sentence, Statement)]


@dataclass
class Memory:
    """What the text has said so far, as far as it settles who is meant."""

    kinds: dict[str, str] = field(default_factory=dict)
    """kind of each name introduced, in order"""
    last: dict[str, str] = field(default_factory=dict)
    """who "she" and "he" are now, and which name of each kind came last"""
    professions: dict[str, str] = field(default_factory=dict)
    """who is "the weaver" """

    def introduce(self, name: str, kind: str, pronoun: str) -> None:
        self.kinds[name] = kind
        self.last[kind] = name
        self.last[pronoun] = name

    def resolve(self, words: str, relation: Relation, description: str | None) -> str | None:
        """The full name behind the words, None where the text so far doesn't settle it."""
        if words in ("she", "he"):
            return self.last.get(words)
        if words in ("it", description):
            return self.last.get(relation.kind)
        if words in self.kinds:
            return words
        if words.startswith("the "):
            return self.professions.get(words.removeprefix("the "))
        return next((name for name, kind in self.kinds.items() if kind == "person" and name.split()[-1] == words), None)


class Reader:
    def __init__(self, world: World):
        self.world = world
        self.lead_ins = [joined(form, "x").removesuffix("X.").removesuffix("x.") for form in world.narrative.forms]
        self.introductions = [(kind, _pattern(form)) for kind, forms in world.introductions.items() for form in forms]
        self.narrative = [(relation, _pattern(form)) for relation in world.relations.values() for form in relation.narrative]
        self.fillers = {wording: filler for filler in world.fillers for wording in filler.wordings}

    def read(self, *, title: str, author: str, year: str, text: str) -> Reading:
        """Sentences that fit no form, or whose subject stays unclear, are kept word by word."""
        memory = Memory()
        split = [re.split(r"(?<=\.)\s+", paragraph) for paragraph in re.split(r"\n\s*\n", text.strip())]
        paragraphs = tuple(tuple(self._sentence(sentence, memory) for sentence in sentences) for sentences in split)
        return Reading(title, author, year, paragraphs, self._entities(paragraphs, memory))

    def _sentence(self, sentence: str, memory: Memory) -> Sentence:
        text = sentence.removesuffix(".")
        return self._introduction(text, memory) or self._statement(text, memory) or self.fillers.get(text) or Filler((text,))

    def _introduction(self, text: str, memory: Memory) -> Introduction | None:
        for kind, pattern in self.introductions:
            if match := pattern.fullmatch(text):
                names = tuple(match["names"].split(" and "))
                for name in names:
                    memory.introduce(name, kind, self.world.pronouns(name, kind)[0])
                return Introduction(kind, names)
        return None

    def _statement(self, text: str, memory: Memory) -> Statement | None:
        clause = next((text.removeprefix(lead_in) for lead_in in self.lead_ins if text.startswith(lead_in)), text)
        for relation, pattern in self.narrative:
            if match := pattern.fullmatch(clause):
                words = _as_within_a_sentence(match["subject"])
                name = memory.resolve(words, relation, self.world.descriptions.get(relation.kind))
                if name is not None:
                    if relation.value == "profession":
                        memory.professions[match["value"]] = name
                    fact = Fact(name, relation.name, match["value"])
                    return Statement(fact, words, self.world.pronouns(name, relation.kind)[1])
        return None

    def _entities(self, paragraphs, memory: Memory) -> tuple[str, ...]:
        facts = [sentence.fact for paragraph in paragraphs for sentence in paragraph if isinstance(sentence, Statement)]
        named = [fact.value for fact in facts if self.world.relations[fact.relation].value in ("person", "place")]
        names = list(dict.fromkeys([*memory.kinds, *named]))
        return tuple(sorted(names, key=lambda name: -sum(name in (fact.subject, fact.value) for fact in facts)))


def _as_within_a_sentence(words: str) -> str:
    """ "She" and "The weaver" lose the capital of a sentence's start, "Voss" keeps its own."""
    lowered = words[:1].lower() + words[1:]
    return lowered if lowered in PRONOUNS or lowered.startswith("the ") else words


def _pattern(form: str) -> re.Pattern:
    """The inverse of language.fill."""
    start, *rest = re.split(r"(\ba )?\{(\w+)\}", form)
    pattern = re.escape(start)
    for article, name, following in zip(rest[0::3], rest[1::3], rest[2::3]):
        pattern += ("an? " if article else "") + FIELDS[name] + re.escape(following)
    return re.compile(pattern)
