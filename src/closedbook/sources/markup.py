"""What a browser shows of HTML: its paragraphs, and what the page says of itself.

The parser (libxml2's) hands over tags and text as it reads, so time and memory grow with the length of a page alone, however deep it
is; but each end tag that ends nothing is looked for in all elements that are open.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from closedbook.util import units

BLOCKS = frozenset("""
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure footer form h1 h2 h3 h4
    h5 h6 header hgroup hr legend li listing main menu nav ol optgroup option p plaintext pre search section summary table tr ul xmp
""".split())
UNSEEN = frozenset("audio canvas datalist iframe noembed noframes noscript object rp script style template title video".split())
"""elements whose text no browser shows"""
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
"""elements that hold nothing, wherever the parser has them end"""
PASSED_OVER = frozenset({"button", "nav", "select", "svg"})
"""elements that a browser shows and that hold no text to read; a page's own footer is another"""
PARTS = frozenset({"article", "aside", "blockquote", "details", "dialog", "fieldset", "figure", "section", "td"})
"""elements whose footer is theirs, and not the page's"""
INVISIBLE = re.compile(r"display\s*:\s*none", re.IGNORECASE)
PARAGRAPH, LINE = "\u2029", "\u2028"  # Unicode's own separators
END_OF_PARAGRAPH = re.compile(rf"{PARAGRAPH}|{LINE}\s*{LINE}")
AUTHOR = re.compile(r"author|dc(terms)?\.creator", re.IGNORECASE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass
class Page:
    """A page as it is read; a target of lxml's parsers."""

    title: str = ""
    heading: str = ""
    """its first h1"""
    author: str | None = None
    license: str | None = None
    """the address of it"""
    charset: str | None = None
    passed_over: Counter = field(default_factory=Counter)
    """how many words stand in elements that hold no text to read"""
    _parts: list[str] = field(default_factory=list)
    _unseen: int = 0
    """how many elements deep in one that is not shown"""
    _open: list[tuple[str, int]] = field(default_factory=list)
    """elements whose text is none of the paragraphs', and where in the parts it begins"""
    _parts_open: int = 0
    """elements that are open and have footers of their own"""
    _first: int | None = None
    """where the text of an open h1 begins"""

    @property
    def paragraphs(self) -> list[str]:
        """Texts of the block elements; two line breaks in a row end a paragraph too, as in QuALITY's own html-stripped files."""
        texts = (" ".join(units.unwrapped(text).split()) for text in END_OF_PARAGRAPH.split("".join(self._parts)))
        return [text for text in texts if text]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "title" and not (self.title or self._open or self._unseen):
            self._open.append((tag, len(self._parts)))
        elif self._unseen or tag in UNSEEN or "hidden" in attributes or INVISIBLE.search(attributes.get("style") or ""):
            self._unseen += tag not in VOID
            return
        self._noted(tag, {name: value or "" for name, value in attributes.items()})
        if tag in BLOCKS:
            self._parts.append(PARAGRAPH)
        if tag == "button":
            self._parts.append(" ")
        if tag in PASSED_OVER or (tag == "footer" and (not self._parts_open or self._open)):
            self._open.append((tag, len(self._parts)))
        self._parts_open += tag in PARTS
        if tag == "h1" and not self.heading and self._first is None:
            self._first = len(self._parts)
        if tag == "rt":
            self._parts.append("(")

    def end(self, tag: str) -> None:
        if self._unseen:
            self._unseen -= tag not in VOID
            return
        self._parts_open -= tag in PARTS
        if self._open and self._open[-1][0] == tag:
            self._closed(*self._open.pop())
        if tag == "h1" and self._first is not None:
            self.heading, self._first = " ".join("".join(self._parts[self._first :]).split()), None
        if tag == "rt":
            self._parts.append(")")
        if tag in BLOCKS:
            self._parts.append(PARAGRAPH)
        if tag in ("br", "td", "th"):
            self._parts.append(LINE)

    def data(self, text: str) -> None:
        if not self._unseen:
            self._parts.append(text)

    def close(self) -> "Page":
        return self

    def _noted(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "meta":
            content = attributes.get("content", "")
            declared = re.search(r"charset\s*=\s*[\"']?\s*([^\s\"';]+)", content) if "http-equiv" in attributes else None
            self.charset = self.charset or attributes.get("charset") or (declared and declared[1])
            if AUTHOR.fullmatch(attributes.get("name", "")):
                self.author = self.author or content or None
        elif tag == "link" and "license" in attributes.get("rel", "").lower().split():
            self.license = self.license or attributes.get("href") or None

    def _closed(self, tag: str, begin: int) -> None:
        """A button that holds a block was never closed where it should have been: what follows it is text to read."""
        inside = self._parts[begin:]
        words = "".join(inside).split()
        if tag == "title":
            self.title = " ".join(words)
            del self._parts[begin:]
        elif tag != "button" or PARAGRAPH not in inside:
            self.passed_over[tag] += len(words)
            del self._parts[begin:]


def read(html: str) -> Page:
    from lxml.etree import HTMLParser

    parser = HTMLParser(target=Page(), encoding="utf-8", huge_tree=True)
    parser.feed(html.replace("\0", "").encode("utf-8"))
    return parser.close()


def without_comments(text: str) -> str:
    """One that is never closed is none. Only what stands before the last end of one is searched, lest each beginning look for its own."""
    end = text.rfind("-->") + len("-->") if "-->" in text else 0
    return COMMENT.sub("", text[:end]) + text[end:]
