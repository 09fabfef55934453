"""HTML files, read as browsers do: what stands in the text is each paragraph that a browser shows, as an element p of its own."""

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from html import escape

from closedbook.sources import markup
from closedbook.sources.formats.common import Converted, Unreadable

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16le", codecs.BOM_UTF16_BE: "utf-16be"}
XML_ENCODING = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*[\"']([\w.:-]+)")
HEAD = 1 << 16
"""bytes within which a page must say how it is encoded"""
CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)


def convert(data: bytes) -> Converted:
    return _converted(markup.read(decoded(data)))


def convert_xhtml(data: bytes) -> Converted:
    return _converted(xhtml(data))


def _converted(page: markup.Page) -> Converted:
    return Converted(title=page.title or page.heading or None, author=page.author, license=page.license, text=paragraphs(page.paragraphs),
                     is_html=True, left_out=left_out([page]))


def xhtml(data: bytes) -> markup.Page:
    """A page in which some text may be marked as free of markup, as in XML, and else as lenient as HTML."""
    text = decoded(data)
    end = text.rfind("]]>") + len("]]>") if "]]>" in text else 0
    return markup.read(CDATA.sub(lambda match: escape(match[1]), text[:end]) + text[end:])


def paragraphs(texts: Iterable[str]) -> str:
    return "\n".join(f"<p>{escape(text, quote=False)}</p>" for text in texts)


def left_out(pages: Iterable[markup.Page]) -> list[str]:
    words = sum((page.passed_over for page in pages), start=Counter())
    return [f"{count:,} words of {tag}" for tag, count in sorted(words.items()) if count]


def decoded(data: bytes) -> str:
    """By its byte order mark, else by the encoding that it declares, else as UTF-8: nothing is guessed.

    A declared name means what the WHATWG's standard has it mean: iso-8859-1 is windows-1252, a name that is none counts for nothing.
    """
    import webencodings

    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding, encoding)
    declared = XML_ENCODING.match(data)
    label = declared[1].decode("ascii") if declared else markup.read(data[:HEAD].decode("latin-1")).charset
    known = webencodings.lookup(label or "utf-8")
    if known is None or known.name.startswith("utf-16"):  # what says so in ASCII is not in UTF-16
        return _decoded(data, "utf-8", f"utf-8 (it declares {label!r}, which tells a browser nothing)")
    if known.name == "x-user-defined":
        known = webencodings.lookup("windows-1252")
    return _decoded(data, known.codec_info.name, label or known.name)


def _decoded(data: bytes, codec: str, said: str) -> str:
    try:
        text = data.decode(codec)
    except (UnicodeDecodeError, LookupError) as error:
        place = getattr(error, "start", 0)
        raise Unreadable(f"byte {place}: not {said}: declare its encoding (<meta charset>), or save it as UTF-8") from None
    if text.count("\0") * 3 > len(text):
        raise Unreadable("every other character is a NUL, as in UTF-16 without its byte order mark: save it as UTF-8")
    return text
