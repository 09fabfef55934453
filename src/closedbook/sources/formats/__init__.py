"""Documents that are no plain text: PDF, HTML, EPUB and DOCX, each file converted once and kept until its bytes or the converter change.

Nothing in a file is run, and nothing that it points to is fetched: text is taken out, and pictures, scripts and links stay behind.
`bounds` says what a file may ask for, `apart` keeps a conversion to that.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from closedbook.sources.article import is_empty
from closedbook.sources.formats import apart, bounds, docx, epub, html, pdf
from closedbook.sources.formats.converted import Converted, Unreadable
from closedbook.util import files, fingerprint, terminal, units
from closedbook.util.errors import UserError

CONVERTERS: dict[str, Callable[[bytes], Converted]] = {
    ".pdf": pdf.convert, ".docx": docx.convert, ".epub": epub.convert,
    ".html": html.convert, ".htm": html.convert, ".xhtml": html.convert_xhtml,
}
LIBRARIES = {".pdf": "pdfminer.six", ".docx": "mammoth"}
"""those of the extra `formats`"""
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
"""control characters that are no white space; nobody sees them"""
KEPT = Path(".closedbook/converted")


def read(file: Path, document: str) -> Converted:
    """A file's text and what it says of itself, under the id of its document. Raises Unreadable with the reason."""
    kept = KEPT / f"{document}.json"
    made_of = files.sha256_text(files.canonical([files.sha256_file(file), *_converter(file)]))
    known = files.read_json(kept) if kept.exists() else {}
    if known.get("made_of") != made_of:
        known = {"made_of": made_of, "converted": apart.convert(file).as_dict()}
        files.write_json(kept, known)
        terminal.note(f"{file}: converted, {units.count(known['converted']['text']):,} words")
    return Converted(**known["converted"])


def forget(documents: set[str]) -> None:
    """Keep the texts of just these documents: what was taken out of the folder is not held on to."""
    for path in KEPT.glob("*.json"):
        if path.stem not in documents:
            path.unlink()


def _converter(file: Path) -> list[str]:
    """What beside a file's bytes decides its text: this code, and the libraries' versions."""
    libraries = filter(None, (LIBRARIES.get(file.suffix.lower()), "lxml", "webencodings"))
    try:
        return [fingerprint.digest("closedbook.sources.formats:convert"), *(f"{library} {installed(library)}" for library in libraries)]
    except ModuleNotFoundError as error:
        raise UserError(f"{file}: {file.suffix} files are read by {error.args[0]}, which is not installed: "
                        "pip install --editable '.[formats]', or take the file out of the folder") from None


@cache
def installed(library: str) -> str:
    return version(library)


def convert(file: Path) -> Converted:
    """As `read`, in this process and without memory: `apart` calls it."""
    try:
        converted = _clean(CONVERTERS[file.suffix.lower()](file.read_bytes()))
        converted.text.encode("utf-8")
    except Unreadable:
        raise
    except RecursionError:
        raise Unreadable("its elements are nested too deeply to be read") from None
    except Exception as error:  # a broken file can make a converter stumble anywhere
        raise Unreadable(f"broken, or not what its name says ({type(error).__name__}: {' '.join(str(error).split())[:120]})") from error
    bounds.check_text(len(converted.text))
    if is_empty(converted.text, converted.is_html):
        raise Unreadable("no text in it")
    return converted


def _clean(converted: Converted) -> Converted:
    values = {name: getattr(converted, name) for name in ("title", "author", "license", "text")}
    return replace(converted, **{name: CONTROL.sub("", value) for name, value in values.items() if value})
