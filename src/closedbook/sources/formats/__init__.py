"""Documents that are no plain text: PDF, HTML, EPUB and DOCX, each file converted once and kept until its bytes or the converter change.

Nothing in a file is run, and nothing that it points to is fetched: text is taken out, and pictures, scripts and links stay behind.
`common` says what a file may ask for, `conversion` keeps it to that.
"""

from functools import cache
from importlib.metadata import version
from pathlib import Path

from closedbook import layout
from closedbook.sources.formats import common as common
from closedbook.sources.formats import conversion
from closedbook.sources.formats.common import Converted
from closedbook.sources.formats.common import Unreadable as Unreadable
from closedbook.sources.formats.conversion import CONVERTERS as CONVERTERS
from closedbook.sources.formats.conversion import convert as convert
from closedbook.util import files, fingerprint, terminal, units
from closedbook.util.errors import UserError

LIBRARIES = {".pdf": "pdfminer.six", ".docx": "mammoth"}
"""those of the extra `formats`"""
KEPT = layout.WORK / "converted"


def read(file: Path, document: str, papers: bool = False) -> Converted:
    """A file's text and what it says of itself, under the id of its document; a PDF as a paper if `papers`. Raises Unreadable with the reason."""
    kept = KEPT / f"{document}.json"
    made_of = files.sha256_text(files.canonical([files.sha256_file(file), *_converter(file), *(["papers"] if papers else [])]))
    known = files.read_json(kept) if kept.exists() else {}
    if known.get("made_of") != made_of:
        known = {"made_of": made_of, "converted": conversion.convert_apart(file, papers).as_dict()}
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
        return [fingerprint.digest("closedbook.sources.formats.conversion:convert"), *(f"{library} {installed(library)}" for library in libraries)]
    except ModuleNotFoundError as error:
        raise UserError(f"{file}: {file.suffix} files are read by {error.args[0]}, which is not installed: "
                        "pip install --editable '.[formats]', or take the file out of the folder") from None


@cache
def installed(library: str) -> str:
    return version(library)
