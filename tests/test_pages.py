"""The README is the index of docs/: a page that nobody finds is none."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
INDEX = "## Which page answers what"
MOST_LINES = 110


def test_every_page_of_docs_stands_in_the_readme_s_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.partition(INDEX)[2].splitlines() if line.startswith("|")]
    named = set(re.findall(r"\]\(([^)#]+)", "\n".join(rows)))
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 20 and pages <= named, f"in no row: {sorted(pages - named)}"
    assert all((ROOT / page).is_file() for page in named), "a row leads nowhere"
    assert len(text.splitlines()) <= MOST_LINES
