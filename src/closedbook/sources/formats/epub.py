"""EPUB files: a zip archive of XHTML, whose package document says what it is called and in which order it is read."""

import posixpath
from unicodedata import normalize
from urllib.parse import unquote

from closedbook.sources.formats import common, html
from closedbook.sources.formats.common import Converted, Unreadable

DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"


def convert(data: bytes) -> Converted:
    from defusedxml.ElementTree import fromstring

    with common.archive(data) as opened:
        names = {_folded(name): name for name in opened.names} | {name: name for name in opened.names}
        place = fromstring(opened.read(_named(CONTAINER, names) or CONTAINER)).find(".//{*}rootfile").get("full-path")
        package = fromstring(opened.read(_named(place, names) or place))
        parts, pictures = _parts(package, posixpath.dirname(place))
        held = [name for part in parts if (name := _named(part, names))]
        locked = set(held) & _encrypted(opened, names, fromstring)
        if locked:
            raise Unreadable(f"encrypted ({len(locked)} of {len(parts)} parts): a copy without protection is needed")
        pages = [_page(name, opened.read(name)) for name in held]
    about = {name: [node.text.strip() for node in package.iter(DUBLIN_CORE + name) if node.text] for name in ("title", "creator", "rights")}
    missing = len(parts) - len(held)
    return Converted(title=next(iter(about["title"]), None), author="; ".join(about["creator"]) or None,
                     license="; ".join(about["rights"]) or None, text="\n".join(html.paragraphs(page.paragraphs) for page in pages),
                     is_html=True, left_out=[*([f"{missing} parts that it names and does not hold"] if missing else []),
                                             *([f"{pictures} pages that are pictures"] if pictures else []), *html.left_out(pages)])


def _page(name: str, data: bytes):
    try:
        return html.xhtml(data)
    except Unreadable as problem:
        raise Unreadable(f"{name}: {problem}") from None


def _folded(name: str) -> str:
    return normalize("NFC", name).casefold()


def _named(part: str, names: dict[str, str]) -> str | None:
    """The name in the archive of what a book calls so; upper and lower case are distinguished only where the archive does."""
    return names.get(part) or names.get(_folded(part))


def _parts(package, folder: str) -> tuple[list[str], int]:
    """The files of the book in reading order, by the names that it gives them, and how many pictures stand between; its list of contents is
    none of them."""
    items = {item.get("id"): item for item in package.findall(".//{*}item")}
    order = [items[reference.get("idref")] for reference in package.findall(".//{*}itemref") if reference.get("idref") in items]
    read = [item for item in order if "nav" not in item.get("properties", "").split()]
    texts = [item for item in read if not item.get("media-type", "").startswith("image/")]
    names = [posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "")))) for item in texts]
    return names, len(read) - len(texts)


def _encrypted(opened: common.Archive, names: dict[str, str], fromstring) -> set[str]:
    listed = _named(ENCRYPTION, names)
    if not listed:
        return set()
    uris = (unquote(node.get("URI", "")) for node in fromstring(opened.read(listed)).findall(".//{*}CipherReference"))
    return {_named(uri, names) or uri for uri in uris}
