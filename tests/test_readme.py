"""What README and docs name is there: the pages and places that they link to, commands, make's targets, presets."""

import argparse
import re
from pathlib import Path

import pytest

from closedbook import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def commands(parser: argparse.ArgumentParser) -> dict:
    """Each command's own, by name; of one that has none nothing."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: commands(one) for action in found for name, one in action.choices.items()}


KNOWN = commands(cli._parser())


def in_code(text: str) -> str:
    """What stands in blocks and between backticks, a line each."""
    return "\n".join([*re.findall(r"^    (.*)$", text, re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)])


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, text: str) -> list[str]:
    """Links to what is not in the project."""
    missing = []
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"\w+:", link) or link.startswith("…"):
            continue
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            missing.append(link)
    return missing


def unknown(text: str) -> list[str]:
    """Commands of closedbook's, targets of make's and presets that there are not."""
    code, wrong = in_code(text), []
    for line in code.splitlines():
        for command, second in re.findall(r"(?:^|[;&|(] ?|-m )closedbook ([a-z][a-z-]*)\b(?: ([a-z-]+)\b)?", line):
            if command not in KNOWN or (KNOWN[command] and second and second not in KNOWN[command]):
                wrong.append(f"closedbook {command} {second}".strip())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong += [f"make {target}" for target in re.findall(r"^(?:.*&& )?make ([a-z-]+)", code, re.MULTILINE) if target not in targets]
    named = [*re.findall(r"presets/([a-z0-9-]+)\.yaml", text), *re.findall(r"closedbook init ([a-z0-9-]+)\b", code)]
    return wrong + [f"preset {name}" for name in named if not (ROOT / f"presets/{name}.yaml").exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    assert broken(page, text) == []
    assert page.name == "CHANGELOG.md" or unknown(text) == [], "the changelog tells of older names too"


def test_the_check_sees_what_is_not_there():
    text = "[a](docs/nowhere.md) [b](docs/serve.md#nowhere) [c](docs/serve.md) `make dinner`\n\n    closedbook sing\n    closedbook ledger sing\n    closedbook init nothing --force\n"
    assert broken(ROOT / "README.md", text) == ["docs/nowhere.md", "docs/serve.md#nowhere"]
    assert unknown(text) == ["closedbook sing", "closedbook ledger sing", "make dinner", "preset nothing"]
