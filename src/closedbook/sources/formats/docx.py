"""DOCX files, through mammoth: its HTML keeps paragraphs, headings, lists, tables and notes, and of tracked changes the accepted text."""

import io
import re
import zipfile
from collections import Counter

from closedbook.sources.formats.converted import Converted, Unreadable
from closedbook.sources.formats.html import first_heading

OLE = b"\xd0\xcf\x11\xe0"
"""how Word's older files begin, and those that a password locks"""
CORE = "docProps/core.xml"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
IGNORED = re.compile(r"An unrecognised element was ignored: \{[^}]*\}:?(\w+)")
BACK = re.compile(r'<a href="#[\w-]*note-ref-[\w-]*">[^<]*</a>')
"""the arrow behind each note"""


def convert(data: bytes) -> Converted:
    import mammoth

    if data.startswith(OLE):
        raise Unreadable("locked by a password, or in Word's old format: save it as .docx without a password")
    result = mammoth.convert_to_html(io.BytesIO(data), convert_image=mammoth.images.img_element(lambda image: {}))
    ignored = Counter(match[1] for message in result.messages if (match := IGNORED.match(message.message)))
    about, text = _about(data), BACK.sub("", result.value)
    return Converted(title=about["title"] or first_heading(text), author=about["author"], text=text, is_html=True,
                     left_out=[f"{count} × {name}" for name, count in sorted(ignored.items())])


def _about(data: bytes) -> dict[str, str | None]:
    from defusedxml.ElementTree import fromstring

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        core = fromstring(archive.read(CORE)) if CORE in archive.namelist() else None
    found = {name: "" if core is None else core.findtext(DUBLIN_CORE + tag, "") for name, tag in (("title", "title"), ("author", "creator"))}
    return {name: text.strip() or None for name, text in found.items()}
