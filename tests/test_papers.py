"""Papers from PDFs: columns in order, what is told from the running text, and ids that outlive a version. Each paper is set on the spot."""

import json
from pathlib import Path

import pytest
from made_files import BOLD, UPWARDS, pdf
from made_papers import Setter, justified, wide
from toys import MINIATURE

from closedbook import params, sources
from closedbook.sources import formats
from closedbook.sources.formats import columns
from closedbook.sources.formats.pdf import convert, convert_paper
from closedbook.stages import documents
from closedbook.util import files
from closedbook.util.errors import UserError

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def told(place: str) -> list[str]:
    return [f"Lamp {number} of the tower at {place} burned oil from the old mills for years." for number in NUMBERS]


def in_order(text: str, sentences: list[str]) -> bool:
    flat, at = " ".join(text.split()), 0
    for sentence in sentences:
        at = flat.find(sentence, at)
        if at < 0:
            return False
    return True


def two_columns(left: str, right: str, top: int = 540) -> list[tuple]:
    return [word for text, x in ((left, 30), (right, 206)) for line in justified(text, x, top, 164) for word in line]


# columns


@pytest.mark.parametrize("read", [convert, convert_paper])
def test_two_columns_are_read_one_after_the_other_between_what_stands_over_both(read):
    page = [*two_columns(" ".join(told("Hest")), " ".join(told("Varn"))),
            *(word for line in justified("Figure 1: The towers " + "and their lamps " * 8 + "as of old.", 30, 120, 340) for word in line)]
    everything = [*told("Hest"), *told("Varn"), "as of old."]
    text = read(pdf(page)).text
    assert in_order(text, everything)
    assert not in_order(text, [*told("Varn"), *told("Hest")]), "planted: the other order would be seen"


def test_lines_at_one_height_in_both_columns_are_not_read_across(monkeypatch):
    data = pdf(two_columns(" ".join(told("Hest")), " ".join(told("Varn"))))
    assert in_order(convert(data).text, [*told("Hest"), *told("Varn")])
    monkeypatch.setattr(columns, "_gap", lambda page: None)
    assert not in_order(convert_paper(data).text, told("Hest")), "planted: a page whose columns are not found is read across"


def test_a_page_of_one_column_is_not_split():
    whole = [word for line in justified(" ".join(told("Hest")), 30, 540, 340) for word in line]
    listing = [(x, 300 - 12 * number, text) for number in range(6) for x, text in ((30, f"Item {number}"), (230, f"{number} pounds"))]
    short = [(x, 200 - 12 * number, "Aye" if x == 30 else "No") for number in range(6) for x in (30, 230)]
    for page in (whole, whole + listing, whole + short, listing):
        assert columns.columns(columns.rows(map(Letter, page))) is None
    halves = two_columns(" ".join(told("Hest")), " ".join(told("Varn")))
    assert columns.columns(columns.rows(map(Letter, halves))), "planted: two columns are"


class Letter:
    """A word as one letter of a page."""

    def __init__(self, line):
        (self.x0, y, self.word, *size) = line
        self.size = (*size, 10)[0]
        self.x1, self.matrix = self.x0 + wide(self.word, self.size), (1, 0, 0, 1, self.x0, y)

    def get_text(self):
        return self.word


def test_a_paragraph_goes_on_in_the_next_column_its_cut_word_whole():
    left = " ".join(told("Hest")) + " Nobody knew of the infor-"
    text = convert_paper(pdf(two_columns(left, "mation that the keepers of Varn had. " + " ".join(told("Varn"))))).text
    assert "Nobody knew of the information that the keepers of Varn had." in text
    left = " ".join(told("Hest")) + " It was known to the keepers of"
    text = convert_paper(pdf(two_columns(left, "Varn alone. " + " ".join(told("Varn"))))).text
    assert "keepers of Varn alone." in " ".join(text.split("\n")), "whatever it goes on with"


def test_a_head_that_one_page_alone_has_is_none_of_the_text():
    first, second = (two_columns(" ".join(told(place)) + " It was kept by the", "keepers of Varn. " + " ".join(told(place)), 500) for place in ("Hest", "Moor"))
    title = [(60, 560, TITLE, 16, BOLD)]
    for head, is_one in ((TITLE, True), ("Journal of Northern Lamps", True), ("Of lamps and keepers", False)):
        read = convert_paper(pdf([*title, *first], [(30, 558.5, head, 9), *second]))
        assert (head in read.text.removeprefix(f"## {TITLE}")) != is_one, head
        assert any(said.startswith("1 running heads") for said in read.left_out) == is_one
    assert "## 3 Lamps of Varn" in convert_paper(pdf([*title, *first], [(30, 514, "3 Lamps of Varn", 9, BOLD), *second])).text, "a heading is none"


