"""Invisible characters are no text: taken out wherever texts come in, but where a script needs it."""

import pytest
from test_sources import folder, question, read, row, write

from closedbook.sources.cleaning import clean
from closedbook.stages import documents
from closedbook.util.errors import UserError


@pytest.mark.parametrize(("text", "cleaned"), [
    ("a\r\nb\rc\x85d\u2028e\x0bf\x0cg\u2029h\n", "a\nb\nc\nd\ne\nf\ng\n\nh\n"),
    ("soft\u00adly, Ost\u00ad \n  ford", "softly, Ostford"),
    ("ze\u200bro\u2060wi\ufeffdth\u2063", "zerowidth"),
    ("nul\0s, bell\a, del\x7f, \x1b[1;31mred\x1b[0m, tab\tstays", "nuls, bell, del, red, tab\tstays"),
    ("\u202eturned\u202c \u2067right\u2069 \u200fleft\u200e", "turned right left"),
    ("don\x92t \x93say\x94\x85 \x81", "don\u2019t \u201csay\u201d\u2026 "),
    ("Auf\u200clage \u200d x", "Auflage  x"),
    ("hidden\U000e0041\U000e0042", "hidden"),
])  # fmt: skip
def test_what_goes(text, cleaned):
    assert clean(text) == cleaned == clean(cleaned)


@pytest.mark.parametrize("text", [
    "می\u200cخواهم", "क्\u200dष", "ന\u200d", "\U0001f469\u200d❤\ufe0f\u200d\U0001f468", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f",
    "e\u0301 ﬁ ⁇ \u00a0 \u3000 ᠮ\u180e", "الأولى\u0600", "a\tb\nc",
])  # fmt: skip
def test_what_stays(text):
    assert clean(text) == text


def test_texts_titles_names_and_questions_are_cleaned(tmp_path):
    front = "\0---\rtitle: Mi\u00adll\rauthor: Lee\u200b, Ann\r---\r"
    folder(tmp_path, {"a.md": f"{front}Text\0.\r\rMore.", "b\u00ad.md": "# Lamp\u00adlight\n\nText"})
    write(tmp_path / "questions.jsonl", question(1, document="a.md", question="Who\u200b?", options=["a\u00ad", "b\0", "c", "d"]))
    a, b = read(tmp_path, "folder")
    assert (a.title, a.author, a.text, b.title) == ("Mill", "Ann Lee", "\nText.\n\nMore.", "Lamplight")
    assert (a.questions[0].question, a.questions[0].options) == ("Who?", ["a", "b", "c", "d"])
    article, = read(write(tmp_path / "a.train", row(title="Lo\u00adst\x1b", article="On\u00adce.\rTwice.")))
    assert (article.title, article.text) == ("Lost", "Once.\nTwice.")


def test_what_html_spells_is_cleaned_too(tmp_path):
    assert documents.html_paragraphs("<p>soft&shy;ly ze&#8203;ro&zwnj;</p><p>&#x645;&#x6CC;&zwnj;&#x62E;</p>") == ["softly zero", "می\u200cخ"]


@pytest.mark.parametrize("text", ["\u200b\u00ad\0", "<p>&shy;&#8203;</p>", "<!-- x -->\ufeff"])
def test_a_text_of_nothing_else_is_empty(tmp_path, text):
    with pytest.raises(UserError, match="article: (empty|must be a text that is not empty)"):
        read(write(tmp_path / "a.train", row(article=text)))
