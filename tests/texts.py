"""Three short documents of one's own, one of them hostile, and a question."""

import re
from pathlib import Path

HOSTILE = "it's $(touch pwned) \U0001f642.txt"
TEXTS = {
    "harbour.md": "---\ntitle: The Harbour of Varn\nauthor: Oldan, Mira\nyear: 1931\n---\n\nMira Oldan kept the lighthouse of Varn. The Council of Varn "
    "paid her in salt.\n\nOne winter Tomas Reed came to the lighthouse. Mira Oldan gave Tomas Reed a brass compass.\n",
    "clock.txt": "The Council of Varn met under a clock without hands. Old Peter Lamm wound the clock each morning.\n\nNobody asked Peter Lamm why. "
    "Mira Oldan asked the Council of Varn.\n",
    HOSTILE: "---\ntitle: '../\"q\" $(touch pwned) <b>\U0001f642</b>'\n---\nThe bridge at Kell fell in a storm. Tomas Reed built the bridge at Kell again.\n\nAnna Kell crossed it first, with a lamp.\n",
}
QUESTIONS = '{"document": "harbour.md", "question_unique_id": "q1", "question": "What did Mira give Tomas?", "options": ["a compass", "salt", "a lamp", "a clock"], "gold_label": 1}\n'


def write_documents(folder: Path) -> None:
    folder.mkdir()
    for name, text in {**TEXTS, "questions.jsonl": QUESTIONS}.items():
        (folder / name).write_text(text, encoding="utf-8")


def check_nothing_hostile(folder: Path) -> None:
    """No text of a document got into a shell, a path or HTML."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_relative_to(folder / ".venv")}
    assert not [path for path in paths if path.endswith("pwned")], "text of a document reached a shell"
    assert not [path for path in paths if path.startswith("results/") and re.search(r"[^a-z0-9./_-]", path)], "text of a document is in a path"
    pages = [path for name, path in paths.items() if name.startswith("results/report/") and name.endswith(".html")]
    assert pages and not [page for page in pages if "<b>\U0001f642" in page.read_text()], "text of a document is markup"
