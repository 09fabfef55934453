"""What a strategy asks for: one passage, still to be written, or an answer that decides what to ask for next."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from closedbook.records import Document
from closedbook.util import files

PLACES = ("first", "second", "third")
"""the placeholders of entities in a prompt, in the order in which a passage names them"""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    kind: str
    """names the prompt too; "document" and "summary" need none: their text exists already"""
    entities: tuple[str, ...] = ()
    sample: int = 0
    section: str | None = None
    """of a long document, the section that it is about: "2 of 5" """
    way: str | None = None
    """how to study the document, in a model's words on one line"""
    question: str | None = None
    """the question about the document that is to be in view, in a model's words on one line"""
    beside: Document | None = None
    """the document that the passage sets beside this one"""
    text: str | None = None
    """of a passage that exists already"""
    origin: dict | None = field(default=None, compare=False)
    """where that is from: see records.Passage"""
    then: Callable[[str], list["Wanted"]] | None = field(default=None, compare=False)
    """of a question whose answer is no passage: what that answer asks for, and nothing where it is not of the form it should be"""
    at_most: tuple["Wanted", ...] = field(default=(), compare=False)
    """of such a question: an example of the most that its answer can ask for"""

    @classmethod
    def of(cls, row: dict, beside: Document | None = None) -> "Wanted":
        """What a passage, or a row of what was dropped, was asked for as; `beside` is the document that the row names so."""
        return cls(kind=row["kind"], entities=tuple(row["entities"]), sample=row["sample"], way=row.get("way"),
                   question=row.get("question"), section=row.get("section"), beside=beside)

    @property
    def fields(self) -> dict[str, str | Document]:
        """What fills the prompt's placeholders beside those of the document."""
        if self.beside:
            return {"beside": self.beside, "other": self.beside.title, "shared": "; ".join(self.entities)}
        own = {"way": self.way, "question": self.question}
        return {**dict(zip(PLACES, self.entities)), **{name: text for name, text in own.items() if text}}

    def following(self, text: str) -> list["Wanted"]:
        """What an answer asks for, of the same section."""
        return [replace(new, section=self.section) for new in self.then(text)]

    def passage_id(self, document: str, strategy: str) -> str:
        identity = [self.kind, self.entities, self.sample, *filter(None, (self.way, self.question, self.section, self.beside and self.beside.id, self.text))]
        return f"{document}/{strategy}/{files.sha256_text(files.canonical(identity))[:12]}"


def in_turn(kinds: list[str], samples: int) -> list[Wanted]:
    """Every kind once, then every kind again, up to `samples` times."""
    return [Wanted(kind=kind, sample=sample) for sample in range(samples) for kind in kinds]
