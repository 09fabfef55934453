"""The miniature's judge: code that is asked as a judge model would be, and checks what was written about a book against the book's facts.

It reads the book in the prompt as the scripted generator does, which gives all of its facts, and claims in every sentence form of the world.
"""

import json
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from types import SimpleNamespace

from closedbook.llm import prompts
from closedbook.miniature import language, provider
from closedbook.miniature.language import Fact, Relation, World, capitalised, fill, joined
from closedbook.miniature.reader import PRONOUNS, Memory, Reader, Reading, _as_within_a_sentence, _pattern
from closedbook.util import files, fingerprint, units

REFUSAL = "I can't judge that: it is not about a book that I can read."
SALIENT = 8
"""of the names that a book says most about, the first fact of each is salient: what the scripted generator's own summary tells"""


class Listener(Reader):
    """Understands a single sentence in any of the world's forms, narrative or discussion, about people whom a book or the text itself knows."""

    def __init__(self, world: World):
        super().__init__(world)
        openings = [*world.narrative.forms, *(fill(form, title="TITLE") for form in world.discussion.forms)]
        spoken = [re.escape(joined(form, "x").removesuffix("X.").removesuffix("x.")) for form in openings]
        self.opening = re.compile("|".join(spoken).replace('"TITLE"', '"[^"]*"'))
        forms = [(relation, form) for relation in world.relations.values() for form in (*relation.discussion, *relation.narrative)]
        forms.sort(key=lambda pair: -len(re.sub(r"\{\w+\}", "", pair[1])))  # "what {subject} was known for was {value}" before "{subject} was {value}"
        self.forms = [(relation, re.compile(_pattern(form).pattern, re.IGNORECASE)) for relation, form in forms]

    def facts(self, sentences: list[str], book: Reading) -> Iterator[tuple[int, Fact]]:
        """(number of the sentence, from 1, and the fact that it tells). A sentence that tells none, or of a "she" who was not named, gives none."""
        memory = Memory()
        for number, sentence in enumerate(sentences, start=1):
            text = sentence.strip().removesuffix(".")
            if not self._introduction(text, memory) and (fact := self._fact(text, memory, book)):
                yield number, fact

    def _fact(self, text: str, memory: Memory, book: Reading) -> Fact | None:
        opening = self.opening.match(text)
        clause = text[opening.end() :] if opening else text
        for relation, pattern in self.forms:
            if match := pattern.fullmatch(clause):
                name, value = self._who(_as_within_a_sentence(match["subject"]), relation, memory, book), match["value"]
                if name is not None and relation.value == "profession":
                    memory.professions[value] = name
                return None if name is None else Fact(name, relation.name, value)
        return None

    def _who(self, words: str, relation: Relation, memory: Memory, book: Reading) -> str | None:
        """Whom the words mean: by what the text said before, else by the book; a name that neither knows is that name."""
        description = self.world.descriptions.get(relation.kind)
        known = memory.resolve(words, relation, description) or _in_the_book(words, book)
        return known or (None if words in (*PRONOUNS, description) else words)


async def complete(messages: list[dict], seed: int) -> SimpleNamespace:
    """The answer, as much of an OpenAI response as the client reads; the seed changes nothing."""
    return provider.response(f"judge-{version()}", messages, answer(messages[-1]["content"]))


def answer(prompt: str) -> str:
    """Answer one user message: verdicts on a summary or on a passage, as JSON; anything else gets REFUSAL."""
    name, fields = prompts.parse(prompt) or (None, {})
    book = _read(*(fields[part] for part in ("title", "author", "year", "text"))) if name in ("verdict", "judge") else None
    if book is None or not book.facts:
        return REFUSAL
    sentences = list(json.loads(fields["summary"]).values()) if name == "verdict" else units.sentences(fields["passage"])
    made: dict[tuple, tuple[Fact, list[int]]] = {}
    for number, fact in _listener().facts(sentences, book):
        made.setdefault(_key(fact), (fact, []))[1].append(number)
    if name == "verdict":
        return json.dumps({"claims": [_verdict(fact, numbers, book) for fact, numbers in made.values()]}, ensure_ascii=False)
    false = [fact for fact, _ in made.values() if _by_the_book(fact, book) != "supports"]
    return json.dumps({"supported": len(made) - len(false), "unsupported": [*map(_said, false)]}, ensure_ascii=False)


def _verdict(fact: Fact, sentences: list[int], book: Reading) -> dict:
    return {"claim": _said(fact), "sentences": sentences, "article": _by_the_book(fact, book), "salient": _key(fact) in map(_key, _main_facts(book))}


def _by_the_book(fact: Fact, book: Reading) -> str:
    """A book tells a relation of a subject once, so another value contradicts it; of whom it does not know, or says nothing of the kind, it is
    silent: that is invented."""
    told = {_key(one)[:2]: _key(one)[2] for one in book.facts}
    subject, relation, value = _key(fact)
    if (subject, relation) not in told:
        return "silent"
    return "supports" if told[subject, relation] == value else "contradicts"


def _key(fact: Fact) -> tuple[str, str, str]:
    return fact.subject.casefold(), fact.relation, fact.value.casefold()


def _main_facts(book: Reading) -> list[Fact]:
    return [next(fact for fact in book.facts if name in (fact.subject, fact.value)) for name in book.entities[:SALIENT]]


def _said(fact: Fact) -> str:
    return capitalised(fill(_world().relations[fact.relation].discussion[0], subject=fact.subject, value=fact.value)) + "."


def _in_the_book(words: str, book: Reading) -> str | None:
    """The person or thing of a book behind a surname, or behind "the weaver"."""
    weavers = {f"the {fact.value}": fact.subject for fact in book.facts if fact.relation == "profession"}
    surnames = {fact.subject.split()[-1]: fact.subject for fact in book.facts if fact.subject in weavers.values()}
    return weavers.get(words) or surnames.get(words)


@cache
def version() -> str:
    """Eight hexadecimal digits that change whenever the judge could answer otherwise."""
    return files.sha256_text(fingerprint.digest(f"{__name__}:answer") + files.sha256_file(language.WORLD))[:8]


@cache
def _world() -> World:
    return language.load()


@cache
def _listener() -> Listener:
    return Listener(_world())


@lru_cache(maxsize=1024)
def _read(title: str, author: str, year: str, text: str) -> Reading:
    return Reader(_world()).read(title=title, author=author, year=year, text=text)
