"""DOCX files, through mammoth: its HTML keeps paragraphs, headings, lists, tables and notes, and of tracked changes the accepted text.

What mammoth does not know is first put in terms that it knows (`_rewritten`), or counted as left out.
"""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile

from closedbook.sources import markup
from closedbook.sources.formats import common, html
from closedbook.sources.formats.common import Converted, Unreadable

OLE = b"\xd0\xcf\x11\xe0"
"""how Word's older files begin, and those that a password locks"""
CORE = "docProps/core.xml"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
IGNORED = re.compile(r"An unrecognised element was ignored: (?:\{[^}]*\}|\w+):?(\w+)|A (w:\w+) element .* was ignored.*")
BACK = re.compile(r'<a href="#[\w-]*note-ref-[\w-]*">[^<]*</a>')
"""the arrow behind each note"""
WRAPPERS = ("moveTo", "customXml", "fldSimple", "dir", "bdo", "ruby", "rubyBase")
"""elements that only wrap what is to be read"""
ELSEWHERE = {"altChunk": "embedded documents (altChunk)", "relIds": "diagrams", "chart": "charts"}
"""elements that only point to what a reader sees there"""
RENAMED = {"cr": "br", "ptab": "tab"}
STORIES = ("document", "footnotes", "endnotes")
"""the outermost elements of the parts that are read"""
BESIDE = {"hdr": "header", "ftr": "footer"}


def convert(data: bytes) -> Converted:
    import mammoth

    if data.startswith(OLE):
        raise Unreadable("locked by a password, or in Word's old format: save it as .docx without a password")
    with common.archive(data) as opened:
        about = _about(opened)
        rewritten, left_out = _rewritten(opened)
    result = mammoth.convert_to_html(rewritten, convert_image=mammoth.images.img_element(lambda image: {}))
    page = markup.read(BACK.sub("", result.value))
    left_out.update(filter(None, (_ignored(message.message, left_out) for message in result.messages)))
    return Converted(title=about["title"] or page.heading or None, author=about["author"], text=html.paragraphs(page.paragraphs),
                     is_html=True, left_out=[f"{count} × {name}" for name, count in sorted(left_out.items()) if count])


def _about(opened: common.Archive) -> dict[str, str | None]:
    from defusedxml.ElementTree import fromstring

    core = fromstring(opened.read(CORE)) if CORE in opened.names else None
    tags = {"title": "title", "author": "creator"}
    found = {name: "" if core is None else core.findtext(DUBLIN_CORE + tag, "") for name, tag in tags.items()}
    return {name: text.strip() or None for name, text in found.items()}


def _ignored(message: str, left_out: Counter) -> str | None:
    """What mammoth says that it left out, where that holds text."""
    match = IGNORED.match(message)
    name = match and (match[1] or match[2])
    return name if match and (match[2] or name in left_out) else None


def _rewritten(opened: common.Archive) -> tuple[io.BytesIO, Counter]:
    """The file without its pictures, and how often a reader sees what is left out of it.

    Elements that hold text and are unknown to mammoth are counted with 0, to be told apart from those that hold none.
    """
    left_out, data = Counter(), io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        for name in opened.names:
            if name.endswith((".xml", ".rels")):
                zipped.writestr(name, _in_known_terms(name, opened.read(name), left_out))
    data.seek(0)
    return data, left_out


def _in_known_terms(name: str, part: bytes, left_out: Counter) -> bytes:
    from lxml import etree

    root = etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True))
    if root.getroottree().docinfo.doctype:
        raise Unreadable(f"broken, or not what its name says: {name} declares a type of document, which Word never does")
    story = _name(root)
    if story in BESIDE:
        left_out[BESIDE[story]] += _has_text(root)
    elif story == "comments":
        left_out["comment"] += sum(map(_has_text, root))
    elif story in STORIES:
        _rewrite(root, left_out)
        return etree.tostring(root)
    return part


def _rewrite(root, left_out: Counter) -> None:
    for element in _all(root, "AlternateContent"):
        _replace(element, max(element, key=lambda branch: (len("".join(_texts(branch))), _name(branch) == "Fallback"), default=()))
    for element in _all(root, "drawing"):
        _unbox(element, left_out)
    for element in _all(root, "moveFrom"):
        _replace(element, ())
    for element in _all(root, "rt"):
        _bracket(element)
    for element in _all(root, *WRAPPERS):
        _replace(element, element)
    for element in _all(root, *RENAMED):
        element.tag = _sibling(element, RENAMED[_name(element)])
    for element in _all(root, "vanish"):
        _hide(element, left_out)
    for element in _all(root, *ELSEWHERE):
        left_out[ELSEWHERE[_name(element)]] += 1
    left_out.update(dict.fromkeys((_name(above) for element in _all(root, "t") for above in element.iterancestors()), 0))


def _unbox(drawing, left_out: Counter) -> None:
    """The boxes of text in a drawing, as mammoth knows them; it leaves other text in one without a word."""
    boxes = [box for box in _all(drawing, "txbxContent") if not any(_name(above) == "txbxContent" for above in _between(box, drawing))]
    drawn = [text for text in _all(drawing, "t") if not any(_name(above) == "txbxContent" for above in _between(text, drawing))]
    left_out["drawing with text"] += bool(drawn)
    if boxes:
        picture = drawing.makeelement(_sibling(drawing, "pict"))
        picture.extend(boxes)
        drawing.getparent().replace(drawing, picture)


def _bracket(reading) -> None:
    """How a word is read stands above it; in a line of text it comes after it."""
    runs = []
    for bracket in "()":
        runs.append(reading.makeelement(_sibling(reading, "r")))
        text = reading.makeelement(_sibling(reading, "t"))
        text.text = bracket
        runs[-1].append(text)
    ruby = reading.getparent()
    ruby.extend([runs[0], *reading, runs[1]])
    ruby.remove(reading)


def _hide(mark, left_out: Counter) -> None:
    run = mark.getparent().getparent()
    if mark.get(_sibling(mark, "val"), "true") in ("true", "1", "on") and _name(run) == "r":
        left_out["hidden text"] += _has_text(run)
        _replace(run, ())


def _all(root, *names: str) -> list:
    return list(root.iter(*(f"{{*}}{name}" for name in names)))


def _between(element, outer) -> Iterator:
    return takewhile(lambda above: above is not outer, element.iterancestors())


def _texts(root) -> Iterator[str]:
    return (element.text or "" for element in _all(root, "t"))


def _has_text(root) -> bool:
    return any(text.strip() for text in _texts(root))


def _name(element) -> str:
    return element.tag.rpartition("}")[2]


def _sibling(element, name: str) -> str:
    """A name in the namespace of an element."""
    return element.tag.rpartition("}")[0] + "}" + name


def _replace(element, others) -> None:
    for other in list(others):
        element.addprevious(other)
    element.getparent().remove(element)
