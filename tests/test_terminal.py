"""All that is printed goes one way, and nothing in it commands the terminal."""

import ast
import json
from pathlib import Path

import pytest

from closedbook import cli
from closedbook.util import terminal
from closedbook.util.errors import UserError

SOURCE = Path(__file__).parent.parent / "src/closedbook"
HOSTILE = "a\x1b]0;owned\x07 \x9b31m \u202eleft \x7f \r over \udcff"
"""a title for the window, a colour by a one-byte command, right-to-left order, a deletion, a return, a byte of a name that is no text"""


def test_nothing_is_printed_but_through_the_module_for_it():
    stray = [
        f"{path.name}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py")) if path.name != "terminal.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write", "sys.stderr.write")
    ]  # fmt: skip
    assert stray == []


def test_what_a_terminal_would_obey_is_shown_as_text(capsys):
    terminal.show(HOSTILE, "näxt – line")
    terminal.note(HOSTILE)
    said = capsys.readouterr()
    assert all(letter.isprintable() or letter == "\n" for letter in said.out + said.err)
    assert "a\\x1b]0;owned" in said.out and "näxt – line\n" in said.out and "\\udcff" in said.err


def test_json_is_harmless_and_holds_the_same_value():
    value = {"title": HOSTILE, "rows": [1, {"name": "näxt"}]}
    text = terminal.as_json(value)
    assert all(letter.isprintable() or letter == "\n" for letter in text) and "näxt" in text
    assert json.loads(text) == value


@pytest.mark.parametrize("error", [UserError(f"data/{HOSTILE}.txt: empty\nsecond line"), OSError(28, "No space left on device", f"data/{HOSTILE}")])
def test_a_file_name_in_an_error_is_harmless(monkeypatch, capsys, error):
    def fail(_):
        raise error

    monkeypatch.setattr(cli, "_fresh", fail)
    assert cli.main(["fresh"]) == 2
    said = capsys.readouterr().err
    assert all(letter.isprintable() or letter == "\n" for letter in said) and said.startswith("error: ") and "\\x1b" in said


def test_a_traceback_is_harmless(monkeypatch, capsys):
    cli.main(["fresh", "--accept", "x"])  # sets how tracebacks are shown
    capsys.readouterr()
    error = ZeroDivisionError(HOSTILE)
    cli.sys.excepthook(type(error), error, None)
    said = capsys.readouterr().err
    assert "ZeroDivisionError: a\\x1b]0;owned" in said and "\x1b" not in said
