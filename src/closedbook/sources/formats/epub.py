"""EPUB files: a zip archive of XHTML, whose package document says what it is called and in which order it is read."""

import io
import posixpath
import zipfile
from urllib.parse import unquote

from closedbook.sources.formats.converted import Converted, Unreadable
from closedbook.sources.formats.html import decoded

DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"


def convert(data: bytes) -> Converted:
    from defusedxml.ElementTree import fromstring

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        container = fromstring(archive.read("META-INF/container.xml"))
        place = container.find(".//{*}rootfile").get("full-path")
        package = fromstring(archive.read(place))
        parts = _parts(package, posixpath.dirname(place))
        missing = [name for name in parts if name not in archive.namelist()]
        locked = set(parts) & _encrypted(archive, fromstring)
        if locked:
            raise Unreadable(f"encrypted ({len(locked)} of {len(parts)} parts): a copy without protection is needed")
        text = "\n".join(decoded(archive.read(name)) for name in parts if name not in missing)
    about = {name: [node.text.strip() for node in package.iter(DUBLIN_CORE + name) if node.text] for name in ("title", "creator", "rights")}
    return Converted(title=next(iter(about["title"]), None), author="; ".join(about["creator"]) or None,
                     license="; ".join(about["rights"]) or None, text=text, is_html=True,
                     left_out=[f"{len(missing)} parts that it names and does not hold"] if missing else [])


def _parts(package, folder: str) -> list[str]:
    """The files of the book in reading order, by their names in the archive; its list of contents is none of them."""
    items = {item.get("id"): item for item in package.findall(".//{*}item")}
    order = [items[reference.get("idref")] for reference in package.findall(".//{*}itemref") if reference.get("idref") in items]
    read = [item for item in order if "nav" not in item.get("properties", "").split()]
    return [posixpath.normpath(posixpath.join(folder, unquote(item.get("href")))) for item in read]


def _encrypted(archive: zipfile.ZipFile, fromstring) -> set[str]:
    if "META-INF/encryption.xml" not in archive.namelist():
        return set()
    return {unquote(node.get("URI")) for node in fromstring(archive.read("META-INF/encryption.xml")).findall(".//{*}CipherReference")}
