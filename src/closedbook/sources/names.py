"""Names of documents and of their authors: ids that are safe in a path, and catalogue entries as one writes them in a sentence."""

import re
import unicodedata

from closedbook.sources.cleaning import clean
from closedbook.util import files

NOBODY = ("", "unknown", "unknown author", "none", "n/a")
SUFFIX = re.compile(r",?\s+(Jr\.?|Sr\.?|II|III|IV|M\.D\.|Ph\.D\.|Inc\.?|Ltd\.?|Co\.?|Corp\.?|LLC|GmbH)(?=,|$)")


def document_id(name: str, identity: str) -> str:
    """At most 40 small ASCII letters, digits and hyphens of a name, and 8 hexadecimal digits of what identifies the document."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-") or "document"
    return f"{slug}-{files.sha256_text(unicodedata.normalize('NFC', identity))[:8]}"


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def author_in_prose(name: str | None) -> str | None:
    """ "Harris, Larry M." is Larry M. Harris; None for nobody.

    Several authors stand apart by semicolons, "and" or "&". A name without a comma is in prose already, and so is a list that
    mixes names with and without one ("Ann Lee, Bob Ray and Cy Poe").
    """
    name = one_line(name or "").strip(" ,;")
    if name.casefold() in NOBODY:
        return None
    if ";" in name:
        names = [_turned(part) for part in filter(None, map(str.strip, name.split(";")))]
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    parts = re.split(r"( and | & )", name)
    if len({"," in SUFFIX.sub("", part) for part in parts[::2]}) > 1:
        return name
    return "".join(_turned(part) for part in parts)


def _turned(name: str) -> str:
    """ "Last, First, Jr." as First Last Jr.; what has no such form stays."""
    suffixes = SUFFIX.findall(name)
    catalogued = re.fullmatch(r"([^,]+), ([^,]+)", SUFFIX.sub("", name))
    if catalogued:
        return " ".join([catalogued[2], catalogued[1], *suffixes])
    return " ".join([SUFFIX.sub("", name), *suffixes]) if suffixes else name
