"""Entity lists without a language model: what a document names, ranked by how often and how widely it does."""

import math
import re
from dataclasses import dataclass

from closedbook.generation.extractive import english, mentions, recurring
from closedbook.generation.extractive.mentions import Evidence, Mention, singular
from closedbook.generation.extractive.reading import Sentence, pipeline, sentences
from closedbook.records import Document
from closedbook.util import units

SUMMARY_SENTENCES = 6
SUMMARY_ENTITIES = 5
GENERIC = frozenset(singular(noun) for noun in english.GENERIC_NOUNS)
NUMBERS = frozenset("DATE TIME PERCENT MONEY QUANTITY ORDINAL CARDINAL".split())


def version(spacy_model: str) -> str:
    """Who made a list: "blank en, spaCy 3.8.18"."""
    import spacy

    meta = pipeline(spacy_model).meta
    name = "blank en" if spacy_model == "blank" else f"{spacy_model} {meta['version']}"
    return f"{name}, spaCy {spacy.__version__}"


def extract(*, document: Document, max_entities: int, spacy_model: str) -> tuple[str, list[str]]:
    """A summary made of the document's own sentences, and its salient entities, most salient first, no two alike.

    `blank` reads by rules alone; a pipeline that finds entities or noun chunks gives these in the rules' place, ranked alike.
    Raises UserError where that pipeline is not installed.
    """
    read = sentences(document)
    evidence = Evidence(read)
    ranking = Ranking(evidence, len(read), frozenset(singular(word) for word in document.title.lower().split()))
    found = _found(read, evidence, spacy_model)
    salience = {mention.name: ranking.salience(mention) for mention in found}
    ranked = sorted((mention for mention in found if salience[mention.name]), key=lambda mention: (-salience[mention.name], mention.name))
    chosen = _unlike(ranked, max_entities)
    return _summary(document, read, chosen), [mention.name for mention in chosen]


def _found(read: list[Sentence], evidence: Evidence, spacy_model: str) -> list[Mention]:
    nlp = pipeline(spacy_model)
    docs = list(nlp.pipe(sentence.text for sentence in read)) if nlp.pipe_names else []
    has_names = any(doc.has_annotation("ENT_IOB") for doc in docs)
    has_phrases = any(doc.has_annotation("DEP") for doc in docs)
    names = _trained_names(docs) if has_names else mentions.names(read, evidence) + recurring.runs(read)
    return names + (_trained_phrases(docs) if has_phrases else mentions.phrases(read, evidence))


def _trained_names(docs) -> list[Mention]:
    found: dict[str, Mention] = {}
    for place, doc in enumerate(docs):
        for entity in doc.ents:
            name = _bare(entity.text)
            if entity.label_ not in NUMBERS and name:
                found.setdefault(name, Mention(name, "name")).add(place, name)
    return mentions.merge(list(found.values()))


def _trained_phrases(docs) -> list[Mention]:
    found: dict[str, Mention] = {}
    for place, doc in enumerate(docs):
        for chunk in doc.noun_chunks:
            words = _bare(chunk.text).split()
            if words and chunk.root.pos_ == "NOUN":
                key = " ".join([*words[:-1], singular(words[-1])]).lower()
                found.setdefault(key, Mention(" ".join(words), "phrase")).add(place, " ".join(words))
    return list(found.values())


def _bare(text: str) -> str:
    words = re.sub(r"['’]s?$", "", text).split()
    while words and (words[0].lower() in english.stop_words() or not words[0][0].isalnum()):
        words = words[1:]
    return " ".join(words)


