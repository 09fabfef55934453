"""The records that pass between the steps, and their form in files (JSON, one object per file)."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from closedbook.util import files


@dataclass(frozen=True, kw_only=True)
class Question:
    """A multiple-choice question in QuALITY's terms."""

    id: str
    question: str
    options: list[str]
    """two to ten texts"""
    gold: int
    """index of the right option (QuALITY's gold_label counts from 1)"""
    difficult: bool | None
    """None where the source does not say"""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A source text. Its questions are kept elsewhere, so that no step that writes or trains can read them."""

    id: str
    """slug + short hash of its identity; the only part of a document that reaches a path"""
    title: str
    author: str | None
    """in prose form, "Larry M. Harris" """
    year: int | None
    text: str
    """paragraphs separated by a blank line"""
    license: str | None = None
    """as the source words it; None where it does not say"""

    @property
    def byline(self) -> str:
        """'"Title" by First Last, 1956', as far as author and year are known."""
        by = f" by {self.author}" if self.author else ""
        return f'"{self.title}"{by}' + (f", {self.year}" if self.year else "")

    @property
    def section(self) -> str | None:
        """Which section this is of a longer document, "2 of 5"; None of a whole one."""
        return None

    @classmethod
    def read(cls, path: Path) -> "Document":
        return cls(**files.read_json(path))

    def write(self, path: Path) -> None:
        files.write_json(path, asdict(self))


@dataclass(frozen=True, kw_only=True)
class Section(Document):
    """A stretch of a long document, which a language model is shown in the document's place. It is never written to a file."""

    number: int
    of: int

    @property
    def section(self) -> str:
        return f"{self.number} of {self.of}"


@dataclass(frozen=True, kw_only=True)
class EntityList:
    """Summary and salient entities of a document, and who made them."""

    document: str
    summary: str
    entities: list[str]
    """most salient first, no two alike"""
    made_by: str
    """"llm" or "spacy" """
    why: str | None
    """why spaCy made it; None where the language model did"""
    maker: str
    """the language model's or the spaCy model's name and version"""
    call: dict | None
    """the call behind it (see llm.Call.as_record); None where spaCy made it, and where it was put together from several"""
    section: str | None = None
    """of a section's list, which section: "2 of 5" """
    sections: list["EntityList"] = field(default_factory=list)
    """of a long document's list, those of its sections, from which it was put together"""

    @property
    def made(self) -> list["EntityList"]:
        """The lists that somebody made: itself, or those of the sections."""
        return self.sections or [self]

    @classmethod
    def read(cls, path: Path) -> "EntityList":
        data = files.read_json(path)
        return cls(**{**data, "sections": [cls(**section) for section in data.get("sections", [])]})

    def write(self, path: Path) -> None:
        files.write_json(path, asdict(self))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A document that shares entities with another."""

    beside: Document
    shared: list[str]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The pairs in which a document stands first."""

    document: str
    pairs: list[Pair]

    @classmethod
    def read(cls, path: Path) -> "Pairs":
        data = files.read_json(path)
        return cls(**{**data, "pairs": [Pair(beside=Document(**pair["beside"]), shared=pair["shared"]) for pair in data["pairs"]]})

    def write(self, path: Path) -> None:
        files.write_json(path, asdict(self))


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One text to learn from, with all that made it."""

    id: str
    """document/strategy/hash; names one passage for good, whatever else is asked for beside it"""
    document: str
    strategy: str
    kind: str
    """what it is within its strategy (document, easy, pair, summary, lesson, …); of what a model wrote, the prompt's name"""
    entities: list[str]
    sample: int
    section: str | None = None
    """of a passage about one section of a long document, which: "2 of 5" """
    beside: str | None = None
    """of a passage about two documents, the other one's id: it is as much that one's"""
    origin: dict | None = None
    """of one that was not written here: {"place": file or data set, and the row in it, "number": of the row from 0, "source", "license": as the
    row says, or None}"""
    way: str | None = None
    """how the document was to be studied, in the words of a model that proposed it"""
    question: str | None = None
    """which question about the document was to be in view, in the words of a model that asked it"""
    writer: str
    """"document", "llm", "spacy" (a summary that spaCy's extractor picked), "extractive" or "imported" """
    text: str
    call: dict | None


UNSAID = ("question", "origin", "beside")
"""fields of a passage that stand in files only where they say something: so files keep their bytes when one is added"""


@dataclass(frozen=True, kw_only=True)
class Passages:
    """All passages of one document under one strategy, and what was asked for but is not among them."""

    document: str
    strategy: str
    passages: list[Passage]
    dropped: list[dict]
    """{"kind", "entities", "sample", "way", "section", "reason"}: nothing is left out silently"""
    proposals: list[Passage] = field(default_factory=list)
    """answers that decided what to ask for, and are nothing to learn from"""
    references: dict[str, dict[str, int]] | None = None
    """of what the extractive generator wrote: how often it found out who is meant by "he", "the captain" or a surname (Resolution.counts)"""

    @property
    def written(self) -> list[Passage]:
        """All that somebody wrote about the document: its passages, and the proposals that some of them follow."""
        return self.passages + self.proposals

    @classmethod
    def read(cls, path: Path) -> "Passages":
        data = files.read_json(path)
        lists = {name: [Passage(**passage) for passage in data.get(name, [])] for name in ("passages", "proposals")}
        return cls(**{**data, **lists})

    def write(self, path: Path) -> None:
        data = asdict(self)
        lists = {name: [_said(passage) for passage in data[name]] for name in ("passages", "dropped", "proposals")}
        files.write_json(path, {**data, **lists})


def _said(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None or name not in UNSAID}


def carrying(result: dict) -> list[dict]:
    """What may carry a call in the JSON of an entity list (itself, or the lists of its sections), of a passages file (its passages and
    proposals), or of summaries and verdicts on them."""
    if "summaries" in result:
        return result["summaries"]
    if "passages" in result:
        return [*result["passages"], *result.get("proposals", [])]
    return [*result.get("sections", []), result]
