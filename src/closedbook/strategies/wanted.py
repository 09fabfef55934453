"""What a strategy asks for: one passage, still to be written."""

from dataclasses import dataclass

from closedbook import files


@dataclass(frozen=True, kw_only=True)
class Wanted:
    kind: str
    """names the prompt too; "document" and "summary" need none: their text is at hand"""
    entities: tuple[str, ...] = ()
    sample: int = 0
    section: str | None = None
    """of a long document, the section that it is about: "2 of 5" """

    def passage_id(self, document: str, strategy: str) -> str:
        identity = [self.kind, self.entities, self.sample, *([self.section] if self.section else [])]
        return f"{document}/{strategy}/{files.sha256_text(files.canonical(identity))[:12]}"
