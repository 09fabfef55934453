import json
from dataclasses import asdict, replace

import pytest
from test_sources import QUALITY, needs_quality, read

from closedbook.records import Document, Question
from closedbook.sources import Article
from closedbook.stages import documents
from closedbook.util import files

QUESTION = Question(id="q1", question="Who?", options=["a", "b", "c", "d"], gold=2, difficult=None)
ARTICLE = Article(id="lost-00000000", title="Lost", author="Larry M. Harris", year=1959, text="Once.", is_html=False, license="CC0-1.0", questions=[QUESTION])


def build(folder, article) -> tuple[bytes, bytes]:
    source, document, questions = folder / "source.json", folder / "document.json", folder / "questions.json"
    files.write_json(source, article.as_dict())
    documents.build(source=source, document=document, questions=questions)
    return document.read_bytes(), questions.read_bytes()


def plain(text, title="Lost") -> list[str]:
    return documents.plain_paragraphs(text, title)


def test_document_and_questions_are_written_apart(tmp_path):
    document, questions = build(tmp_path, ARTICLE)
    about = {"title": "Lost", "author": "Larry M. Harris", "year": 1959}
    assert Document.read(tmp_path / "document.json") == Document(id=ARTICLE.id, text="Once.", license="CC0-1.0", **about)
    assert b"Who?" not in document
    assert json.loads(questions) == [asdict(QUESTION) | {"document": ARTICLE.id, "seed": None} | about]


def test_a_document_without_questions_says_so(tmp_path):
    assert json.loads(build(tmp_path, replace(ARTICLE, questions=[]))[1]) == []


def test_hard_wraps_are_joined_and_spaces_collapsed():
    text = "LOST    IN    TRANSLATION \n\n   By \n\n   The cell had\n been put     together    . Then ... he\tslept , twice \n\n   "
    assert plain(text) == ["LOST IN TRANSLATION", "By", "The cell had been put together. Then ... he slept, twice"]


@pytest.mark.parametrize("text", ["Well . . . no.", "Wait ...", "a .5 share", "Who ? Me"])
def test_dots_that_are_no_full_stops_stay(text):
    assert plain(text) == [text]


def test_comments_are_no_text():
    assert plain("<!-- $Id: header\n\n 236 $ -->  \n\n   TIME") == ["TIME"]


def test_markdown_blocks_stand_alone():
    assert plain("# Valves\nOpen the\nvalve:\n- slowly,\n  always\n- fully\n\nThen") == [
        "# Valves", "Open the valve:", "- slowly, always", "- fully", "Then"
    ]
    assert plain("1. First\n2) Second\n| a | b |\n| 1 | 2 |\n\nIn the year\n1999. He left.") == [
        "1. First", "2) Second", "| a | b |", "| 1 | 2 |", "In the year 1999. He left."
    ]


def test_without_blank_lines_a_sentence_that_leaves_room_ends_a_paragraph():
    text = ("Lost\nOne of the few\nwords that are known to every reader of it is the\none that nobody has ever said aloud to others.\n"
            "It is a\nshort one, known to us for years.\nYes.\nBut then again nobody has ever asked about it.")
    assert plain(text) == [
        "Lost",
        "One of the few words that are known to every reader of it is the one that nobody has ever said aloud to others.",
        "It is a short one, known to us for years.",
        "Yes.",
        "But then again nobody has ever asked about it.",
    ]


def test_tags_become_text_and_paragraphs_stay():
    html = """<!DOCTYPE html><html><head><title>T</title><style>p {}</style></head><h1>
      LOST &amp; FOUND</h1><p>By <i>
      Larry</i>
      , who<br/>wrote</p><hr class="tb"/><p>First.<p>Second.<br/> <br/>Third.</p><ul><li>a</li><li>b</li></ul>
      loose<script>x()</script><!-- no --><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table></html>"""
    paragraphs = ["LOST & FOUND", "By Larry, who wrote", "First.", "Second.", "Third.", "a", "b", "loose", "1 2", "3"]
    assert documents.html_paragraphs(html) == paragraphs


def test_an_empty_article_is_caught(tmp_path):
    with pytest.raises(AssertionError, match="without text"):
        build(tmp_path, replace(ARTICLE, text="<p>&nbsp;</p>", is_html=True))


@pytest.mark.parametrize("text", ["Two\nlines.\n\nOne more.", "No blank line.\nBut two\nlines.", "<p>Two\nlines.</p><p>One  more.</p>"])
def test_white_space_changes_nothing_but_the_article(tmp_path, text):
    article = replace(ARTICLE, text=text, is_html="<p>" in text)
    spaced = text.replace(" ", " \t  ").replace("\n", "  \r\n  ").replace("\r\n  \r\n", "\r\n \r\n\r\n")
    assert spaced != text and build(tmp_path, replace(article, text=f"\n\n {spaced} \n")) == build(tmp_path, article)


@needs_quality
@pytest.mark.parametrize("name", ["QuALITY.sample.htmlstripped.dev", "QuALITY.sample.html.dev"])
def test_real_articles_become_clean_paragraphs(tmp_path, name):
    for article in read(QUALITY / name):
        built = build(tmp_path, article)
        paragraphs = Document.read(tmp_path / "document.json").text.split("\n\n")
        assert all(paragraph == " ".join(paragraph.split()) for paragraph in paragraphs)
        assert len(paragraphs) > 15 and max(map(len, paragraphs)) < 5000 and not any("<" in paragraph for paragraph in paragraphs)
        assert len(json.loads(built[1])) == len(article.questions) > 0
        assert build(tmp_path, replace(article, text=article.text.replace(" ", "   ") + "\n")) == built


@needs_quality
def test_a_real_html_article_keeps_each_paragraph(tmp_path):
    article, = read(QUALITY / "QuALITY.sample.html.dev")
    assert len(documents.html_paragraphs(article.text)) == article.text.count("<p") + article.text.count("<h1")
