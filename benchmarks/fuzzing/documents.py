"""A folder of files of all formats, with front matter and questions, whole and spoilt."""

import io
import os
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import made_files  # tests/made_files.py
from ruamel.yaml import YAML

from fuzzing.common import OFFLINE, SHIPPED, forecast, sections, warm
from fuzzing.mutations import HALF, TEXTS, as_json, deep, mutated, prose, spoilt

LISTED = {"question": "Who counted the ships?", "options": ["Mira", "Varn", "the council", "nobody"], "gold_label": 1, "difficult": 0,
          "question_unique_id": "q1", "document": "a.txt"}  # fmt: skip
FIELDS = ("", "", "date: 2023-02-30\n", "year: !!bool maybe\n", "year: !!int x\n", "a: &a [*a]\n", "? [a]\n: b\n", "\t\n", "a: {}\n",
          "title: 1984\n", "year: " + "9" * 5000 + "\n", "author: [a, b]\n", "license: ~\n", "y: !!python/object:os.system x\n", "a: &a [1, *a]\n",
          "z: " + "[" * 2000 + "\n", "title: *nobody\n", "b: 0x" + "f" * 5000 + "\n", "title: !!binary '*'\n", "year: .nan\n", "t: !!timestamp x\n",
          "title: '\u200b'\n", "year: 2023-13-45\n", "Note: he said: no\n", "- a\n", "%YAML 9\n", "title: &t [*t]\n", "d: 1:70:99\n", "title: \u0001\n",
          "author: 'Lee, Ann; '\n", "year: '²'\n", "year: 1e999\n")  # fmt: skip
MARKS = ("---", "---", "...", "--- ", "----")
OF_HTML = ("<button>", "<select><option>a", "<!--", "<table><tr><td>x", "<ruby>a<rt>b</ruby>", "<template>", "<svg>", "<pre>\n a</pre>",
           "<div>" * 3_000, "<p hidden>x</p>", "&nbsp;&#150;&bogus;", *TEXTS)  # fmt: skip
CHARSETS = ("", "<meta charset=utf-8>", "<meta charset=iso-8859-1>", "<meta charset=x-none>", "<meta charset=utf-16>")
HEADS = ("<head>{}<title>T</title></head>", "<head>{}<title>T</title>", "{}", "<head>{}<title>T")
OF_DOCX = ("<w:p><w:ins><w:r><w:t>in</w:t></w:r></w:ins></w:p>", "<w:tbl><w:tr/></w:tbl>", "<w:p>" * 500 + "</w:p>" * 500, "<w:altChunk/>",
           "<w:sdt><w:sdtContent/></w:sdt>", "<w:p><w:r><w:drawing/></w:r></w:p>",
           "<w:p><w:r><w:footnoteReference/></w:r></w:p>")  # fmt: skip
NAMES = ("é", "e\u0301", "港口", "\u202egnp", "a\nb", "a\x1b[31mb", "-rf", " ", "con", "a" * 240, "$(ls)", "%s", "{x}", "\udcff", "a\\b",
         "..a", ".a", "A", "a", "#", "\x7f", "\u200b", "-", "~", "'\"", "Icon\r")  # fmt: skip
HOW = (0, 3, 30, -8, 10**9, made_files.BOLD, made_files.UPWARDS)
"""a line's size, type or direction"""
FAR = (-(10**6), 10**49, "nan", "1e9", 399)
"""where a line may begin"""
NO_FILES = ("nowhere", ".", "..", "/etc/hostname", "/")
"""where links lead"""


def area() -> Callable:
    warm()
    return _case


def _case(draw: Random) -> None:
    folder = Path("texts")
    folder.mkdir()
    for number in range(draw.choice((1, 1, 1, 2, 3))):
        suffix, data = _file(draw)
        name = draw.choice(("a", "b", "Harbour of Varn", f"c{number}")) if draw.random() < 0.7 else _name(draw)
        _put(draw, folder, os.fsencode(name)[:250].decode("utf-8", "surrogateescape") + draw.choice((suffix, suffix, suffix.upper())), data)
    if draw.random() < 0.4:
        rows = [LISTED | {"question_unique_id": f"q{number}"} for number in range(draw.choice((1, 2)))]
        lines = b"\n".join(as_json(mutated(draw, row) if draw.random() < 0.7 else row) for row in rows)
        lines = draw.choice((lines, lines, lines, spoilt(draw, lines), lines.replace(b"[", deep(draw), 1)))
        _put(draw, folder, "questions.jsonl", lines)
    known = sections()
    forecast(known | {"llm": SHIPPED["llm"] | OFFLINE, "documents": known["documents"] | {"papers": draw.random() < 0.5}})


def _file(draw: Random) -> tuple[str, bytes]:
    """(suffix, content), in two of three cases spoilt."""
    suffix = draw.choice((".txt", ".md", ".md", ".html", ".htm", ".xhtml", ".epub", ".docx", ".pdf"))
    data = MAKERS[suffix](draw)
    return suffix, spoilt(draw, data) if draw.random() < 0.65 else data


