"""Documents from PDF, HTML, EPUB and DOCX: what becomes text, what is left out and said, and what can't be read."""

import socket
from pathlib import Path

import pytest
from made_files import DOWNWARDS, LOCKED, UPSIDE_DOWN, UPWARDS, WORD, docx, epub, paragraph, pdf
from toys import MINIATURE

from closedbook import params, sources
from closedbook.records import Document
from closedbook.sources import formats
from closedbook.stages import documents
from closedbook.util import files
from closedbook.util.errors import UserError


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder of its own to keep conversions in, these made in this process (test_bounds has the other), and no way out of the machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(formats.conversion, "convert_apart", formats.convert)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a converter wanted to reach the network"))


def read(**contents: bytes) -> list[sources.Article]:
    """Articles of files by name, "_" in a name for its dot."""
    for name, data in contents.items():
        path = Path("texts", name.replace("_", "."))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return sources.articles(params.Documents(source="folder", path="texts", limit=None), MINIATURE, seed=1, run_seeds=[1])


def paragraphs(article: sources.Article) -> list[str]:
    files.write_json("source.json", article.as_dict())
    documents.build(source=Path("source.json"), document=Path("document.json"), questions=Path("questions.json"))
    return Document.read(Path("document.json")).text.split("\n\n")


def error_of(**contents: bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(**contents)
    return str(caught.value)


def lines(*texts: str, top: int = 500, left: int = 40) -> list[tuple[int, int, str]]:
    return [(left, top - 12 * number, text) for number, text in enumerate(texts)]


# PDF


def test_a_pdfs_lines_become_paragraphs_and_its_fields_title_and_author():
    first = lines("Mira Oldan kept the lamp of Varn for", "forty years and no ship was lost.") + [(52, 476, "Then the lamp went out, and the")]
    second = lines("council of Varn met. A short end.", "The next one begins after room.", top=500)
    (article,) = read(a_pdf=pdf(first, second, info="/Title (The Lamp) /Author (Lee, Ann) /CreationDate (D:20010101)"))
    assert (article.title, article.author, article.year) == ("The Lamp", "Ann Lee", None)
    assert paragraphs(article) == [
        "Mira Oldan kept the lamp of Varn for forty years and no ship was lost.",
        "Then the lamp went out, and the council of Varn met. A short end. The next one begins after room.",
    ]


@pytest.mark.parametrize("title", ["Microsoft Word - lamp.doc", "lamp.indd", "untitled", ""])
def test_what_programs_write_for_a_title_is_none(title):
    assert read(lamp_pdf=pdf(lines("Text."), info=f"/Title ({title})"))[0].title == "lamp"


def test_page_numbers_and_running_heads_go_and_other_numbers_stay(caplog):
    pages = [[(40, 570, "The Lamp"), (40, 500, f"Line {word} of the text."), (200, 20, f"- {12 + number} -")]
             for number, word in enumerate(["one", "two", "three", "four"])]
    pages[1].append((40, 400, "1931"))
    text = " ".join(paragraphs(*read(a_pdf=pdf(*pages))))
    assert text == "Line one of the text. Line two of the text. 1931 Line three of the text. Line four of the text."
    assert "8 page numbers and running heads" in caplog.text


def test_on_two_pages_nothing_is_sure_to_be_a_running_head():
    text = " ".join(paragraphs(*read(a_pdf=pdf([(40, 500, "Refrain."), (40, 300, "One.")], [(40, 500, "Refrain."), (40, 300, "Two.")]))))
    assert text == "Refrain. One. Refrain. Two."


def test_words_cut_at_a_lines_end_are_whole_again_only_where_that_is_sure():
    text = " ".join(paragraphs(*read(a_pdf=pdf(lines(
        "The council of Varn had a light-", "house that was well-", "known, and a keeper of infor-", "mation; a well of oil was known there, and",
        "the lighthouse stood. Post-", "Varn came later. A semi-", "colon and a colon.")))))
    assert "a lighthouse that" in text and "of information; a" in text, "the document has it elsewhere; or has neither half"
    assert "was well-known, and" in text and "Post-Varn" not in text and "A semi-colon" in text, "may be a hyphen of its own"


def test_a_scan_a_locked_and_a_broken_file_are_all_named_at_once():
    message = error_of(a_pdf=pdf([], []), b_pdf=pdf(lines("Text."), trailer=LOCKED), c_pdf=b"%PDF-1.4 and then nothing", d_txt=b"text")
    assert "texts/a.pdf: no text on any of its 2 pages: a scan needs OCR" in message
    assert "texts/b.pdf: encrypted" in message and "texts/c.pdf: broken" in message and "3 of 4 files" in message


def test_a_page_without_text_is_said(caplog):
    read(a_pdf=pdf(lines("Text."), [], lines("More text.")))
    assert "page 2: no text there" in caplog.text


@pytest.mark.parametrize(("way", "place"), [
    (UPWARDS, lambda number: (60 + 12 * number, 40)),
    (UPSIDE_DOWN, lambda number: (380, 60 + 12 * number)),
    (DOWNWARDS, lambda number: (300 - 12 * number, 560)),
])
def test_a_page_that_lies_on_its_side_is_read(way, place, caplog):
    sideways = [(*place(number), text, way) for number, text in enumerate(["The lamp at Hest burned for nine", "winters, and no ship was lost."])]
    upright = lines("The page before stands upright.")
    assert paragraphs(*read(a_pdf=pdf(upright, sideways))) == [
        "The page before stands upright.", "The lamp at Hest burned for nine winters, and no ship was lost."]
    assert "left out" not in caplog.text


def test_a_stamp_at_a_pages_edge_is_left_out_and_said(caplog):
    stamp = (15, 100, "arXiv 2409", UPWARDS)
    assert paragraphs(*read(a_pdf=pdf([*lines("The lamp at Hest burned for nine winters."), stamp]))) == ["The lamp at Hest burned for nine winters."]
    assert "9 letters that stand in figures, or at an angle" in caplog.text


def test_letters_from_right_to_left_are_never_learnt_in_the_order_of_the_page(caplog):
    hebrew = "המגדלור של וארן"
    message = error_of(a_pdf=pdf(lines(hebrew[::-1])))
    assert "a.pdf: 3 words of a script that is read from right to left" in message and "DOCX, HTML or text" in message
    Path("texts/a.pdf").unlink()
    assert paragraphs(*read(b_pdf=pdf(lines(*["Forty years of the lamp of Varn and its keeper."] * 3, "One word: תג.")))) == [
        " ".join(["Forty years of the lamp of Varn and its keeper."] * 3 + ["One word:."])]
    assert "1 words that are read from right to left" in caplog.text


@pytest.mark.parametrize(("title", "read_as"), [
    (b"\xef\xbb\xbfM\xc3\xbcller \xe2\x80\x93 Tarn", "Müller – Tarn"),
    ("Müller – Tarn".encode(), "Müller – Tarn"),
    (b"\xfe\xff" + "Müller".encode("utf-16-be"), "Müller"),
    (b"M\xfcller", "Müller"),
])
def test_a_pdfs_title_in_any_of_its_encodings(title, read_as):
    assert read(a_pdf=pdf(lines("Text."), info=f"/Title <{title.hex()}>"))[0].title == read_as


# DOCX


def test_docx_keeps_paragraphs_and_accepted_changes_and_runs_nothing(caplog):
    body = paragraph("The lamp of Varn.") + (
        '<w:p><w:ins><w:r><w:t>Kept.</w:t></w:r></w:ins><w:del><w:r><w:delText>Struck.</w:delText></w:r></w:del></w:p>'
        '<w:p><m:oMath><m:r><m:t>x</m:t></m:r></m:oMath><w:r><w:t>A formula.</w:t></w:r></w:p>')
    (article,) = read(a_docx=docx(body, "<dc:title>The Lamp</dc:title><dc:creator>Ann Lee</dc:creator>", word__vbaProject="Sub AutoOpen()"))
    assert (article.title, article.author) == ("The Lamp", "Ann Lee")
    assert paragraphs(article) == ["The lamp of Varn.", "Kept.", "A formula."]
    assert "1 × oMath" in caplog.text


def test_docx_without_a_title_is_called_after_its_heading_or_its_name():
    heading = '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>A Heading</w:t></w:r></w:p>'
    styles = f'<w:styles xmlns:w="{WORD}"><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style></w:styles>'
    with_heading, without = read(a_docx=docx(heading + paragraph("Text."), word__styles__xml=styles), b_docx=docx(paragraph("Text.")))
    assert (with_heading.title, without.title) == ("A Heading", "b")


def test_docx_takes_nothing_from_other_files_or_from_entities():
    secret = Path("secret.txt")
    secret.write_text("a secret")
    document = f'<!DOCTYPE d [<!ENTITY s SYSTEM "{secret.resolve().as_uri()}">]><w:document xmlns:w="{WORD}"><w:body>{paragraph("&s;Text.")}</w:body></w:document>'
    try:
        assert "secret" not in read(a_docx=docx("", word__document__xml=document))[0].text
    except UserError as problem:
        assert "a.docx: broken" in str(problem)


@pytest.mark.parametrize(("data", "why"), [
    (b"PK\x03\x04 cut off", "broken"),
    (b"\xd0\xcf\x11\xe0 old", "locked by a password, or in Word's old format"),
    (docx("").replace(b"word/document.xml", b"word/nothing__.xml"), "broken"),
    (docx(""), "no text in it"),
])
def test_a_docx_that_gives_no_text(data, why):
    assert error_of(a_docx=data).startswith("texts/a.docx: ") and why in error_of(a_docx=data)


def kept_of(body: str, **parts: str) -> list[str]:
    return paragraphs(*read(a_docx=docx(body, **parts)))


RUN = "<w:r><w:t>{}</w:t></w:r>"
BOX = f"<w:txbxContent>{paragraph('In a box.')}</w:txbxContent>"


@pytest.mark.parametrize(("inside", "found"), [
    (f"<w:moveFrom w:id='1'>{RUN}</w:moveFrom>".format("Gone. ") + f"<w:moveTo w:id='2'>{RUN}</w:moveTo>".format("Here now."), ["Here now."]),
    (f"<w:r><w:ruby><w:rubyPr/><w:rt>{RUN}</w:rt><w:rubyBase>{RUN}</w:rubyBase></w:ruby></w:r>".format("kan", "漢"), ["漢(kan)"]),
    (f"<w:customXml>{RUN}</w:customXml>".format("Custom."), ["Custom."]),
    (f"<w:fldSimple w:instr='DATE'>{RUN}</w:fldSimple><w:bdo>{RUN}</w:bdo>".format("A field.", " Turned."), ["A field. Turned."]),
    ("<w:r><w:t>a</w:t><w:cr/><w:t>b</w:t><w:ptab/><w:t>c</w:t></w:r>", ["a b c"]),
    ("<w:r><w:t>Seen.</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>Hidden.</w:t></w:r>", ["Seen."]),
    ("<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>Seen.</w:t></w:r>", ["Seen."]),
    (f"<w:r><w:drawing><x:wsp>{BOX}</x:wsp></w:drawing></w:r>", ["In a box."]),
    (f"<w:r><mc:AlternateContent><mc:Choice><w:drawing>{BOX}</w:drawing></mc:Choice></mc:AlternateContent></w:r>", ["In a box."]),
    (f"<w:r><mc:AlternateContent><mc:Choice><w:drawing>{BOX}</w:drawing></mc:Choice><mc:Fallback><w:pict>{BOX}</w:pict></mc:Fallback>"
     "</mc:AlternateContent></w:r>", ["In a box."]),
])
def test_docx_keeps_what_a_reader_sees(inside, found):
    spaces = 'xmlns:x="urn:x" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    assert kept_of(f"<w:p {spaces}>{inside}</w:p>") == found


@pytest.mark.parametrize(("inside", "said"), [
    ("<w:altChunk/>", "1 × embedded documents (altChunk)"),
    ("<w:p><w:r><w:drawing><x:relIds/></w:drawing><w:drawing><x:chart/></w:drawing></w:r></w:p>", "1 × charts; 1 × diagrams"),
    ("<w:p><w:r><w:drawing><x:t>On a canvas.</x:t></w:drawing></w:r></w:p>", "1 × drawing with text"),
    ("<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>Hidden.</w:t></w:r></w:p>", "1 × hidden text"),
    ("<w:p><w:r><w:sym w:font='Nobody' w:char='F04A'/></w:r></w:p>", "1 × w:sym"),
    ("<w:p><x:unheard><w:r><w:t>Of.</w:t></w:r></x:unheard></w:p>", "1 × unheard"),
])
def test_docx_says_what_it_leaves_out(inside, said, caplog):
    assert kept_of(paragraph("Text.") + f'<w:customXml xmlns:x="urn:x">{inside}</w:customXml>') == ["Text."]
    assert f"left out: {said}" in caplog.text


def test_docx_says_nothing_of_marks_that_hold_no_text_and_counts_headers_and_comments(caplog):
    kept_of(paragraph("Text.") + "<w:moveFromRangeStart/><w:permStart/>")
    assert "left out" not in caplog.text
    head, notes = (f'<w:{name} xmlns:w="{WORD}">{{}}</w:{name}>' for name in ("hdr", "comments"))
    kept_of(paragraph("Text."), word__header1__xml=head.format(paragraph("Head")), word__header2__xml=head.format("<w:p/>"),
            word__comments__xml=notes.format(f"<w:comment w:id='1'>{paragraph('No.')}</w:comment><w:comment w:id='2'>{paragraph('Yes.')}</w:comment>"))
    assert "left out: 2 × comment; 1 × header" in caplog.text


# EPUB


def test_an_epub_is_read_in_its_own_order_without_its_contents():
    about = "<dc:title>The Lamp</dc:title><dc:creator>Lee, Ann</dc:creator><dc:creator>Poe, Cy</dc:creator><dc:rights>CC BY 4.0</dc:rights><dc:date>2001</dc:date>"
    (article,) = read(a_epub=epub("<h1>One</h1><p>The lamp<br/>of Varn.</p>", "<p>The end.</p><img src='http://127.0.0.1/x.png'/>", about=about))
    assert (article.title, article.author, article.license, article.year) == ("The Lamp", "Ann Lee and Cy Poe", "CC BY 4.0", None)
    assert paragraphs(article) == ["One", "The lamp of Varn.", "The end."]


def test_a_protected_and_an_incomplete_epub(caplog):
    locked = '<encryption><x:CipherReference xmlns:x="urn:x" URI="OEBPS/c0.xhtml"/></encryption>'
    assert "a.epub: encrypted (1 of 1 parts)" in error_of(a_epub=epub("<p>x</p>", META__INF="", **{"META-INF__encryption.xml": locked}))
    read(a_epub=epub("<p>Text.</p>", "<p>Gone.</p>").replace(b"OEBPS/c1.xhtml", b"OEBPS/c9.xhtml"))
    assert "1 parts that it names and does not hold" in caplog.text


def test_an_epub_whose_archive_writes_names_in_another_case():
    data = epub("<p>Text.</p>").replace(b"OEBPS/c0.xhtml", b"oebps/C0.XHTML").replace(b"META-INF/", b"Meta-Inf/")
    assert paragraphs(*read(a_epub=data)) == ["Text."]


def test_chapters_without_head_and_empty_elements():
    whole = "<html xmlns='http://www.w3.org/1999/xhtml'><body><p>The <a id='x'/>lamp<![CDATA[ < 3 ]]>&nbsp;lit.</p></body></html>"
    cut = "<html><head><title>Two</title><p>The end."
    read_as = paragraphs(*read(a_epub=epub("", "", **{"OEBPS__c0.xhtml": whole, "OEBPS__c1.xhtml": cut})))
    assert read_as == ["The lamp < 3 lit.", "The end."]


def test_pages_of_an_epub_that_are_pictures_are_said(caplog):
    package = ('<package><manifest><item id="a" href="c0.xhtml"/><item id="b" href="map.png" media-type="image/png"/></manifest>'
               '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>')
    assert paragraphs(*read(a_epub=epub("<p>Text.</p>", **{"OEBPS__book.opf": package, "OEBPS__map.png": "PNG"}))) == ["Text."]
    assert "1 pages that are pictures" in caplog.text


def test_an_epub_with_a_bomb_of_entities_is_broken():
    bomb = '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><package>&b;</package>'
    assert "a.epub: broken" in error_of(a_epub=epub("<p>x</p>", **{"OEBPS__book.opf": bomb}))


# HTML


def test_html_keeps_what_is_read_and_leaves_menus_and_scripts():
    page = """<html><head><title>The  Lamp</title><meta name="author" content="Ann Lee"><link rel="license" href="https://example.org/by">
        <script>document.write('no')</script></head><body><nav>Home</nav><p>The <b>lamp</b> of Varn.<img src="http://127.0.0.1/x.png" alt="no"></p></body></html>"""
    (article,) = read(a_html=page.encode())
    assert (article.title, article.author, article.license) == ("The Lamp", "Ann Lee", "https://example.org/by")
    assert paragraphs(article) == ["The lamp of Varn."]


@pytest.mark.parametrize(("data", "text"), [
    ("<p>Müller</p>".encode(), "Müller"),
    ("<p>Müller</p>".encode("utf-16"), "Müller"),
    ("\ufeff<meta charset=latin1><p>Müller</p>".encode(), "Müller"),
    ("<meta charset=latin1><p>Müller’s “lamp” – 40 €</p>".encode("cp1252"), "Müller’s “lamp” – 40 €"),
    ("<meta http-equiv=Content-Type content='text/html; charset=ISO-8859-1'><p>“lamp”</p>".encode("cp1252"), "“lamp”"),
    ("<?xml version='1.0' encoding='us-ascii'?><p>“lamp”</p>".encode("cp1252"), "“lamp”"),
    ("<meta charset=shift_jis><p>①㈱</p>".encode("cp932"), "①㈱"),
    ("<meta charset=gb2312><p>灯塔，囍</p>".encode("gb18030"), "灯塔，囍"),
    ("<meta charset=utf-16><p>Müller</p>".encode(), "Müller"),
    ("<meta charset=klingon><p>Müller</p>".encode(), "Müller"),
    ("<!-- <meta charset=koi8-r> --><script>'<meta charset=koi8-r>'</script><meta charset=utf-8><p>Müller</p>".encode(), "Müller"),
])
def test_html_is_decoded_as_browsers_do(data, text):
    assert paragraphs(*read(a_htm=data)) == [text]


def test_html_of_an_unsaid_or_wrong_encoding_is_not_guessed():
    message = error_of(a_html="<p>Müller</p>".encode("latin-1"), b_html="<meta charset=klingon><p>Müller</p>".encode("latin-1"), c_html=b"<p> </p>",
                       d_html="<meta charset=utf-8><p>Müller".encode("latin-1"), e_html="<p>Text</p>".encode("utf-16-le"))
    assert "a.html: byte 4: not utf-8: declare its encoding" in message and "b.html: byte 26: not utf-8 (it declares 'klingon'" in message
    assert "c.html: no text in it" in message and "d.html: byte 24: not utf-8" in message and "5 of 5 files" in message
    assert "e.html: every other character is a NUL" in message


def test_html_says_what_it_passes_over(caplog):
    assert paragraphs(*read(a_html=b"<nav>Home page</nav><p>Text.<button>Buy</button><select><option>One</select>")) == ["Text."]
    assert "left out: 1 words of button; 2 words of nav; 1 words of select" in caplog.text


@pytest.mark.parametrize(("page", "text", "said"), [
    ("<p>Text.</p><footer>Imprint <p>and more</p></footer><p>End.</p>", ["Text.", "End."], "left out: 3 words of footer"),
    ("<main><p>Text.</p></main><div><footer>Imprint</footer></div>", ["Text."], "left out: 1 words of footer"),
    ("<blockquote><p>Text.</p><footer>Ann Lee</footer></blockquote>", ["Text.", "Ann Lee"], None),
    ("<article><p>Text.</p><footer>Notes</footer></article><footer>Imprint</footer>", ["Text.", "Notes"], "left out: 1 words of footer"),
    ("<footer><article>About<footer>us</footer></article> here</footer><p>Text.</p>", ["Text."], "words of footer"),
])
def test_a_pages_footer_is_left_out_and_that_of_a_part_is_read(page, text, said, caplog):
    assert paragraphs(*read(a_html=page.encode())) == text
    assert (said in caplog.text) if said else "left out" not in caplog.text


def test_an_xhtml_file_may_hold_empty_elements_and_text_without_markup():
    page = b"<html><head><title/><script src='x'/></head><body><div/><p>Text: <![CDATA[a < b]]>.</p></body></html>"
    assert paragraphs(*read(a_xhtml=page)) == ["Text: a < b."]


def test_what_a_page_shows_of_markup_is_text():
    assert paragraphs(*read(a_html=b"<p>Write &lt;!-- so --&gt; or &lt;b&gt;, AT&amp;amp;T.</p>")) == ["Write <!-- so --> or <b>, AT&amp;T."]


@pytest.mark.parametrize(("name", "data"), [
    ("a_html", b"<meta charset=latin1><title>The \x1b[31mLamp\x07</title><p>Te\x01xt &#x7f;here."),
    ("a_pdf", pdf(lines("Text here."), info="/Title (The \x1b[31mLamp\x07)")),
])
def test_control_characters_never_leave_a_converter(name, data):
    (article,) = read(**{name: data})
    assert article.title == "The Lamp" and paragraphs(article) == ["Text here."]


# what is kept


def test_a_file_is_converted_once_until_its_bytes_or_the_converter_change(monkeypatch, capsys):
    def converted(text):
        read(a_pdf=pdf(lines(text)))
        return "a.pdf: converted" in capsys.readouterr().err

    assert [converted("One."), converted("One."), converted("Two."), converted("Two.")] == [True, False, True, False]
    monkeypatch.setattr(formats, "installed", lambda library: "another")
    assert converted("Two.") and not converted("Two.")


def test_what_left_the_folder_is_not_held_on_to():
    read(a_pdf=pdf(lines("One.")), b_pdf=pdf(lines("Two.")))
    Path("texts/b.pdf").unlink()
    (article,) = read()
    assert [path.stem for path in formats.KEPT.iterdir()] == [article.id]


def test_same_bytes_same_text():
    data = pdf(*[lines("The lamp of Varn was a light-", "house. So it is said.", top=500 - 5 * number) for number in range(4)])
    assert formats.pdf.convert(data) == formats.pdf.convert(data)


def test_the_order_of_a_page_does_not_depend_on_where_in_memory_its_boxes_lie(monkeypatch):
    """At equal distances pdfminer orders boxes by `id`; the fuzz found it."""
    from pdfminer import layout

    data, texts = pdf([(4 * 10**49, 500, "Mira Oldan kept the lamp of Varn for"), *lines("forty years.")]), []
    for sign in (1, -1):
        monkeypatch.setattr(layout, "id", lambda item, sign=sign: sign * id(item), raising=False)
        texts.append(formats.pdf.convert(data).text)
    assert texts[0] == texts[1]


def test_without_the_extra_the_command_is_named(monkeypatch):
    monkeypatch.setattr(formats, "installed", missing)
    message = error_of(a_docx=docx(paragraph("Text.")))
    assert "a.docx: .docx files are read by mammoth, which is not installed: pip install --editable '.[formats]'" in message


def missing(library):
    raise ModuleNotFoundError(library)


def test_questions_about_a_converted_file():
    rows = b'{"document": "a.pdf", "question_unique_id": "q", "question": "Who?", "options": ["a", "b", "c", "d"], "gold_label": 1}'
    (article,) = read(a_pdf=pdf(lines("Text.")), questions_jsonl=rows)
    assert [question.id for question in article.questions] == ["q"]
