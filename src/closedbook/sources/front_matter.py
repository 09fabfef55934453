"""Front matter: the YAML with which a text file may begin, between a line of --- and one of --- or of three dots."""

import re
from pathlib import Path

from closedbook.sources import names
from closedbook.sources.rows import Row, short
from closedbook.util.errors import UserError

FIELDS = ("title", "author", "year", "license")
OPENING = re.compile(r"---[ \t]*\n")
BLOCK = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
FIELD = re.compile(rf"^(?:{'|'.join(FIELDS)})[ \t]*:(?:\s|$)", re.MULTILINE)
KEY = re.compile(r"[\w-]+[ \t]*:(?:\s|$)")


def split(file: Path, text: str) -> tuple[Row, str]:
    """Its fields, and the text after it. A horizontal rule looks like its first line, and prose between two rules stays text: it is front
    matter where it names one of FIELDS, or else begins at once with one word and a colon, and so does each entry.

    Raises UserError for front matter that can't be read or never ends.
    """
    opening, block = OPENING.match(text), BLOCK.match(text)
    head = block[1] if block else re.split(r"\n[ \t]*\n", text[opening.end() :], maxsplit=1)[0] if opening else ""
    if block and not head.strip():
        return Row(str(file), {}), text[block.end() :]
    if not block and FIELD.search(head):
        raise UserError(f"{file}: front matter: begins in line 1 and never ends: close it with a line of ---")
    fields = _fields(file, head) if block and (FIELD.search(head) or KEY.match(head)) else None
    if not isinstance(fields, dict) or not (fields.keys() & set(FIELDS) or all(KEY.fullmatch(f"{name}:") for name in fields)):
        return Row(str(file), {}), text
    return Row(str(file), fields), text[block.end() :]


def _fields(file: Path, text: str):
    from ruamel.yaml import YAML

    try:
        return YAML(typ="safe", pure=True).load(text)
    except Exception as error:  # a value that YAML knows and Python does not, as 30 February, ends in any error
        raise UserError(f"{file}: front matter: {_culprit(text) or _not_yaml(error)}") from None


def _culprit(text: str) -> str | None:
    """The first field that can't be read by itself; None where the whole is no YAML."""
    from ruamel.yaml import YAML, MappingNode, ScalarNode

    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except Exception:
        return None
    for key, value in node.value if isinstance(node, MappingNode) else ():
        try:
            YAML(typ="safe", pure=True).constructor.construct_object(value, deep=True)
        except Exception as error:
            said = f" {short(value.value)}" if isinstance(value, ScalarNode) else ""
            field = names.one_line(str(key.value))[:80]
            return f"{field}:{said} can't be read ({_one_line(error)}): correct it, put it in quotes as a text, or take it out"
    return None


def _not_yaml(error: Exception) -> str:
    return ("not YAML (a text with a colon in it must be in quotes; prose after a horizontal rule is distinguished from front matter by an empty "
            f"line after the rule): {_one_line(error)}")


def _one_line(error: Exception) -> str:
    """What is wrong and, where YAML says it, in which line of the file."""
    mark = getattr(error, "problem_mark", None)
    said = names.one_line(str(getattr(error, "problem", None) or error))[:120] or type(error).__name__
    return f"{said}, line {mark.line + 2}" if mark else said
