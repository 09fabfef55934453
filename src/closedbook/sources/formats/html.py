"""HTML files. Their paragraphs are found by the documents step, as those of HTML in QuALITY's rows."""

import re

from closedbook.sources.formats.converted import Converted, Unreadable


def convert(data: bytes) -> Converted:
    from bs4 import BeautifulSoup

    text = decoded(data)
    soup = BeautifulSoup(text, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    author = soup.find("meta", attrs={"name": re.compile(r"^(author|dc(terms)?\.creator)$", re.IGNORECASE), "content": True})
    license = soup.find("link", rel="license", href=True)
    return Converted(title=title or first_heading(text), author=author["content"] if author else None,
                     license=license["href"] if license else None, text=text, is_html=True)


def first_heading(text: str) -> str | None:
    from bs4 import BeautifulSoup, SoupStrainer

    heading = BeautifulSoup(text, "html.parser", parse_only=SoupStrainer("h1")).h1
    return (heading.get_text(" ", strip=True) or None) if heading else None


def decoded(data: bytes) -> str:
    """By its byte order mark, else by the encoding that it declares, else as UTF-8: nothing is guessed."""
    from bs4.dammit import EncodingDetector

    data, marked = EncodingDetector.strip_byte_order_mark(data)
    encoding = marked or EncodingDetector.find_declared_encoding(data, is_html=True, search_entire_document=False) or "utf-8"
    try:
        return data.decode(encoding)
    except LookupError:
        raise Unreadable(f"declares the encoding {encoding!r}, which nobody knows: declare the right one, or save it as UTF-8") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start}: not {encoding}: declare its encoding (<meta charset>), or save it as UTF-8") from None
