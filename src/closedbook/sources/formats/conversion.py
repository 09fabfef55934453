"""The converter of each format, by the end of a file's name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from closedbook.sources.article import is_empty
from closedbook.sources.cleaning import clean
from closedbook.sources.formats import bounds, docx, epub, html, pdf
from closedbook.sources.formats.converted import Converted, Unreadable

CONVERTERS: dict[str, Callable[[bytes], Converted]] = {
    ".pdf": pdf.convert, ".docx": docx.convert, ".epub": epub.convert,
    ".html": html.convert, ".htm": html.convert, ".xhtml": html.convert_xhtml,
}


def convert(file: Path) -> Converted:
    """A file as text, in this process, and nothing kept. Raises Unreadable with the reason."""
    try:
        converted = _clean(CONVERTERS[file.suffix.lower()](file.read_bytes()))
        converted.text.encode("utf-8")
    except Unreadable:
        raise
    except RecursionError:
        raise Unreadable("its elements are nested too deeply to be read") from None
    except Exception as error:  # a broken file can make a converter stumble anywhere
        raise Unreadable(f"broken, or not what its name says ({type(error).__name__}: {' '.join(str(error).split())[:120]})") from error
    bounds.check_length(len(converted.text))
    if is_empty(converted.text, converted.is_html):
        raise Unreadable("no text in it")
    return converted


def _clean(converted: Converted) -> Converted:
    values = {name: getattr(converted, name) for name in ("title", "author", "license", "text")}
    return replace(converted, **{name: clean(value) for name, value in values.items() if value})
