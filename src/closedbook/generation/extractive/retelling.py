"""Three ways to rewrite a document with its own sentences: in shorter ones, with people named, and condensed.

Speech stays as it stands. A retelling changes about three quarters of what it could, drawn by its seed, so that samples differ.
"""

import random
import re

from closedbook.generation.extractive import english
from closedbook.generation.extractive.reading import Sentence
from closedbook.util import units

CHANGE = 0.75
JOIN_WORDS = 15  # the longest statement that is joined to a neighbour
CLAUSE = re.compile(r"; |(?:, (?:and|but|so|yet) |—)(?=(?:\w+ )?(?:he|she|it|they|we|I|you|there|this|these)\b)")
ASIDE = re.compile(r" \([^()]*\)|(?<=\w) (?:very|quite|rather|really|simply|indeed)(?= \w)|, (?:of course|in fact|indeed|however),(?= )")
CONTRACTED = re.compile(r"\b(ca|wo|sha|\w+?)n['’]t\b|(?<=\w)['’](ll|re|ve|m)\b")
FULL_VERBS = {"ca": "cannot", "wo": "will not", "sha": "shall not", "ai": "is not", "ll": " will", "re": " are", "ve": " have", "m": " am"}


def easy(rng: random.Random, sentence: Sentence, named: str) -> list[str]:
    """The medium sentence, cut where a clause with a subject of its own begins."""
    [text] = medium(rng, sentence, named)
    if _speaks(sentence) or rng.random() >= CHANGE:
        return [text]
    *clauses, last = CLAUSE.split(text)
    return [_capital(clause.rstrip(",;: ")) + "." for clause in clauses] + [_capital(last)]


def medium(rng: random.Random, sentence: Sentence, named: str) -> list[str]:
    """The sentence with people named and contractions written out."""
    text = named if rng.random() < CHANGE else sentence.text
    return [text if _speaks(sentence) or rng.random() >= CHANGE else CONTRACTED.sub(_written_out, text)]


def hard(rng: random.Random, sentence: Sentence, named: str) -> list[str]:
    """The sentence without asides."""
    return [sentence.text if _speaks(sentence) or rng.random() >= CHANGE else ASIDE.sub("", sentence.text)]


STYLES = {"easy": easy, "medium": medium, "hard": hard}


def retell(rng: random.Random, style: str, paragraph: list[Sentence], texts: list[str]) -> str:
    """One paragraph in a style. `texts`: the document's sentences with references resolved."""
    said: list[str] = []
    joinable = False
    for sentence in paragraph:
        pieces = STYLES[style](rng, sentence, texts[sentence.index])
        short = style == "hard" and not _speaks(sentence) and sentence.length <= JOIN_WORDS and pieces[0].endswith(".")
        if short and joinable and rng.random() < CHANGE:
            said[-1] = f"{said[-1][:-1]}; {_lower(sentence, pieces[0])}"
            joinable = False
        else:
            said += pieces
            joinable = short
    return units.joined(said)


def _speaks(sentence: Sentence) -> bool:
    return any(word.quoted for word in sentence.words)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _lower(sentence: Sentence, text: str) -> str:
    """The text as it stands after a semicolon: a first word that is no name loses its capital."""
    first = sentence.words[0]
    return text[0].lower() + text[1:] if first.text != "I" and first.low in english.stop_words() else text


def _written_out(match: re.Match) -> str:
    negated, ending = match.groups()
    if ending:
        return FULL_VERBS[ending]
    full = FULL_VERBS.get(negated.lower(), f"{negated} not")
    return _capital(full) if negated[0].isupper() else full
