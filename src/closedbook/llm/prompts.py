"""The prompts: texts in prompts/, filled in with one pass so that no document can place a field of its own."""

import re
from functools import cache
from pathlib import Path
from string import Template

from closedbook.records import Document
from closedbook.util import files
from closedbook.util.errors import UserError

FOLDER = Path(__file__).parent / "prompts"
LINE = "[^\n]*"
FORMS = {"text": ".*", "beside": ".*", "title": f"{LINE}?", "section": r"(?: \(part \d+ of \d+\))?"}
"""of placeholders that are not simply the rest of a line"""
FENCE = 12
"""hexadecimal digits of a document's hash in the marker lines around it"""
MARKER = re.compile(rf"=== document [0-9a-f]{{{FENCE}}} (?:begins|ends) ===")
QUOTING = frozenset({"notes"})
"""prompts that ask for the document's own words"""
DOCUMENT_FIELDS = ("title", "section", "author", "year", "fence", "text")


@cache
def template(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


def digest(name: str) -> str | None:
    """SHA-256 of everything of ours that a model reads under this prompt; None where there is no such template here."""
    if not (FOLDER / f"{name}.txt").exists():
        return None
    return files.sha256_text("\0".join(template(part) for part in ("system", "document", name)))


def fenced(document: Document) -> str:
    """The document, or a section of it, between marker lines that carry its own hash, which no text can hold of itself."""
    return Template(template("document")).substitute(
        title=_one_line(document.title),
        section=f" (part {document.section})" if document.section else "",
        author=_one_line(document.author or "unknown"),
        year=document.year or "unknown",
        fence=files.sha256_text(document.text)[:FENCE],
        text=document.text,
    )


def messages(name: str, document: Document, **fields) -> list[dict]:
    """Chat messages that ask for `name` about a document; a field that is a document too stands between marker lines of its own. Raises KeyError for a
    field that the prompt needs and misses."""
    filled = {key: fenced(value) if isinstance(value, Document) else _one_line(str(value)) for key, value in fields.items()}
    user = Template(template(name)).substitute(document=fenced(document), title=_one_line(document.title), **filled)
    return [{"role": "system", "content": template("system")}, {"role": "user", "content": user}]


def parse(text: str) -> tuple[str, dict[str, str]] | None:
    """The inverse of `messages`: which prompt a user message is, and its fields with those of the document; None if it is none."""
    for name in sorted(path.stem for path in FOLDER.glob("*.txt")):
        if name in ("system", "document"):
            continue
        match = _pattern(template(name).replace("$document", template("document"))).fullmatch(text)
        if match and files.sha256_text(match["text"])[:FENCE] == match["fence"]:
            return name, match.groupdict()
    return None


def check(own: dict[str, tuple[str, ...]]) -> None:
    """Raise UserError for a prompt that is no file, or whose file does not hold just the placeholders it has.

    `own`: of each prompt, its placeholders beside $document, which each needs, and $title.
    """
    for name, placeholders in own.items():
        _check(name, {"document", *placeholders}, optional={"title"})
    _check("document", set(DOCUMENT_FIELDS), optional=set())


def _check(name: str, required: set[str], optional: set[str]) -> None:
    path = FOLDER / f"{name}.txt"
    if not path.is_file():
        raise UserError(f"{path}: no such file: the prompt {name} must stand there")
    found = {match.group().strip("${}"): match for match in Template.pattern.finditer(template(name)) if match["escaped"] is None}
    known = ", ".join(f"${field}" for field in sorted(required | optional)) or "none"
    for field in found.keys() - required - optional:
        raise UserError(f"{path}: unknown placeholder {found[field].group()}: the prompt {name} has {known}; "
                        "a dollar that is none is written $$")
    for field in required - found.keys():
        raise UserError(f"{path}: the placeholder ${field} is missing: the prompt {name} has {known}")


@cache
def _pattern(text: str) -> re.Pattern:
    seen, parts, end = set(), [], 0
    for match in Template.pattern.finditer(text):
        field = match["named"] or match["braced"]
        parts.append(re.escape(text[end : match.start()]))
        end = match.end()
        if field is None:
            parts.append(re.escape("$"))
        elif field in seen:
            parts.append(f"(?P={field})")
        else:
            seen.add(field)
            parts.append(f"(?P<{field}>{FORMS.get(field, LINE)})")
    return re.compile("".join([*parts, re.escape(text[end:])]), re.DOTALL)


def _one_line(text: str) -> str:
    return " ".join(text.split())
