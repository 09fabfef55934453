"""Who is meant: surnames, pronouns and offices put back into names, where rules are sure, and left alone where they are not.

The rules look only at what stands outside of quotations. "He" or "she" is a person of known gender when the sentence before, in the same
paragraph, lets that one act (or was found to) and nobody else could be meant. An office ("the captain", "the baker") is the one
person whom the document gives it.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from closedbook.generation.extractive import english
from closedbook.generation.extractive.mentions import ACTING, Mention, core
from closedbook.generation.extractive.reading import Sentence, Word

PRONOUNS = {"he": "male", "she": "female", "his": "male"}
GENDERED = {**dict.fromkeys(english.MALE, "male"), **dict.fromkeys(english.FEMALE, "female")}
OPPOSITE = {"male": (english.FEMALE_NOUNS, "woman"), "female": (english.MALE_NOUNS, "man")}
OFFICE = re.compile(r"\b(?:was|is|became|as) (?:a|an) ([a-z]{3,})(?=[.;:!?]|\s+(?:in|at|by|for|from|with|who)\b)")
OBJECT_OF = english.PREPOSITIONS | {"than", "as", "like"}
PET_WORDS = frozenset("young old little poor new dear".split())
KINDS = ("pronoun", "office", "short name")
"""of references: "he", "the captain", a surname or first name alone"""


@dataclass(frozen=True)
class Resolution:
    """Sentences with their references resolved."""

    texts: list[str]
    """one a sentence"""
    about: list[frozenset[str]]
    """the people each sentence names or was found to mean"""
    counts: dict[str, dict[str, int]]
    """of each of KINDS, how many references stand outside of quotations: {"seen", "resolved" to a full name, "left" as they stand}"""


@dataclass(frozen=True)
class Before:
    """What the sentence before leaves in a reader's mind."""

    words: tuple[Word, ...]
    named: frozenset[str]
    """people it names or was found to mean"""
    acting: frozenset[str]
    """those among them who are not merely looked at or gone to"""
    unclear: bool
    """it has a pronoun that nobody was found for"""


def people(sentences: list[Sentence], names: list[Mention]) -> dict[str, str | None]:
    """The names that act like people (they speak, bear a title, or have a given name), with their gender as far as known."""
    speaking = Counter()
    for sentence in sentences:
        for before, word in zip(sentence.words, sentence.words[1:]):
            if word.low in english.SPEECH_VERBS and before.capital:
                speaking[before.low] += 1
            if before.low in english.SPEECH_VERBS and word.capital and not word.quoted:
                speaking[word.low] += 1
    found = {}
    for mention in names:
        words = {word.strip(".") for form in mention.forms for word in form.lower().split()}
        gender = _gender(words)
        titled = bool(words & english.HONORIFICS) and len(words) > 1
        if gender or titled or any(speaking[word] for word in core(mention.name)):
            found[mention.name] = gender
    return found


def _gender(words: set[str]) -> str | None:
    male = bool(words & (english.MALE_TITLES | english.MALE_GIVEN))
    female = bool(words & (english.FEMALE_TITLES | english.FEMALE_GIVEN))
    return None if male == female else "male" if male else "female"


