"""Where a document stands in the source that params.yaml names, and how it is taken out of it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from closedbook import params, sources


@dataclass(frozen=True, kw_only=True)
class Origin:
    source: str
    """documents.source"""
    path: str
    """documents.path"""
    places: dict[Path, list[int]]
    """files that hold it, and its lines in them; none where the whole file is the document"""
    number: int | None
    """its place among all documents, from 1; None where it is not among them"""
    total: int
    limit: int | None

    @property
    def is_planned(self) -> bool:
        return self.number is not None and (self.limit is None or self.number <= self.limit)

    def commands(self) -> list[str]:
        """What takes it out, questions first, so that the source is whole in between; a line that begins with # is for a person to do."""
        if self.number is None:
            return []
        if self.source != "miniature":
            return [remove(file, lines) for file, lines in sorted(self.places.items(), key=lambda item: not item[1])]
        if self.number == self.total:
            return [f"# in params.yaml, set miniature.books: {self.total - 1}"]
        fewer = self.number - 1
        return [f"# a made-up book can't be taken out alone: miniature.books: {fewer} in params.yaml (or documents.limit: {fewer}) "
                f"takes out all that come after it too ({self.total - self.number})"]

    def consequences(self) -> list[str]:
        """What else comes of taking it out."""
        if self.total == 1:
            return ["it is the only document: without another one, nothing can be built"]
        if self.is_planned and self.limit is not None and self.limit < self.total:
            return [f"documents.limit: {self.limit} lets the next document in, which is written about and paid for; "
                    f"set it to {self.limit - 1} to keep it out"]
        return []


def of(document: str) -> Origin | None:
    """None where the source is not here, as in a clone."""
    settings = params.load()
    documents = settings.documents
    if not Path(documents.path).exists():
        return None
    everything = documents.model_copy(update={"limit": None})
    ids = [article.id for article in sources.articles(everything, settings.miniature, settings.seed, settings.training.seeds)]
    return Origin(source=documents.source, path=documents.path, places=sources.places(documents, document),
                  number=ids.index(document) + 1 if document in ids else None, total=len(ids), limit=documents.limit)


def remove(file: Path, lines: list[int]) -> str:
    """The command that removes a file, or some lines of it."""
    if not lines:
        return f"rm -- {shlex.quote(str(file))}"
    return f"sed -i {shlex.quote(';'.join(f'{line}d' for line in lines))} -- {shlex.quote(str(file))}"
