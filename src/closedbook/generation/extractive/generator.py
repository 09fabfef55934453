"""Passages without a language model: a document's own sentences, chosen, put in order, and with references resolved.

This is not a paraphrase and does not pretend to be one: what it adds to the document is names in the place of pronouns, and sentences
that bear on the same things side by side.
"""

import random
import re
from functools import cached_property
from itertools import combinations

from closedbook.generation.extractive import english, mentions, references, retelling
from closedbook.generation.extractive.mentions import Evidence, Mention, singular
from closedbook.generation.extractive.reading import Sentence, sentences
from closedbook.records import Document
from closedbook.util import seeds, units

WORDS = re.compile(rf"[\w{units.MARKS}]+(?:[-'’.][\w{units.MARKS}]+)*")
MOST_WORDS = 400
MEETING_SHARE = 0.35  # of the words of a passage about several entities, for the sentences where they meet
OPENINGS = (
    "{byline} tells this of {names}.",
    "What {byline} says about {names}:",
    "{names} in {byline}.",
    "From {byline}, on {names}:",
)
TURNS = ('Of {name}, "{title}" says:', '"{title}" speaks of {name}:', 'In "{title}", {name}:', 'As for {name} in "{title}":')
MEETINGS = ('{names} together in "{title}":', 'Where {names} meet in "{title}":', 'How "{title}" brings {names} together:')
NEIGHBOURS = ('{names} stand nearest to each other in "{title}" here:', '"{title}" comes from one to the other, {names}, here:')
RETELLINGS = {
    "easy": ("This is {byline}, in short sentences.", "{byline}, told in short sentences.", "Shortly, {byline}:", "{byline}, made short:"),
    "medium": ("This is what {byline} says.", "{byline} says the following.", "The text of {byline}:", "{byline} reads:"),
    "hard": ("{byline}, condensed.", "In condensed form, {byline}:", "This condenses {byline}.", "{byline}, in brief:"),
}

CONDENSED = {
    "notes": ("Notes from {byline}.", "What to keep of {byline}:", "The main sentences of {byline}:", "Noted down from {byline}:"),
    "facts": ("Facts from {byline}, one a line.", "{byline} tells these facts:", "Line by line, {byline}:", "Facts that {byline} gives:"),
}