def test_a_title_of_two_lines_is_one_heading():
    page = [(60, 560, "A Study of the Lamps of Varn and of their", 14, BOLD), (60, 543, "Keepers", 14, BOLD),
            *two_columns(" ".join(told("Hest")), " ".join(told("Varn")), 500)]
    read = convert_paper(pdf(page))
    assert read.title == "A Study of the Lamps of Varn and of their Keepers" and read.text.startswith(f"## {read.title}\n\nLamp one")


def test_names_side_by_side_under_a_title_are_read_before_the_columns():
    page = [(60, 550, TITLE, 16, BOLD), (70, 520, "Ann Lee", 10), (260, 520, "Bob Ray", 10), (70, 508, "Varn House", 8), (260, 508, "Hest House", 8),
            *two_columns(" ".join(told("Hest")), " ".join(told("Varn")), 470)]
    read = convert_paper(pdf(page))
    assert in_order(read.text, ["Ann Lee", "Bob Ray", "Varn House", "Hest House", *told("Hest"), *told("Varn")])
    assert read.author == "Ann Lee; Bob Ray"


def test_what_stands_apart_in_one_column_is_a_paragraph_of_its_own():
    left = [(30, 540, "The lamps are these", 9), (30, 510, "Oil of Hest, the first of them", 9)]
    page = [*left, *two_columns(" ".join(told("Hest")), " ".join(told("Varn")), 490)]
    assert convert_paper(pdf(page)).text.startswith("The lamps are these\n\nOil of Hest")


@pytest.mark.parametrize("read", [convert, convert_paper])
def test_running_heads_go_whether_their_page_has_one_column_or_two(read):
    halves = two_columns(" ".join(told("Hest")), " ".join(told("Varn")), 500)
    first, last = ([word for line in justified(" ".join(told(place)), 30, 500, 340) for word in line] for place in ("Moor", "Pell"))
    found = read(pdf(*[[(30, 575, "Of lamps and of keepers", 9), *page] for page in (first, halves, last)]))
    assert "Of lamps" not in found.text and in_order(found.text, [*told("Moor"), *told("Hest"), *told("Varn"), *told("Pell")])
    assert "3 page numbers and running heads" in found.left_out


def test_letters_that_stand_nowhere_on_a_page_cost_no_time():
    page = [*two_columns(" ".join(told("Hest")), " ".join(told("Varn"))), (4 * 10**49, 300, "beyond"), (30, 20, "of no size", 0)]
    for read in (convert, convert_paper):
        assert "Lamp one of the tower" in read(pdf(page)).text


# a whole paper


TITLE = "A Study of the Lamps of Varn"


def paper(references: str = "References", entries=None, appendix: bool = True, names: str = "Ann Lee*, Bob Ray† and Cy van Poe*", **of) -> bytes:
    made = Setter(head="Lee et al.")
    made.across(TITLE, 15, BOLD, left=60, width=300)
    made.across(names, 10, left=90)
    made.across("University of Varn, Hest Institute. {ann,bob}@varn.edu", 8, left=80)
    made.across("Abstract. " + " ".join(told("Moor")[:3]), 9, left=50, width=300)
    made.heading("1 Introduction")
    made.text(" ".join(told("Hest")))
    made.note("1 The mills were sold, and no book says to whom or at which price.")
    made.text(" ".join(told("Varn")) + " The cost is")
    made.formula((30, 0, "L(t) ="), (66, 7, "1"), (64, -7, "N"), (76, 0, "log p(x, t)"), (150, 0, "(1)"))
    made.text("where N counts the lamps that burned. It begins with")
    made.rows(["Lamp", "Oil", "Years"], ["Hest", "12.5", "40"], ["Varn", "9.1", "31"])
    made.text("Table 1: Lamps and what they burned.", 8)
    made.text("Hest as the first of them. " + " ".join(told("Tarn")))
    made.heading(references)
    for entry in entries or [f"[{number}] A. Author. The book of lamps. Journal of Lamps, {1990 + number}." for number in range(1, 9)]:
        made.text(entry, 8)
    if appendix:
        made.heading("A Proofs")
        made.text(" ".join(told("Pell")))
    return made.pdf(**of)


