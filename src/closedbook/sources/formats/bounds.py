"""What a document's file may ask for at most. Beyond it the file is named and left to the user: to split, or to take out.

No bound ever decides what a file's text is: a file gives all of it, or none.
"""

from pathlib import Path

from closedbook.sources.formats.converted import Unreadable

FILE = 256 << 20
"""bytes of a file"""
UNPACKED = 64 << 20
"""bytes of what is unpacked of an archive (DOCX, EPUB); pictures are not"""
TEXT = 10_000_000
"""characters of a document, the tags of its paragraphs included: twice the Bible"""
MEMORY = 2 << 30
"""bytes that a conversion holds at once"""
SECONDS = 600
"""of processor time for a conversion"""

REMEDY = "split it, or take it out"


def check_file(file: Path) -> None:
    size = file.stat().st_size
    if size > FILE:
        raise Unreadable(f"{size >> 20:,} MiB, and a file may have {FILE >> 20:,}: {REMEDY}")


def check_length(length: int) -> None:
    if length > TEXT:
        raise Unreadable(f"{length:,} characters of text or more, and a document may have {TEXT:,}: {REMEDY}")
