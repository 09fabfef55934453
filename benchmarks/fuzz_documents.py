"""Mutated folders of documents: what comes of each must be a plan or one error that names what is wrong, never a traceback.

    PYTHONPATH=src python benchmarks/fuzz_documents.py [--cases 4000] [--seed 1]

Each case is a folder with a text, front matter, questions and names put together from pieces that break parsers, then mutated byte by byte. It is
read as planning reads it, and cleaned as the documents step does. Prints how many were planned and refused; exits with 1 where anything else came.
"""

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import traceback
import unicodedata
from pathlib import Path

from closedbook import params, sources
from closedbook.stages import documents
from closedbook.util import units
from closedbook.util.errors import UserError

SPICE = ["\0", "\r", "\r\n", "\x85", "\x1b[1m", "\u200b", "\u200d", "\u00ad", "\ufeff", "\u2028", "\u2029", "\x0c", "\u202e", "\x91", "---\n", "...\n", "# ", ": ",
         "<p>", "<!--", "-->", "&shy;", "&nbsp;", "灯塔", "ที่", "می\u200cخواهم", "👩\u200d❤\ufe0f", "e\u0301", "\u0301", "\ufffe", "\n\n", "\u3000", '"', "\\", "{", "}"]  # fmt: skip
FIELDS = ["title: The Mill", "title: 1984", "date: 2023-02-30", "x: !!bool maybe", "year: 1931", "year: " + "9" * 5000, "author: [a, b]", "license: ~",
          "y: !!python/object:os.system x", "a: &a [1, *a]", "z: " + "[" * 2000, "title: *nobody", "? [1]\n: b", "<<: {a: 1}", "b: 0x" + "f" * 5000, "title: !!binary '*'",
          "year: .nan", "t: !!timestamp x", "title: ''", "title: '\u200b'", "year: 2023-13-45", "Note: he said: no", "- a", "%YAML 9", "title: &t [*t]", "d: 1:70:99",
          "title: \u0001", "author: 'Lee, Ann; '", "year: '²'", "year: 1e999"]  # fmt: skip
VALUES = [None, "", " ", "\u200b", "x", "\ud800", 1, 0, -1, 2.0, True, float("nan"), float("inf"), 10**30, [], {}, ["a"], ["a", "b", "c", "d"], ["a", "", "c", "d"], ["a"] * 4,
          ["a", "b", "c", None], "a.md", "../a.md", "/etc/passwd", "a\0.md"]  # fmt: skip
NAMES = ["a.md", "b.txt", "é.md", unicodedata.normalize("NFD", "é.md"), "\udcff.md", "x\n.md", "\u200b.md", " .md", "sub/a.md", "sub/questions.jsonl", "灯.txt", "a.MD", "-.md",
         "'\".txt", "%s{}.md", "~.md", "\x1b[31m.md", "a.jpg", "Icon\r", "n" * 240 + ".txt"]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    settings, counts = params.load(), {"planned": 0, "refused": 0, "broken": 0}
    for number in range(options.cases):
        rng = random.Random(f"{options.seed}/{number}")
        with tempfile.TemporaryDirectory() as folder:
            make(rng, Path(folder))
            outcome = tried(Path(folder), settings)
        counts[outcome or "broken"] += 1
        if outcome is None:
            print(f"case {number}: {traceback.format_exc()}", file=sys.stderr)
    print(counts)
    return counts["broken"] > 0


def tried(folder: Path, settings) -> str | None:
    """What came of a folder; None for what must not come."""
    try:
        where = params.Documents(source="folder", path=str(folder), limit=None)
        for article in sources.articles(where, settings.miniature, 1, [1]):
            document = documents.document_of(article)
            units.count(document.text)
            json.dumps([article.as_dict(), document.byline], ensure_ascii=False).encode("utf-8")
            sources.places(where, article.id)
        return "planned"
    except UserError as error:
        text = str(error)
        is_printable = all(line.isprintable() for line in text.replace("\u200b", "").split("\n"))
        return "refused" if is_printable and str(folder) in text and len(text) < 5000 else _broken(text)
    except Exception:
        return None


def _broken(text: str) -> None:
    print(f"an error that can't be printed, or names no file: {text[:600]!r}", file=sys.stderr)


def make(rng: random.Random, folder: Path) -> None:
    for name in rng.sample(NAMES, rng.choice([1, 1, 1, 2, 3])):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(rng, text(rng)))
    if rng.random() < 0.3:
        (folder / "questions.jsonl").write_bytes(mutated(rng, "\n".join(row(rng, folder) for _ in range(rng.randint(1, 3))), 0.3))
    if rng.random() < 0.1:
        target = rng.choice(["a.md", "nowhere", "..", ".", "link.md", "/etc/hostname", "sub"])
        os.symlink(target, folder / rng.choice(["link.md", "linked"]))


def text(rng: random.Random) -> str:
    fields = "\n".join(rng.sample(FIELDS, rng.choice([0, 1, 1, 2])))
    front = f"---{rng.choice(['', ' ', chr(10)])}\n{fields}\n{rng.choice(['---', '...', '', '--- x'])}\n" if rng.random() < 0.5 else ""
    words = [rng.choice(["The", "mill", "at", "Orsk.", "stood\n", *SPICE]) for _ in range(rng.randint(0, 30))]
    return front + rng.choice(["", "# Title\n", "# \u200b\n"]) + " ".join(words)


def row(rng: random.Random, folder: Path) -> str:
    whole = {"document": rng.choice([path.name for path in folder.iterdir()]), "question_unique_id": f"q{rng.randint(1, 3)}", "question": "Who?",
             "options": ["a", "b", "c", "d"], "gold_label": 1}  # fmt: skip
    for _ in range(rng.choice([0, 0, 1])):
        whole[rng.choice([*whole, "difficult", "extra"])] = rng.choice(VALUES)
    line = json.dumps(whole, ensure_ascii=rng.random() < 0.5 or any("\ud800" in str(value) or "\udcff" in str(value) for value in whole.values()))
    deep = "[" * 5000
    return rng.choice([line] * 20 + [line.replace('"Who?"', deep), line.replace(": 1", ": " + "9" * 5000), line + line, line.replace("{", '{"options": 1, ', 1), "NaN", deep])


def mutated(rng: random.Random, written: str, rate: float = 0.25) -> bytes:
    data = bytearray(written.encode(rng.choice(["utf-8"] * 40 + ["utf-16", "utf-16-le", "utf-32-be", "cp1252", "gb18030"]), "replace"))
    while data and rng.random() < rate:
        place = rng.randrange(len(data))
        piece = rng.choice([bytes([rng.randrange(256)]), rng.choice(SPICE).encode(), b"", bytes(data[place : place + 9])])
        data[place : place + rng.randint(0, 3)] = piece
    return bytes(data)


if __name__ == "__main__":
    sys.exit(main())
