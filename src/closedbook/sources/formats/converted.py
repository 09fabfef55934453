"""What comes out of a file, and why nothing may."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, kw_only=True)
class Converted:
    title: str | None = None
    """as the file's own fields have it, like author and licence"""
    author: str | None = None
    license: str | None = None
    text: str
    is_html: bool
    """else paragraphs on a line each, blank lines between them"""
    left_out: list[str] = field(default_factory=list)
    """what of the file is not in the text though it may say something, in words"""

    def as_dict(self) -> dict:
        return asdict(self)


class Unreadable(Exception):
    """A file that gives no text; says why, and what would help."""