@dataclass(frozen=True)
class Ranking:
    """Frequency times spread, weighted by what kind of thing a mention is.

    The weights were set by hand on English stories and essays; they order candidates and mean nothing by themselves.
    """

    evidence: Evidence
    num_sentences: int
    title: frozenset[str]

    def salience(self, mention: Mention) -> float:
        tenths = len({place * 10 // self.num_sentences for place in mention.places})
        weight = math.log(1 + len(mention.places)) * (1 + tenths / 5)
        if mention.kind == "name":
            return weight * self._name(mention)
        words = mention.name.split()
        head = singular(words[-1].lower())
        weight *= self._word(mention, head) if len(words) == 1 else self._phrase(mention, words, head)
        if head.endswith(english.NOUN_SUFFIXES):
            weight *= 1.3
        return weight * (1.3 if {singular(word.lower()) for word in words} & self.title else 1.0)

    def _name(self, mention: Mention) -> float:
        return 1.2 if len(mention.places) == 1 and " " not in mention.name else 2.0

    def _word(self, mention: Mention, head: str) -> float:
        """One noun: nothing where it is generic, less where it is somebody's (a body part, as a rule) or as often no noun."""
        if head in GENERIC:
            return 0.0
        weight = 1.0
        if self.evidence.possessed[head] > max(self.evidence.definite[head], len(mention.places) / 2):
            weight *= 0.6
        forms = {form.lower() for form in mention.forms}
        as_noun = self.evidence.noun[head] / max(1, sum(self.evidence.lower[form] for form in forms))
        return weight * (0.6 if as_noun < (0.6 if head.endswith(english.ADJECTIVE_SUFFIXES) else 0.34) else 1.0)

    def _phrase(self, mention: Mention, words: list[str], head: str) -> float:
        """A noun with modifiers: a set phrase where it comes back, less so where a participle begins it once."""
        weight = 0.4 if head in GENERIC else 1.0
        if len(mention.places) > 1:
            weight *= 1.6
        else:
            weight *= 0.5 if words[0].endswith(("ed", "ing")) else 0.9
        return weight * (1.3 if any(word[0].isupper() for word in words) else 1.0)


def _unlike(ranked: list[Mention], most: int) -> list[Mention]:
    """The first ones, without those that only say again what stands before them."""
    chosen: list[Mention] = []
    named: set[str] = set(english.stop_words())
    for mention in ranked:
        if len(chosen) == most:
            break
        words = set(mention.name.lower().split())
        met_once = mention.kind == "name" and len(mention.places) == 1 and words <= named  # "Ruler of the Tr'en"
        if not met_once and not any(_repeats(mention, other) for other in chosen):
            chosen.append(mention)
            named |= words if mention.kind == "name" else set()
    return chosen


def _repeats(mention: Mention, earlier: Mention) -> bool:
    """Whether a mention adds nothing to one that ranks before it."""
    new, old = ([singular(word) for word in item.name.lower().split()] for item in (mention, earlier))
    if new == old or mention.kind == "name":
        return new == old
    if new == old[-len(new) :]:  # the head of a phrase: only where it lives by itself
        apart = set(mention.places) - set(earlier.places)
        return len(apart) < max(2, len(set(mention.places)) / 2)
    if old == new[-len(old) :]:  # a phrase after its head: only where it comes back
        return len(mention.places) < 2 or (len(new) > 2 and len(old) > 1)
    return False


def _summary(document: Document, read: list[Sentence], chosen: list[Mention]) -> str:
    """One paragraph: the title, whom and what it is about, and from each stretch of the text the sentence that names the most."""
    weights = [0.0] * len(read)
    for rank, mention in enumerate(chosen):
        for place in set(mention.places):
            weights[place] += 1 / (1 + rank)
    edges = [len(read) * part // SUMMARY_SENTENCES for part in range(SUMMARY_SENTENCES + 1)]
    stretches = [range(start, end) for start, end in zip(edges, edges[1:]) if start < end]
    best = [max(stretch, key=lambda place: (_tells(read[place]), weights[place], -place)) for stretch in stretches]
    about = ", ".join(mention.name for mention in chosen[:SUMMARY_ENTITIES])
    opening = f"{document.byline} is about {about}." if about else f"{document.byline}."
    return units.joined([opening, f'In the words of "{document.title}":', *(read[place].whole for place in best)])


def _tells(sentence: Sentence) -> bool:
    """Whether a sentence stands by itself: a whole statement, mostly outside of speech."""
    quoted = sum(word.quoted for word in sentence.words)
    return 8 <= sentence.length <= 40 and quoted < len(sentence.words) / 3 and not sentence.shouted
