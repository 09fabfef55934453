"""YAML that people write, read as plain data: whatever is wrong with it is said with file, line and column."""

import re
from pathlib import Path

from closedbook.util.errors import UserError

MOST_BITS = 63
"""of a whole number: what every library behind a parameter can hold"""
UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""what no text that is meant for people or for a path holds"""


def load(path: Path, name: str):
    """The value in a file, as `parse` gives it; raises FileNotFoundError too."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}): it must be a file that you may read") from None
    return parse(content, name)


def parse(content: bytes | str, name: str):
    """The value in a YAML text. Raises UserError that begins with `name` for one that holds none, or one that no parameter can be."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _constructor()
    try:
        return yaml.load(content)
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        where = f"line {at.line + 1}, column {at.column + 1}: " if at else ""
        raise UserError(f"{name}: not YAML that can be used: {where}{' '.join((error.problem or str(error)).split())}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: not YAML: {' '.join(str(error).split())}: save it as UTF-8 text") from None
    except RecursionError:
        raise UserError(f"{name}: not YAML that can be used: it is nested too deeply") from None


def _constructor() -> type:
    from ruamel.yaml.constructor import ConstructorError, SafeConstructor

    class Constructor(SafeConstructor):
        """Names the place of a value that is not what its tag says, and of one that no parameter can be."""

        def construct_object(self, node, deep=False):
            try:
                value = super().construct_object(node, deep)
            except (ValueError, KeyError, IndexError, AttributeError, TypeError):
                raise self._error(node, f"is no {node.tag.rpartition(':')[2]}") from None
            if isinstance(value, int) and value.bit_length() > MOST_BITS:
                raise self._error(node, "is too large a number")
            if isinstance(value, str) and UNFIT.search(value):
                raise self._error(node, "holds a control character")
            return value

        def _error(self, node, problem: str) -> ConstructorError:
            shown = node.value if len(node.value) <= 40 else f"{node.value[:40]}…"
            return ConstructorError(None, None, f"{shown!r} {problem}", node.start_mark)

    return Constructor
