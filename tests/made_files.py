"""Files in other formats, as small as they come, made on the spot."""

import io
import zipfile

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
LOCKED = "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + "ab" * 32 + "> /U <" + "cd" * 32 + "> >> /ID [<01> <01>]"


TO_UNICODE = ("begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange "
              "2 beginbfrange <0020> <007e> <0020> <05d0> <05ea> <05d0> endbfrange endcmap")
UPWARDS, UPSIDE_DOWN, DOWNWARDS = "0 1 -1 0", "-1 0 0 -1", "0 -1 1 0"
"""which way a line of a page runs"""
BOLD = "/F3"
HEAVY = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>"


def pdf(*pages: list[tuple], info: str = "", trailer: str = "") -> bytes:
    """Pages of lines (points from the left, from the bottom, text, and where it is another one the size, BOLD, or which way it runs) in 10 point
    Helvetica, or where that lacks a letter in a font without pictures; `info`: /Title (…) /Author (…)."""
    kids = " ".join(f"{8 + 2 * number} 0 R" for number in range(len(pages)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>", f"<< {info} >>",
               "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [6 0 R] /ToUnicode 7 0 R >>",
               "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /DW 600 "
               "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor << /FontBBox [0 0 1000 1000] >> >>",
               f"<< /Length {len(TO_UNICODE)} >>\nstream\n{TO_UNICODE}\nendstream"]
    for number, page in enumerate(pages):
        drawn = "\n".join(_drawn(*line) for line in page)
        objects += [f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 600] /Resources << /Font << /F1 3 0 R /F2 5 0 R {BOLD} {HEAVY} >> >> "
                    f"/Contents {9 + 2 * number} 0 R >>",
                    f"<< /Length {len(drawn.encode('cp1252'))} >>\nstream\n{drawn}\nendstream"]
    text, places = "%PDF-1.4\n", []
    for number, item in enumerate(objects, start=1):
        places.append(len(text.encode("cp1252")))
        text += f"{number} 0 obj\n{item}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start = len(text.encode("cp1252"))
    text += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R {trailer} >>\n"
    return (text + f"startxref\n{start}\n%%EOF\n").encode("cp1252")


def _drawn(x: float, y: float, text: str, *how: float | str) -> str:
    font, string = _set(text)
    size = next((each for each in how if isinstance(each, (int, float))), 10)
    way = next((each for each in how if isinstance(each, str) and each != BOLD), "1 0 0 1")
    return f"BT {BOLD if BOLD in how else font} {size} Tf {way} {x} {y} Tm {string} Tj ET"


def _set(text: str) -> tuple[str, str]:
    """A font that has the letters, and the text as a string for it."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return "/F2", f"<{text.encode('utf-16-be').hex()}>"
    return "/F1", "(" + text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") + ")"


def docx(body: str, core: str = "", **parts: str) -> bytes:
    """`body`: what stands in w:body; `core`: what stands in the core properties; `parts`: more files, / in their names written as __, .xml as __xml."""
    document = f'<w:document xmlns:w="{WORD}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><w:body>{body}</w:body></w:document>'
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    return archive({
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                       f'<Relationship Id="a" Type="{relation}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": document,
        "docProps/core.xml": f'<c:coreProperties xmlns:c="urn:c" xmlns:dc="http://purl.org/dc/elements/1.1/">{core}</c:coreProperties>',
        **{_name(name): text for name, text in parts.items()},
    })  # fmt: skip


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def epub(*chapters: str, about: str = "", **parts: str) -> bytes:
    """`chapters`: what stands in their bodies; `about`: the package's metadata."""
    names = [f"c{number}.xhtml" for number in range(len(chapters))]
    items = "".join(f'<item id="{name}" href="{name}"/>' for name in names) + '<item id="toc" href="toc.xhtml" properties="nav"/>'
    spine = "".join(f'<itemref idref="{name}"/>' for name in ["toc", *names])
    return archive({
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
                                  '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
                          f"<metadata>{about}</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>",
        "OEBPS/toc.xhtml": "<html><body><nav>Contents</nav></body></html>",
        **{f"OEBPS/{name}": f"<?xml version='1.0'?><html><head><title/></head><body>{text}</body></html>" for name, text in zip(names, chapters)},
        **{_name(name): text for name, text in parts.items()},
    })  # fmt: skip


def _name(word: str) -> str:
    return word.replace("__xml", ".xml").replace("__", "/")


def archive(parts: dict[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        for name, text in parts.items():
            zipped.writestr(name, text)
    return data.getvalue()
