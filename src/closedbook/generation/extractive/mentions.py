"""What a document names: capitalised names, noun phrases and concepts, each with the sentences that mention it."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from closedbook.generation.extractive import english
from closedbook.generation.extractive.reading import Sentence, Word

LONGEST_PHRASE = 3  # content words
ACTING = english.AUXILIARIES | english.SPEECH_VERBS | english.PLAIN_PAST
COMPOUND = re.compile(r"-[a-z]")  # "Callisto-bound" describes and does not name


@dataclass
class Mention:
    """A candidate entity."""

    name: str
    kind: str
    """name | phrase"""
    places: list[int] = field(default_factory=list)
    """index of the sentence of each occurrence"""
    forms: Counter = field(default_factory=Counter)

    def add(self, place: int, form: str) -> None:
        self.places.append(place)
        self.forms[form] += 1


class Evidence:
    """How a document uses its words: which are names, which are nouns, which are not."""

    def __init__(self, sentences: list[Sentence]):
        self.lower, self.inside, self.opening = Counter(), Counter(), Counter()
        self.noun, self.verb, self.definite, self.possessed = Counter(), Counter(), Counter(), Counter()
        for sentence in sentences:
            self._count_capitals(sentence)
            self._count_nouns(sentence.words)

    def _count_capitals(self, sentence: Sentence) -> None:
        for position, word in enumerate(sentence.words):
            if not word.alpha:
                continue
            if not word.capital:
                self.lower[word.low] += 1
            elif sentence.shouted:
                continue
            elif opens(sentence.words, position):
                following = sentence.words[position + 1].low if position + 1 < len(sentence.words) else "."
                self.opening[word.low] += following in ACTING or following.endswith("ed")
            elif sentence.words[position + 1 : position + 2] and sentence.words[position + 1].text != ":":
                self.inside[word.low] += 1

    def _count_nouns(self, words: tuple[Word, ...]) -> None:
        for before, word, after in zip(words, words[1:], words[2:]):
            if word.capital or not word.alpha:
                continue
            self.definite[singular(word.low)] += before.low == "the"
            self.possessed[singular(word.low)] += before.low in english.POSSESSIVES
            if before.low in english.DETERMINERS | english.PREPOSITIONS and closes_phrase(after):
                self.noun[singular(word.low)] += 1
            elif before.low in english.SUBJECTS | {"to"} or (before.low in english.AUXILIARIES and after.low in english.DETERMINERS):
                self.verb[singular(word.low)] += 1

    def is_name(self, low: str) -> bool:
        """Capitalised where nothing forces it, and not mainly lower-case elsewhere."""
        if low in english.INTERJECTIONS or low in english.stop_words() or low in english.CALENDAR:
            return False
        if self.inside[low]:
            return self.inside[low] >= self.lower[low]
        acts = self.opening[low] > 1  # only ever first in a sentence, but acting there
        return acts and not self.lower[low] and not low.endswith("ly")

    def is_noun(self, low: str) -> bool:
        if not plausible_noun(low):
            return False
        low = singular(low)
        return self.noun[low] > self.verb[low] or low.endswith(english.NOUN_SUFFIXES)


def opens(words: tuple[Word, ...], position: int) -> bool:
    """Whether a capital here is forced: first in a sentence, a quotation or after a colon."""
    return all(not word.alpha for word in words[:position]) or words[position - 1].text in {'"', "“", "‘", ":", "'", "(", ")"}


def closes_phrase(word: Word) -> bool:
    """Whether a noun phrase ends before this word: punctuation, or a word of a closed class."""
    return not word.alpha or word.low in english.stop_words() or word.low in english.AUXILIARIES


def plausible_noun(low: str) -> bool:
    return (
        len(low) > 2
        and low[0].isalpha()
        and low not in english.stop_words()
        and low not in english.NOT_NOUNS
        and not low.endswith("less")
        and (not low.endswith(english.VERB_SUFFIXES) or low.endswith(("thing", "ceed")))
    )


def singular(low: str) -> str:
    """A crude singular, only to count two forms of one noun together."""
    if low.endswith("ies") and len(low) > 4:
        return low[:-3] + "y"
    if low.endswith(("ches", "shes", "xes", "sses")):
        return low[:-2]
    return low[:-1] if low.endswith("s") and not low.endswith(("ss", "us", "is")) and len(low) > 3 else low


def names(sentences: list[Sentence], evidence: Evidence) -> list[Mention]:
    """Runs of capitalised words, the short forms of a name counted for the name."""
    found: dict[str, Mention] = {}
    for sentence in sentences:
        if sentence.shouted:
            continue
        for run in _runs(sentence.words, evidence):
            text = sentence.text[run[0].start : run[-1].end].removesuffix("." if _stops(run[-1]) else "")
            found.setdefault(text, Mention(text, "name")).add(sentence.index, text)
    return merge(list(found.values()))


def _runs(words: tuple[Word, ...], evidence: Evidence):
    position = 0
    while position < len(words):
        end = position
        while end < len(words) and _belongs(words, end, evidence, inside=end > position):
            end += 1
            if _stops(words[end - 1]):
                break
            end += _link(words, end, evidence) if end - position < LONGEST_PHRASE else 0
        if end > position and any(len(word.text) > 1 and word.capital for word in words[position:end]):
            yield words[position:end]
        position = max(end, position + 1)


def _belongs(words, position: int, evidence: Evidence, inside: bool) -> bool:
    word = words[position]
    if not (word.alpha and word.capital) or COMPOUND.search(word.text):
        return False
    if word.low in english.stop_words() or word.low in english.INTERJECTIONS:
        return False
    if inside:
        return True
    return evidence.is_name(word.low) or _leads_name(words, position, evidence)


def _leads_name(words, position: int, evidence: Evidence) -> bool:
    """Whether a title, or a word that is capitalised only here and first in its sentence, stands before a name ("Mara Voss came")."""
    word, following = words[position], words[position + 1] if position + 1 < len(words) else None
    if following is None or not following.capital or following.low in english.stop_words():
        return False
    if word.low.rstrip(".") in english.HONORIFICS:
        return True
    verb = word.low.endswith(english.VERB_SUFFIXES) or word.low in english.PLAIN_PAST
    return not verb and not evidence.lower[word.low] and evidence.is_name(following.low)


def _stops(word: Word) -> bool:
    """Whether a full stop after this word ends a name though a capital follows ("Pa. It")."""
    return word.text.find(".") == len(word.text) - 1 > 1 and word.low not in english.ABBREVIATED_TITLES


def _link(words, position: int, evidence: Evidence) -> int:
    """How many words join a name to its next part: 1 for "Comity of Planets", 2 for "Room of the Ruler", 0 where it ends."""
    texts = [word.low for word in words[position : position + 2]]
    for link in (["of"], ["of", "the"], ["'"]):
        following = words[position + len(link)] if position + len(link) < len(words) else None
        if texts[: len(link)] == link and following and following.capital and evidence.is_name(following.low):
            return len(link)
    return 0


def merge(mentions: list[Mention]) -> list[Mention]:
    """Counts the forms of one name together ("Mr. Tate", "Tate", "Harold Tate"); a short form of two names stays itself."""
    alike: dict[tuple, list[Mention]] = defaultdict(list)
    for mention in mentions:
        alike[tuple(core(mention.name))].append(mention)
    kept = {words: _joined(group) for words, group in alike.items()}
    last_words = {form.split()[-1] for mention in mentions for form in mention.forms}
    plurals = {words for words, mention in kept.items() if _in_plural(mention, last_words)}
    for words in sorted(kept, key=lambda words: (len(words), words)):
        owners = [other for other in kept if other not in plurals and _short_for(words, other, kept)]
        owners.sort(key=lambda other: (-len(kept[other].places), other))
        clear = owners and (len(owners) == 1 or len(kept[owners[0]].places) >= 3 * len(kept[owners[1]].places))
        if clear and words not in plurals:
            kept[owners[0]] = _joined([kept[owners[0]], kept.pop(words)], kept[owners[0]].name)
    return list(kept.values())


def _joined(group: list[Mention], name: str | None = None) -> Mention:
    forms = sum((mention.forms for mention in group), Counter())
    usual = max(forms.values())
    name = name or max(forms, key=lambda form: (forms[form] * 4 >= usual, len(form.split()), forms[form], form))
    return Mention(name, group[0].kind, sorted(place for mention in group for place in mention.places), forms)


def _short_for(short: tuple, long: tuple, known: dict[tuple, Mention]) -> bool:
    """Whether one name is the first word or the end of a longer one, and the longer one is not two names that stand by themselves."""
    if len(short) >= len(long) or "of" in long or long[0].rstrip(".") in english.KIN_TITLES:
        return False
    if long[-len(short) :] == short:
        rest = long[: -len(short)]
    elif long[:1] == short:
        rest = long[1:]
    else:
        return False
    if rest not in known:
        return True
    met_once = len(known[long].places) == 1 and min(len(known[short].places), len(known[rest].places)) > 4
    return len(rest) == 1 and not met_once


def _in_plural(mention: Mention, last_words: set[str]) -> bool:
    """Whether the document has both "Martian" and "Martians": a kind, so that a longer name does not own it."""
    last = {form.split()[-1] for form in mention.forms}
    return any(word.endswith("s") and word.removesuffix("s") in last_words for word in last)


def core(name: str) -> list[str]:
    """The words of a name that distinguish it from others: without honorifics, determiners and "III", the last in the singular."""
    words = [word for word in name.lower().replace("’", "'").split() if word not in english.DETERMINERS]
    dispensable = (english.HONORIFICS - english.KIN_TITLES) | english.GENERATIONS
    words = [word for word in words if word.rstrip(".,") not in dispensable] or words
    return [*words[:-1], singular(words[-1])]


def phrases(sentences: list[Sentence], evidence: Evidence) -> list[Mention]:
    """Noun phrases of lower-case words ("the identity card", "kin selection"), by their singular."""
    found: dict[str, Mention] = defaultdict(lambda: Mention("", "phrase"))
    for sentence in sentences:
        for chunk in _chunks(sentence.words, evidence):
            for phrase in _readings(chunk):
                key = " ".join([word.low for word in phrase[:-1]] + [singular(phrase[-1].low)])
                form = " ".join(word.text if word.capital and evidence.is_name(word.low) else word.low for word in phrase)
                found[key].add(sentence.index, form)
    for mention in found.values():
        mention.name = min(mention.forms, key=lambda form: (-mention.forms[form], form))
    return list(found.values())


def _chunks(words, evidence):
    """Runs of content words that end in a lower-case noun."""
    run = []
    for word in (*words, None):
        if word is not None and word.alpha and not closes_phrase(word) and not word.low.endswith("ly"):
            run.append(word)
            continue
        while run and (run[-1].capital or not evidence.is_noun(run[-1].low)):
            run.pop()
        if run:
            yield run
        run = []


def _readings(chunk):
    """The head noun alone, and with its modifiers: lower-case ones, or the whole name before them."""
    for length in range(1, len(chunk) + 1):
        phrase = chunk[-length:]
        lower = sum(not word.capital for word in phrase)
        cuts_name = phrase[0].capital and length < len(chunk) and chunk[-length - 1].capital
        if lower <= LONGEST_PHRASE and not cuts_name and all(word.low not in english.NOT_NOUNS for word in phrase):
            yield phrase
