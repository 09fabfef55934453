"""The prompts: texts in prompts/, filled in with one pass so that no document can place a field of its own."""

import re
from functools import cache
from pathlib import Path
from string import Template

from closedbook import files
from closedbook.records import Document

FOLDER = Path(__file__).parent / "prompts"
LINE = "[^\n]*"
FORMS = {"text": ".*", "title": f"{LINE}?", "section": r"(?: \(part \d+ of \d+\))?"}
"""of placeholders that are not simply the rest of a line"""


@cache
def template(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


def digest(name: str) -> str:
    """SHA-256 of everything of ours that a model reads under this prompt."""
    return files.sha256_text("\0".join(template(part) for part in ("system", "document", name)))


def fenced(document: Document) -> str:
    """The document, or a section of it, between marker lines that carry its own hash, which no text can hold of itself."""
    return Template(template("document")).substitute(
        title=_one_line(document.title),
        section=f" (part {document.section})" if document.section else "",
        author=_one_line(document.author or "unknown"),
        year=document.year or "unknown",
        fence=files.sha256_text(document.text)[:12],
        text=document.text,
    )


def messages(name: str, document: Document, **fields) -> list[dict]:
    """Chat messages that ask for `name` about a document. Raises KeyError for a field that the prompt needs and misses."""
    filled = {key: _one_line(str(value)) for key, value in fields.items()}
    user = Template(template(name)).substitute(document=fenced(document), title=_one_line(document.title), **filled)
    return [{"role": "system", "content": template("system")}, {"role": "user", "content": user}]


def parse(text: str) -> tuple[str, dict[str, str]] | None:
    """The inverse of `messages`: which prompt a user message is, and its fields with those of the document; None if it is none."""
    for name in sorted(path.stem for path in FOLDER.glob("*.txt")):
        if name in ("system", "document"):
            continue
        match = re.fullmatch(_pattern(template(name).replace("$document", template("document"))), text, re.DOTALL)
        if match:
            return name, match.groupdict()
    return None


def _pattern(text: str) -> str:
    seen, parts = set(), []
    for part in re.split(r"(\$[a-z]+)", text):
        field = part[1:]
        if not part.startswith("$"):
            parts.append(re.escape(part))
        elif field in seen:
            parts.append(f"(?P={field})")
        else:
            seen.add(field)
            parts.append(f"(?P<{field}>{FORMS.get(field, LINE)})")
    return "".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())