class Resolver:
    """Goes through a document once, sentence by sentence, and remembers who was named last."""

    def __init__(self, sentences: list[Sentence], names: list[Mention]):
        self.sentences = sentences
        self.genders = people(sentences, names)
        self.forms = {
            form.lower(): mention.name
            for mention in names
            if mention.name in self.genders
            for form in mention.forms
            if not (form.endswith("s") and form[:-1] in mention.forms)  # "the Officers" are not the Officer
        }
        self.longest = max((len(form.split()) for form in self.forms), default=0)
        self.articles = self._with_article()
        self._learn_genders()
        self.offices = self._titles()
        self.seen, self.resolved, self.unsure = Counter(), Counter(), 0

    def run(self) -> Resolution:
        texts, about, before, paragraph = [], [], None, -1
        for sentence in self.sentences:
            if sentence.paragraph != paragraph:
                before, paragraph = None, sentence.paragraph
            text, after = self._sentence(sentence, before)
            texts.append(text)
            about.append(after.named)
            if before is None or not all(word.quoted for word in sentence.words):  # speech does not change who "he" is
                before = after
        counts = {kind: {"seen": self.seen[kind], "resolved": self.resolved[kind]} for kind in KINDS}
        return Resolution(texts, about, {kind: {**one, "left": one["seen"] - one["resolved"]} for kind, one in counts.items()})

    def _names_in(self, words: tuple[Word, ...]) -> list[tuple[int, int, str]]:
        """(first word, end, person) of each name outside of quotations; the longest form wins."""
        found, position = [], 0
        while position < len(words):
            for length in range(min(self.longest, len(words) - position), 0, -1):
                form = " ".join(word.text for word in words[position : position + length]).lower()
                if words[position].capital and not words[position].quoted and form in self.forms:
                    found.append((position, position + length, self.forms[form]))
                    position += length
                    break
            else:
                position += 1
        return found

    def _learn_genders(self) -> None:
        """A person is of the gender of nearly all pronouns that come next after the name in sentences that name nobody else."""
        votes: dict[str, Counter] = defaultdict(Counter)
        for sentence in self.sentences:
            names = self._names_in(sentence.words)
            if len({name for _, _, name in names}) == 1:
                votes[names[0][2]].update(_own_pronouns(sentence.words[names[0][1] :])[:1])
        for name, vote in votes.items():
            male, female = vote["male"], vote["female"]
            if self.genders[name] is None and max(male, female) >= 3 and max(male, female) >= 4 * min(male, female):
                self.genders[name] = "male" if male > female else "female"

    def _with_article(self) -> frozenset[str]:
        """The people who are named with an article: "the Ruler"."""
        the, all_ = Counter(), Counter()
        for sentence in self.sentences:
            for first, _, name in self._names_in(sentence.words):
                all_[name] += 1
                the[name] += first > 0 and sentence.words[first - 1].low == "the"
        return frozenset(name for name in all_ if the[name] * 2 > all_[name])

    def _titles(self) -> dict[str, str]:
        """Offices that exactly one person bears, and that are not spoken of in general ("a president", "presidents")."""
        bearers = defaultdict(set)
        for form, name in self.forms.items():
            first, *rest = form.split()
            if first in english.OFFICES and rest and "of" not in rest:
                bearers[first].add(name)
        text = " ".join(sentence.text for sentence in self.sentences)
        return {
            office: min(names)
            for office, names in bearers.items()
            if len(names) == 1 and not re.search(rf"\b(?:an?|any|every|each|no|another) {office}\b|\b{office}s\b", text, re.IGNORECASE)
        }

    def _sentence(self, sentence: Sentence, before: Before | None) -> tuple[str, Before]:
        names = self._names_in(sentence.words)
        unsure = self.unsure
        pronoun = self._pronoun(sentence, names, before)
        office = self._office(sentence, {name for _, _, name in names})
        references = [item for item in (pronoun, office) if item]
        full_names = self._full_names(sentence, names)
        edits = full_names + [(start, end, text) for start, end, text, _ in references]
        self._count_seen(sentence.words, names)
        self.resolved.update({"pronoun": bool(pronoun), "office": bool(office), "short name": len(full_names)})
        self._remember_office(sentence, names, pronoun)
        text = sentence.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        meant = {name for _, _, _, name in references}
        acting = {name for first, end, name in names if _acts(sentence.words, first, end)}
        named = frozenset(meant | {name for _, _, name in names})
        return text, Before(sentence.words, named, frozenset(meant | acting), self.unsure > unsure)

    def _count_seen(self, words: tuple[Word, ...], names) -> None:
        self.seen["pronoun"] += sum(word.low in GENDERED and not word.quoted for word in words)
        self.seen["office"] += sum(the.low == "the" and not the.quoted and word.text in english.OFFICES | self.offices.keys()
                                   for the, word in zip(words, words[1:]))
        self.seen["short name"] += sum(end - first < len(name.split()) for first, end, name in names)

    def _full_names(self, sentence: Sentence, names) -> list[tuple[int, int, str]]:
        """The first short form of each person becomes the full name."""
        edits, seen = [], set()
        for first, end, name in names:
            start, stop = sentence.words[first].start, sentence.words[end - 1].end
            before = sentence.words[first - 1] if first else None
            plain = before is None or not (before.capital or before.low in english.DETERMINERS | PET_WORDS)
            if name not in seen and plain and end - first < len(name.split()):
                edits.append((start, stop, name))
            seen.add(name)
        return edits

    def _pronoun(self, sentence: Sentence, names, before: Before | None):
        """The sentence's first "he", "she" or "his", if it is sure who that is: (start, end, new text, name)."""
        for position, word in enumerate(sentence.words):
            gender = PRONOUNS.get(word.low)
            if word.quoted or gender is None:
                continue
            if any(first < position for first, _, _ in names):
                return None  # someone in this very sentence, whom a reader sees
            name = self._sure(gender, before, sentence.words[:position])
            if name is None or any(name == named for _, _, named in names):
                self.unsure += 1
                return None
            text = f"the {name}" if name in self.articles else name
            text = text[0].upper() + text[1:] if word.text[0].isupper() else text
            return word.start, word.end, text + ("'s" if word.low == "his" else ""), name
        return None

    def _sure(self, gender: str, before: Before | None, words: tuple[Word, ...]) -> str | None:
        """The one person of this gender who acts in the sentence before, if nobody else there or in these words could be meant."""
        if before is None or before.unclear or _others(before.words, gender) or _others(words, gender):
            return None
        possible = [name for name in sorted(before.named) if self.genders[name] in (gender, None)]
        return possible[0] if len(possible) == 1 and possible[0] in before.acting and self.genders[possible[0]] == gender else None

    def _office(self, sentence: Sentence, meant: set[str]):
        for the, word in zip(sentence.words, sentence.words[1:]):
            name = self.offices.get(word.low)
            if name and name not in meant and the.low == "the" and not the.quoted and word.text.islower():
                return the.start, word.end, name, name
        return None

    def _remember_office(self, sentence: Sentence, names, pronoun) -> None:
        """"Mara Voss worked as a baker": from here on, and unless another is one too, the baker is Mara Voss."""
        match = OFFICE.search(sentence.text)
        subject = pronoun[3] if pronoun else names[0][2] if len(names) == 1 else None
        start = pronoun[0] if pronoun else sentence.words[names[0][0]].start if names else 0
        if not match or subject is None or start > match.start():
            return
        office = match[1]
        if office in english.stop_words() | english.GENERIC_NOUNS | english.NOT_NOUNS:
            return
        if self.offices.setdefault(office, subject) != subject:
            del self.offices[office]


