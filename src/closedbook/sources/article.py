"""A document as a source has it: an id that is safe in a path, its author as one writes a name in a sentence, its text and questions."""

import re
import unicodedata
from dataclasses import asdict, dataclass, field, replace

from closedbook.records import Question
from closedbook.sources import markup
from closedbook.sources.cleaning import clean
from closedbook.util import files
from closedbook.util.errors import UserError

NOBODY = ("", "unknown", "unknown author", "none", "n/a")
SUFFIX = re.compile(r",?\s+(Jr\.?|Sr\.?|II|III|IV|M\.D\.|Ph\.D\.|Inc\.?|Ltd\.?|Co\.?|Corp\.?|LLC|GmbH)(?=,|$)")


@dataclass(frozen=True, kw_only=True)
class Article:
    """A document as its source has it, with its questions: what the documents step makes a Document of."""

    id: str
    title: str
    author: str | None
    """in prose form"""
    year: int | None
    text: str
    """as in the source: hard-wrapped, spaced and marked up"""
    is_html: bool
    license: str | None
    questions: list[Question]
    summaries: list[str] = field(default_factory=list)
    """that people wrote, where the source has some"""
    seed: int | None = None
    """the training seed whose runs alone learn it and are asked about it; None: every run"""
    left_out: list[str] = field(default_factory=list)
    """what of its file is not in the text, in words"""

    def as_dict(self) -> dict:
        """Without summaries where there are none, and what was left out where nothing was: a document stays fresh of which there can be none."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("summaries", "left_out")}

    @classmethod
    def from_dict(cls, fields: dict) -> "Article":
        return cls(**{**fields, "questions": [Question(**question) for question in fields["questions"]]})


def check_text(where: str, field: str, text: str, is_html: bool) -> None:
    if is_empty(text, is_html):
        raise UserError(f"{where}: {field}: empty but for markup and white space: {text[:40]!r}: give it text, or take the document out")


def is_empty(text: str, is_html: bool) -> bool:
    """Whether a text holds nothing but markup."""
    return not clean("".join(markup.read(text).paragraphs) if is_html else markup.without_comments(text)).strip()


def add(questions: dict[str, tuple], question: Question, identity: str, where: str) -> None:
    """A question read twice is one question; two questions of one id are an error."""
    *known, place = questions.setdefault(question.id, (question, identity, where))
    if known != [question, identity]:
        raise UserError(f"{where}: question_unique_id: {question.id!r} is another question in {place}: give each its own id")


def with_questions(found: dict[str, Article], questions: dict[str, tuple]) -> list[Article]:
    by_document = {identity: [] for identity in found}
    for question, identity, _ in questions.values():
        by_document[identity].append(question)
    return [replace(article, questions=by_document[identity]) for identity, article in found.items()]


def document_id(name: str, identity: str) -> str:
    """At most 40 small ASCII letters, digits and hyphens of a name, and 8 hexadecimal digits of what identifies the document."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-") or "document"
    return f"{slug}-{files.sha256_text(unicodedata.normalize('NFC', identity))[:8]}"


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def author_in_prose(name: str | None) -> str | None:
    """ "Harris, Larry M." is Larry M. Harris; None for nobody.

    Several authors stand apart by semicolons, "and" or "&". A name without a comma is in prose already, and so is a list that
    mixes names with and without one ("Ann Lee, Bob Ray and Cy Poe").
    """
    name = one_line(name or "").strip(" ,;")
    if name.casefold() in NOBODY:
        return None
    if ";" in name:
        names = [_turned(part) for part in filter(None, map(str.strip, name.split(";")))]
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    parts = re.split(r"( and | & )", name)
    if len({"," in SUFFIX.sub("", part) for part in parts[::2]}) > 1:
        return name
    return "".join(_turned(part) for part in parts)


def _turned(name: str) -> str:
    """ "Last, First, Jr." as First Last Jr.; what has no such form stays."""
    suffixes = SUFFIX.findall(name)
    catalogued = re.fullmatch(r"([^,]+), ([^,]+)", SUFFIX.sub("", name))
    if catalogued:
        return " ".join([catalogued[2], catalogued[1], *suffixes])
    return " ".join([SUFFIX.sub("", name), *suffixes]) if suffixes else name
