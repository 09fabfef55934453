"""A document as a source has it."""

from dataclasses import asdict, dataclass, replace

from closedbook.records import Question
from closedbook.sources import markup
from closedbook.sources.cleaning import clean
from closedbook.util.errors import UserError


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
    seed: int | None = None
    """the training seed whose runs alone learn it and are asked about it; None: every run"""

    def as_dict(self) -> dict:
        return asdict(self)

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