def test_a_paper_without_what_is_no_running_text_and_that_is_said():
    read = convert_paper(paper(stamp="arXiv:2409.07431v2  [cs.LG]  3 Oct 2024"))
    assert (read.title, read.author, read.year) == (TITLE, "Ann Lee; Bob Ray; Cy van Poe", 2024)
    assert in_order(read.text, ["Abstract.", *told("Moor")[:3], "## 1 Introduction", *told("Hest"), *told("Varn"), *told("Tarn"), "## A Proofs",
                                *told("Pell")])
    for paragraph in ("The cost is [formula] where N counts", "It begins with Hest as the first of them.", "\n\nAnn Lee*, Bob Ray† and Cy van Poe*"):
        assert paragraph in read.text, paragraph
    for gone in ("Journal", "References", "mills were sold", "Lee et al.", "arXiv", "log p"):
        assert gone not in read.text, gone
    said = "; ".join(read.left_out)
    for words in ("89 words of references", "1 footnotes, 15 words", "1 formulae of several lines", "page numbers and running heads", "33 letters"):
        assert words in said, said


def test_a_tables_rows_stand_each_by_itself_beside_its_caption():
    paragraphs = convert_paper(paper()).text.split("\n\n")
    at = paragraphs.index("| Lamp | Oil | Years |")
    assert paragraphs[at + 1 : at + 4] == ["| Hest | 12.5 | 40 |", "| Varn | 9.1 | 31 |", "Table 1: Lamps and what they burned."]
    items = [(x, 500 - 12 * number, text) for number in range(4) for x, text in ((30, "•"), (45, f"Point {NUMBERS[number]} of the lamps"))]
    assert "|" not in convert_paper(pdf(items)).text, "a list is none"


def test_nothing_of_it_goes_where_papers_is_not_set():
    read = convert(paper())
    assert "Journal of Lamps, 1991" in read.text and "mills were sold" in read.text and "log p" in read.text
    assert (read.title, read.author, read.year) == (None, None, None)


@pytest.mark.parametrize("heading", ["References", "REFERENCES", "7 References", "VII. Bibliography", "Literature Cited"])
def test_references_end_with_the_paper_or_at_its_appendix(heading):
    for appendix in (True, False):
        read = convert_paper(paper(heading, appendix=appendix))
        assert "Journal" not in read.text and ("Lamp one of the tower at Pell" in read.text) == appendix


def test_what_only_looks_like_references_stays():
    prose = ["The literature on lamps is old, and most of what it says of mills and of keepers was never read by anybody at all."] * 6
    read = convert_paper(paper("Literature", prose))
    assert read.text.count("literature on lamps") == 6 and "references" not in "; ".join(read.left_out)
    assert "references" in "; ".join(convert_paper(paper("Literature")).left_out), "planted: with dates it goes"


@pytest.mark.parametrize(("line", "is_one"), [
    (("I. THE METHOD", 9), True), (("The Method", 11), True), (("The Method", 9, BOLD), True), (("2.1 The Method", 9, BOLD), True),
    (("The Method", 9), False), (("We say so.", 9, BOLD), False), (("A 5 = 3 + x", 9, BOLD), False), (("the method", 9, BOLD), False),
])
def test_headings_stand_alone_and_are_marked(line, is_one):
    page = [(30, 540, *line), *two_columns(" ".join(told("Hest")), " ".join(told("Varn")), 522)]
    assert convert_paper(pdf(page)).text.startswith(f"## {line[0]}\n\nLamp one") == is_one


def test_raised_and_lowered_letters_are_marked():
    line, x = [], 30
    for text, raised, size in (("It took 10", 0, 10), ("-3", 4, 6), (" years of oil v", 0, 10), ("max", -3, 6), (" at Hest.", 0, 10)):
        line.append((x, 500 + raised, text, size))
        x += wide(text, size)
    assert convert_paper(pdf(line)).text == "It took 10^-3 years of oil v_max at Hest."


# title, authors, year


@pytest.mark.parametrize(("info", "title", "author"), [
    ("", TITLE, "Ann Lee; Bob Ray; Cy van Poe"),
    ("/Title (Microsoft Word - paper.doc) /Author (admin)", TITLE, "Ann Lee; Bob Ray; Cy van Poe"),
    ("/Title (Formatting Instructions for Authors) /Author (Some Publisher)", TITLE, "Ann Lee; Bob Ray; Cy van Poe"),
    (f"/Title ({TITLE}) /Author (Bob Ray and Ann Lee)", TITLE, "Bob Ray and Ann Lee"),
])
def test_the_files_fields_count_where_the_first_page_says_the_same(info, title, author):
    read = convert_paper(paper(info=info))
    assert (read.title, read.author) == (title, author)


def test_where_the_page_says_nothing_the_files_fields_stand():
    read = convert_paper(pdf([(30, 500, "Text of one size.")], info="/Title (The Lamp) /Author (Lee, Ann)"))
    assert (read.title, read.author, read.year) == ("The Lamp", "Lee, Ann", None)