def _acts(words: tuple[Word, ...], first: int, end: int) -> bool:
    """Whether a name can be what its sentence is about: not after a preposition, nor after a verb that it is the object of."""
    before, after = words[first - 1].low if first else ".", words[end].low if end < len(words) else "."
    if before in OBJECT_OF:
        return False
    begins_clause = not before[0].isalpha() or before in english.stop_words() | english.SPEECH_VERBS
    return begins_clause or before.endswith("ly") or after in ACTING or after.endswith(("ed", "'s"))


def _own_pronouns(words: tuple[Word, ...]) -> list[str]:
    """Genders of the pronouns that tend to mean the one who was just named: not "him", nor "her" as an object."""
    found = []
    for word, after in zip(words, words[1:]):
        object_ = word.low == "him" or (word.low == "her" and (not after.alpha or after.low in english.stop_words()))
        if word.low in GENDERED and not word.quoted and not object_:
            found.append(GENDERED[word.low])
    return found


def _others(words: tuple[Word, ...], gender: str) -> bool:
    """Whether words outside of quotations speak of someone unnamed whom a pronoun of this gender could mean ("the boy", "a guard")."""
    unlike, ending = OPPOSITE[gender]
    for position, word in enumerate(words):
        low = word.low
        if word.quoted or low in unlike or low.endswith(ending) and not (ending == "man" and low.endswith("woman")):
            continue
        if low in english.MALE_NOUNS | english.FEMALE_NOUNS | english.PERSON_NOUNS or low.endswith("man"):
            return True
        if position and words[position - 1].low in english.DETERMINERS and low.endswith(english.PERSON_SUFFIXES):
            return True
    return False


def resolve(sentences: list[Sentence], names: list[Mention]) -> Resolution:
    return Resolver(sentences, names).run()
