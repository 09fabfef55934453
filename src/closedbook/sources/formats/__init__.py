"""Documents that are no plain text: PDF, HTML, EPUB and DOCX, each file converted once and kept until its bytes or the converter change.

Nothing in a file is run, and nothing that it points to is fetched: text is taken out, and pictures, scripts and links stay behind.
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from closedbook import files
from closedbook.errors import UserError
from closedbook.freshness import code
from closedbook.sources.article import is_empty
from closedbook.sources.formats import docx, epub, html, pdf
from closedbook.sources.formats.converted import Converted, Unreadable

CONVERTERS: dict[str, Callable[[bytes], Converted]] = {
    ".pdf": pdf.convert, ".docx": docx.convert, ".epub": epub.convert, ".html": html.convert, ".htm": html.convert, ".xhtml": html.convert,
}
LIBRARIES = {".pdf": "pdfminer.six", ".docx": "mammoth"}
"""those of the extra `formats`; the others' are closedbook's own"""
KEPT = Path(".closedbook/converted")


def read(file: Path, document: str) -> Converted:
    """A file's text and what it says of itself, under the id of its document. Raises Unreadable with the reason."""
    data, kept = file.read_bytes(), KEPT / f"{document}.json"
    made_of = files.sha256_text(files.canonical([files.sha256_file(file), *_converter(file)]))
    known = files.read_json(kept) if kept.exists() else {}
    if known.get("made_of") != made_of:
        known = {"made_of": made_of, "converted": _convert(file, data).as_dict()}
        files.write_json(kept, known)
        print(f"{file}: converted, {len(known['converted']['text'].split()):,} words", file=sys.stderr, flush=True)
    return Converted(**known["converted"])


def forget(documents: set[str]) -> None:
    """Keep the texts of just these documents: what was taken out of the folder is not held on to."""
    for path in KEPT.glob("*.json"):
        if path.stem not in documents:
            path.unlink()


def _converter(file: Path) -> list[str]:
    """What beside a file's bytes decides its text: this code, and the library's version."""
    library = LIBRARIES.get(file.suffix.lower(), "beautifulsoup4")
    try:
        return [code.digest("closedbook.sources.formats:_convert"), library, installed(library)]
    except ModuleNotFoundError:
        raise UserError(f"{file}: {file.suffix} files are read by {library}, which is not installed: pip install --editable '.[formats]', "
                        "or take the file out of the folder") from None


@cache
def installed(library: str) -> str:
    return version(library)


def _convert(file: Path, data: bytes) -> Converted:
    try:
        converted = CONVERTERS[file.suffix.lower()](data)
        converted.text.encode("utf-8")
    except Unreadable:
        raise
    except Exception as error:  # a broken file can make a converter stumble anywhere
        raise Unreadable(f"broken, or not what its name says ({type(error).__name__}: {' '.join(str(error).split())[:120]})") from error
    if is_empty(converted.text, converted.is_html):
        raise Unreadable("no text in it")
    return converted