@pytest.mark.parametrize(("names", "author"), [
    ("Ann Lee, Bob Ray", "Ann Lee; Bob Ray"),
    ("Ann B. Lee¹ · José Núñez² & Cy O’Neill", "Ann B. Lee; José Núñez; Cy O’Neill"),
    ("Varn University, Hest Institute", ""),
    ("ann@varn.edu", ""),
])
def test_authors_are_lines_that_hold_nothing_but_names(names, author):
    assert (convert_paper(paper(names=names)).author or "") == author


@pytest.mark.parametrize(("line", "year"), [
    ((30, 40, "Published as a conference paper at ICLR 2025", 7), 2025),
    ((30, 40, "© 2019 The Authors", 7), 2019),
    ((160, 470, "3 October 2021", 10), 2021),
    ((14, 200, "arXiv:2409.07431v2  [cs.LG]  3 Oct 2024", UPWARDS), 2024),
    ((30, 40, "Grant 2019 of the Council", 7), None),
    ((30, 40, "Lamps in the year 2019", 7), None),
])
def test_the_year_is_what_the_first_page_says_of_being_published(line, year):
    page = [(60, 500, TITLE, 16, BOLD), line, *two_columns(" ".join(told("Hest")), " ".join(told("Varn")), 440),
            (206, 80, "Published in 1999 by the council.", 9)]
    assert convert_paper(pdf(page)).year == year


# ids


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(formats.conversion, "convert_apart", formats.convert)
    Path("texts").mkdir()
    return Path("texts")


def settings(papers: bool = True) -> params.Documents:
    return params.Documents(source="folder", path="texts", limit=None, papers=papers)


def read(papers: bool = True) -> list[sources.Article]:
    return sources.articles(settings(papers), MINIATURE, seed=1, run_seeds=[1])


def text(words: str) -> bytes:
    return pdf([(30, 500, words)])


@pytest.mark.parametrize(("first", "second"), [
    ("2409.07431v1.pdf", "2409.07431v2.pdf"), ("2409.07431.pdf", "2409.07431v12.pdf"), ("lamps_v2.pdf", "lamps-V3.1.pdf"), ("lamps.pdf", "lamps (1).pdf"),
])
def test_a_new_version_of_a_paper_keeps_its_id_and_two_at_once_are_refused(folder, first, second):
    (folder / first).write_bytes(text("The lamp."))
    (one,) = read()
    (folder / second).write_bytes(text("The lamp burned."))
    with pytest.raises(UserError) as caught:
        read()
    assert first in str(caught.value) and second in str(caught.value) and "keep one of them" in str(caught.value)
    assert len(read(papers=False)) == 2, "which versions are is asked of papers alone"
    (folder / first).unlink()
    (two,) = read()
    assert two.id == one.id and two.text != one.text and sources.places(settings(), two.id) == {folder / second: []}


@pytest.mark.parametrize(("first", "second"), [("gpt4v1.pdf", "gpt4v2.pdf"), ("lamps1.pdf", "lamps2.pdf"), ("a-v1.md", "a-v2.md"), ("rev.pdf", "v2.pdf")])
def test_names_that_only_resemble_versions_are_papers_of_their_own(folder, first, second):
    for name in (first, second):
        (folder / name).write_bytes(text("The lamp.") if name.endswith("pdf") else b"The lamp.")
    assert len({article.id for article in read()}) == 2


def test_questions_follow_a_paper_into_its_next_version(folder):
    (folder / "2409.07431v2.pdf").write_bytes(text("The lamp."))
    asked = {"document": "2409.07431v1.pdf", "question_unique_id": "q", "question": "Who?", "options": ["a", "b", "c", "d"], "gold_label": 1}
    (folder / "questions.jsonl").write_text(json.dumps(asked))
    (article,) = read()
    assert [question.id for question in article.questions] == ["q"]


def test_a_file_is_converted_anew_when_it_is_read_as_a_paper(folder):
    (folder / "a.pdf").write_bytes(paper())
    before, (after,), again = read(papers=False)[0], read(), read(papers=False)[0]
    assert "Journal" in before.text and "Journal" not in after.text and before == again and before.id == after.id


def test_what_was_left_out_stands_in_the_documents_receipt(folder):
    (folder / "a.pdf").write_bytes(paper())
    (folder / "b.md").write_text("The lamp.")
    facts = []
    for article in read():
        files.write_json(Path("source.json"), article.as_dict())
        facts.append(documents.build(source=Path("source.json"), document=Path("document.json"), questions=Path("questions.json")))
    assert any("words of references" in words for words in facts[0]["left_out"]) and facts[1] == {}
