"""A document as sentences of words, split by rules that need no trained model."""

import re
from dataclasses import dataclass
from functools import cache, cached_property

from closedbook.generation.extractive.english import SPEECH_VERBS
from closedbook.records import Document
from closedbook.util import units
from closedbook.util.errors import UserError

END = re.compile(f"[.!?…{units.FULL_STOPS}]+")
CLOSERS = frozenset(")]}”’»」』）】》〉")
DASHES = re.compile(r"(—|--+|…)")
UNSPACED = re.compile(rf"(—|--+|…|[{units.UNSPACED}][{units.MARKS}]*|[^\w\s])")
HEADING_WORDS = 14  # a longer line without a full stop is text all the same


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start: int
    """offset in its sentence's text"""
    quoted: bool
    """inside a quotation: somebody's speech, or a cited name"""
    spaced: bool
    """followed by white space"""

    @property
    def low(self) -> str:
        return self.text.lower().replace("’", "'")

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def capital(self) -> bool:
        return self.text[0].isupper() and self.text != "I"

    @property
    def alpha(self) -> bool:
        return self.text[0].isalpha()


@dataclass(frozen=True)
class Sentence:
    index: int
    paragraph: int
    text: str
    words: tuple[Word, ...]

    @cached_property
    def length(self) -> int:
        return units.count(self.text)

    @property
    def whole(self) -> str:
        return self.closed(self.text)

    def closed(self, text: str) -> str:
        """A wording of this sentence with the quotation marks that stand in its neighbours, so that it can stand alone."""
        first, last = self.words[0], self.words[-1]
        before = '"' if first.quoted and first.text not in {'"', "“"} else ""
        after = '"' if last.quoted and last.text not in {'"', "”"} else ""
        return before + text + after

    @cached_property
    def shouted(self) -> bool:
        """Set in capitals for the most part, so that a capital says nothing."""
        letters = [character for character in self.text if character.isalpha()]
        return sum(character.isupper() for character in letters) > len(letters) / 2


@cache
def pipeline(model: str):
    """spaCy's pipeline: `blank` is English tokenisation only, another name is a model that is installed.

    Raises UserError where that model is not installed.
    """
    import spacy

    if model == "blank":
        return spacy.blank("en")
    try:
        return spacy.load(model)
    except OSError:
        raise UserError(
            f"params.yaml: spacy.model: no spaCy model {model!r} is installed: run python -m spacy download {model}, or set it to blank"
        ) from None


def paragraphs(document: Document) -> list[str]:
    """The text's paragraphs on one line each, without its title, byline and headings, unless it holds nothing else."""
    title = " ".join(document.title.split())
    lines = [" ".join(part.split()) for part in document.text.split("\n\n")]
    lines = [line for line in [_untitled(lines[0], title), *lines[1:]] if line]
    return [line for line in lines if not _is_heading(line)] or lines or [title]


def _untitled(line: str, title: str) -> str:
    """The first line without the title, where that stands before the first sentence rather than in it."""
    rest = line[len(title) :]
    begins = line[: len(title)].casefold() == title.casefold()
    apart = not rest or (" " in title and not rest[0].isalnum() and rest.lstrip(" .:-")[:1].isupper())
    return rest.lstrip(" .:-") if begins and apart else line


def _is_heading(line: str) -> bool:
    return units.count(line) <= HEADING_WORDS and not re.search(rf"[.!?…:;,\"”’)—；：，」』）】》〉{units.FULL_STOPS}-]$", re.sub(r"^By .*", "", line))


def sentences(document: Document) -> list[Sentence]:
    """All sentences in order, a closing quotation mark with the words it closes."""
    found = []
    for number, text in enumerate(paragraphs(document)):
        words = _words(pipeline("blank").tokenizer(text))
        for start, end in _spans(words):
            found.append(_sentence(len(found), number, text, words[start:end]))
    return found


def _sentence(index: int, paragraph: int, text: str, words: list[Word]) -> Sentence:
    first = words[0].start
    moved = tuple(Word(word.text, word.start - first, word.quoted, word.spaced) for word in words)
    return Sentence(index, paragraph, text[first : words[-1].end], moved)


def _words(doc) -> list[Word]:
    """spaCy's tokens, with hyphenated words whole again and each knowing whether it stands in a quotation."""
    words, quoted = [], False
    for text, start, spaced in _pieces(doc):
        glued = bool(words) and not words[-1].spaced
        if text == "“" or (text == '"' and not _closes(words, spaced, quoted)):
            quoted = True
        if glued and (text == "-" or words[-1].text.endswith("-")) and words[-1].alpha and text[0] not in "\"'”":
            last = words.pop()
            words.append(Word(last.text + text, last.start, last.quoted, spaced))
        else:
            words.append(Word(text, start, quoted, spaced))
        if text == "”" or (text == '"' and _closes(words[:-1], spaced, quoted)):
            quoted = False
    return words


def _pieces(doc):
    """Token texts with offset and whether white space follows, dashes apart from what they join, and each word of a script without spaces."""
    for token in doc:
        parts = [part for part in (UNSPACED if units.is_unspaced(token.text) else DASHES).split(token.text) if part]
        start = token.idx
        for part in parts:
            yield part, start, bool(token.whitespace_) and start + len(part) == token.idx + len(token.text)
            start += len(part)


def _closes(words: list[Word], spaced: bool, quoted: bool) -> bool:
    """Whether a straight quotation mark closes: by the spaces around it, and where these say nothing, by what is open."""
    before = bool(words) and not words[-1].spaced
    return before if before == spaced else quoted


def _spans(words: list[Word]) -> list[tuple[int, int]]:
    spans, start, position = [], 0, 0
    while position < len(words):
        if END.fullmatch(words[position].text):
            position = _past_closers(words, position)
            if position == len(words) or _begins(words, position):
                spans.append((start, position))
                start = position
        else:
            position += 1
    return spans + ([(start, len(words))] if start < len(words) else [])


def _past_closers(words: list[Word], position: int) -> int:
    """The first word after a sentence's end marks and whatever they close."""
    while position < len(words):
        text, before = words[position].text, words[position - 1]
        closing_quote = text == '"' and before.quoted and before.text != '"'
        if not (END.fullmatch(text) or text in CLOSERS or closing_quote):
            break
        position += 1
    return position


def _begins(words: list[Word], position: int) -> bool:
    """Whether a sentence begins here, rather than going on as in '"Stop!" he said' or '"Stop!" Harold Tate said'."""
    if words[position].text[0].islower() or words[position].text in {",", ";", ":"}:
        return False
    after_quote = words[position - 1].text in {'"', "”"}
    tag = after_quote and words[position - 2].text in {"!", "?"} and not words[position].quoted
    return not (tag and any(word.low in SPEECH_VERBS for word in words[position + 1 : position + 4]))