def _text(draw: Random) -> bytes:
    front = {"title": "The Harbour", "author": "Mira Oldan", "year": 1923, "license": "CC0", "date": "2023-02-03", "tags": ["a"]}
    head = io.StringIO()
    if draw.random() < 0.6:
        YAML(typ="safe", pure=True).dump(_encodable(mutated(draw, front)), head)
    fields = head.getvalue() + draw.choice(FIELDS).format(deep(draw).decode())
    body = "\n\n".join(draw.choice((prose(draw), "# " + prose(draw, 5), "---", draw.choice(TEXTS))) for _ in range(5))
    text = f"---\n{fields}{draw.choice(MARKS)}\n{body}" if draw.random() < 0.6 else body
    return text.encode(draw.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-16-le", "cp1252", "utf-8-sig")), "replace")


def _encodable(value) -> dict:
    """What YAML can write of it."""
    fields = value.items() if isinstance(value, dict) else ()
    return {str(key): item for key, item in fields if HALF not in repr(item)}


def _html(draw: Random) -> bytes:
    head = draw.choice(HEADS).format(draw.choice(CHARSETS))
    body = "".join(draw.choice((f"<p>{prose(draw)}</p>", draw.choice(OF_HTML))) for _ in range(8))
    return f"<html>{head}<body>{body}</body></html>".encode(draw.choice(("utf-8", "cp1252", "utf-16")), "replace")


def _docx(draw: Random) -> bytes:
    body = "".join(draw.choice((made_files.paragraph(prose(draw)), draw.choice(OF_DOCX))) for _ in range(6))
    return _rezipped(draw, made_files.docx(body, core=draw.choice(("", "<dc:title>T</dc:title>", "<dc:creator>\u202eM</dc:creator>"))))


def _epub(draw: Random) -> bytes:
    about = draw.choice(("", "<dc:title>T</dc:title><dc:creator>Mira Oldan</dc:creator>", "<dc:date>x</dc:date>"))
    chapters = [draw.choice((f"<p>{prose(draw)}</p>", "<p>&bogus;</p>", "", "<div>" * 500)) for _ in range(3)]
    return _rezipped(draw, made_files.epub(*chapters, about=about))


def _rezipped(draw: Random, data: bytes) -> bytes:
    """The archive with one of its parts spoilt, gone, renamed, or huge when it is unpacked."""
    if draw.random() < 0.4:
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        parts = {name: zipped.read(name) for name in zipped.namelist()}
    name = draw.choice(sorted(parts))
    change = draw.choice(("spoil", "spoil", "remove", "rename", "huge"))
    part = parts.pop(name)
    if change == "rename":
        parts[draw.choice((name.upper(), f"../{name}", f"/{name}", "x"))] = part
    elif change != "remove":
        parts[name] = spoilt(draw, part) if change == "spoil" else part + b" " * 30_000_000
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for each, content in parts.items():
            zipped.writestr(each, content)
    return out.getvalue()


def _pdf(draw: Random) -> bytes:
    columns, how = draw.choice(((50,), (50, 220))), draw.choice((None, *HOW))
    lines = [(left, 550 - 14 * place, prose(draw, 4), *([how] if how is not None and draw.random() < 0.2 else []))
             for place in range(draw.choice((0, 5, 20))) for left in columns]
    lines += [draw.choice(((draw.choice(FAR), 300, "far"), (50, draw.choice(FAR), "REFERENCES"), (50, 20, "[1] 1999")))]
    info = draw.choice(("", "/Title (T) /Author (M)", "/Title <FEFF0041>", "/Title 5", "/Title [(a)]"))
    trailer = draw.choice(("", "", made_files.LOCKED, "/Prev 99999", "/Root 1 0 R"))
    return made_files.pdf(*[lines] * draw.choice((1, 1, 3)), info=info, trailer=trailer)


MAKERS = {".txt": _text, ".md": _text, ".html": _html, ".htm": _html, ".xhtml": _html, ".epub": _epub, ".docx": _docx, ".pdf": _pdf}


def _name(draw: Random) -> str:
    plain = draw.choice(NAMES)
    return draw.choice((plain, unicodedata.normalize("NFD", plain), f"{plain} {plain}"[:200]))


def _put(draw: Random, folder: Path, name: str, data: bytes) -> None:
    """A file, or now and then what is none."""
    path, kind = folder / name, draw.random()
    if kind < 0.15 and draw.random() < 0.5:
        path = folder / draw.choice(("sub", "s\u202eub", "x.txt")) / name
    path.parent.mkdir(exist_ok=True)
    if path.exists() or path.is_symlink():
        return
    if kind < 0.93:
        path.write_bytes(data)
    elif kind < 0.95:
        path.mkdir()
    elif kind < 0.96:
        os.mkfifo(path)
    else:
        path.symlink_to(draw.choice((*NO_FILES, name)))