class Generator:
    """Writes about one document; what all passages share is worked out once."""

    def __init__(self, document: Document):
        self.document = document
        self.sentences = sentences(document)
        self.names = mentions.names(self.sentences, Evidence(self.sentences))
        self.resolution = references.resolve(self.sentences, self.names)
        self._places: dict[str, list[int]] = {}

    @cached_property
    def _keys(self) -> list[str]:
        return [f" {_key(sentence.text)} " for sentence in self.sentences]

    @cached_property
    def _mentions(self) -> dict[str, Mention]:
        return {mention.name: mention for mention in self.names}

    def write(self, *, kind: str, entities: tuple[str, ...], sample: int, seed: int) -> str | None:
        """A passage of any kind that has an extractive form; None where the document has no sentence for one of the entities."""
        if entities:
            return self.relate(entities=entities, seed=seed)
        if kind in RETELLINGS:
            return self.rephrase(style=kind, sample=sample, seed=seed)
        return self.condense(kind=kind, sample=sample, seed=seed)

    def relate(self, *, entities: tuple[str, ...], seed: int) -> str | None:
        """A passage of at most about 400 words on one entity, or on two or three in turn and then together.

        None where the document has no sentence for one of them.
        """
        places = [self._bearing_on(entity) for entity in entities]
        if not all(places):
            return None
        rng = seeds.generator(seed, "relate", self.document.id, *entities)
        several = len(entities) > 1
        words = MOST_WORDS * (1 - MEETING_SHARE if several else 1) / len(entities)
        said: set[int] = set()
        meeting = self._meeting(rng, entities, places, said) if several else []
        parts = [self._line(rng, OPENINGS, names=_listed(entities), byline=self.document.byline)]
        for entity, found in zip(entities, places):
            parts += [self._line(rng, TURNS, name=entity, title=self.document.title)] if several else []
            parts.append(self._told(self._choose(rng, found, words, said)))
        return "\n".join(parts + meeting)

    def rephrase(self, *, style: str, sample: int, seed: int) -> str:
        """The whole document again in a style (easy, medium, hard: see retelling), as different between samples as its text allows."""
        rng = seeds.generator(seed, "rephrase", self.document.id, style, sample)
        paragraphs: dict[int, list[Sentence]] = {}
        for sentence in self.sentences:
            paragraphs.setdefault(sentence.paragraph, []).append(sentence)
        told = [retelling.retell(rng, style, paragraph, self.resolution.texts) for paragraph in paragraphs.values()]
        return "\n\n".join([self._line(rng, RETELLINGS[style], byline=self.document.byline), *told])

    def condense(self, *, kind: str, sample: int, seed: int) -> str:
        """Half of the document's words or about 400, in its most informative sentences: run together as notes, or, as facts, those
        outside of speech that name somebody, one per line."""
        rng = seeds.generator(seed, "condense", self.document.id, kind, sample)
        places = range(len(self.sentences))
        if kind == "facts":
            spoken = {sentence.index for sentence in self.sentences if any(word.quoted for word in sentence.words)}
            places = [place for place in places if self.resolution.about[place] and place not in spoken] or places
        words = min(MOST_WORDS, sum(sentence.length for sentence in self.sentences) / 2)
        chosen = [self._told([place]) for place in self._choose(rng, list(places), words, set())]
        told = chosen if kind == "facts" else [units.joined(chosen)]
        return "\n".join([self._line(rng, CONDENSED[kind], byline=self.document.byline), *told])

    def _bearing_on(self, entity: str) -> list[int]:
        """Sentences that name an entity or were found to mean it; without any, those with all its words; without these, with the last."""
        if entity not in self._places:
            self._places[entity] = self._find(entity)
        return self._places[entity]

    def _find(self, entity: str) -> list[int]:
        key = _key(entity)
        named = {place for place, about in enumerate(self.resolution.about) if entity in about}
        named |= set(self._mentions[entity].places) if entity in self._mentions else set()
        named |= self._holding([key])
        if named or units.is_unspaced(key):  # there a word is a character, and one of a name says nothing of it
            return sorted(named)
        return sorted(self._holding(key.split()) or self._holding(key.split()[-1:]))

    def _holding(self, parts: list[str]) -> set[int]:
        return {place for place, text in enumerate(self._keys) if parts and parts != [""] and all(f" {part} " in text for part in parts)}

    def _choose(self, rng: random.Random, found: list[int], words: float, said: set[int]) -> list[int]:
        """As many sentences as the words allow, informative ones first, none used before unless no other is left; in order."""
        fresh = [place for place in found if place not in said] or found
        ranked = sorted(fresh, key=lambda place: (-self._worth(place) * rng.uniform(0.5, 1), place))
        chosen, used = [], 0
        for place in ranked:
            length = self.sentences[place].length
            if not chosen or used + length <= words:
                chosen.append(place)
                used += length
        said.update(chosen)
        return sorted(chosen)

    def _worth(self, place: int) -> float:
        """How much a sentence says out of its context: whole statements with names, rather than scraps of talk."""
        sentence = self.sentences[place]
        quoted = sum(word.quoted for word in sentence.words) / len(sentence.words)
        return (0.3 if sentence.length < 5 else 1.0) * (1 - quoted / 2) * (1 + 0.3 * len(self.resolution.about[place]))

    def _told(self, places: list[int]) -> str:
        return units.joined([self.sentences[place].closed(self.resolution.texts[place]) for place in places])

    def _meeting(self, rng: random.Random, entities: tuple[str, ...], places: list[list[int]], said: set[int]) -> list[str]:
        """Sentences that bear on two or more of them; where there are none, the two sentences that stand nearest to each other."""
        met = sorted({place for one, other in combinations(places, 2) for place in one if place in other})
        if met:
            lines, chosen = MEETINGS, self._choose(rng, met, MOST_WORDS * MEETING_SHARE, said)
        else:
            pairs = ((abs(a - b), min(a, b), max(a, b)) for one, other in combinations(places, 2) for a in one for b in other)
            _, first, second = min(pairs)
            lines, chosen = NEIGHBOURS, list(range(first, second + 1)) if second - first <= 3 else [first, second]
        return [self._line(rng, lines, names=_listed(entities), title=self.document.title), self._told(chosen)]

    @staticmethod
    def _line(rng: random.Random, forms: tuple[str, ...], **fields) -> str:
        text = rng.choice(forms).format(**fields)
        return text[0].upper() + text[1:]


def _key(text: str) -> str:
    """The words of a text in lower case and the singular, without determiners: the form in which entities are looked for."""
    words = WORDS.findall(units.apart(re.sub(r"['’]s\b", "", text.lower())))
    return " ".join(singular(word) for word in words if word not in english.DETERMINERS)


def _listed(entities: tuple[str, ...]) -> str:
    return " and ".join([", ".join(entities[:-1]), entities[-1]]) if len(entities) > 1 else entities[0]
