import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from toys import MINIATURE

from closedbook import params, sources
from closedbook.util.errors import UserError

ROOT = Path(__file__).parents[1]
QUALITY = ROOT.parent / "shared" / "quality"

needs_quality = pytest.mark.skipif(not QUALITY.is_dir(), reason="real QuALITY articles are not beside the repository (../shared/quality)")


def question(number: int, **changes) -> dict:
    return {"question_unique_id": f"q{number}", "question": f"Who is {number}?", "options": ["a", "b", "c", "d"], "gold_label": 1} | changes


def row(**changes) -> dict:
    return {"title": "Lost", "author": "Harris, Larry M.", "article": "Once upon a time.", "questions": [question(1)]} | changes


def write(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, source: str = "quality", limit: int | None = None) -> list[sources.Article]:
    return sources.articles(params.Documents(source=source, path=str(path), limit=limit), MINIATURE, seed=1, run_seeds=[1])


def error_of(*arguments) -> str:
    with pytest.raises(UserError) as caught:
        read(*arguments)
    return str(caught.value)


def folder(path: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


# QuALITY


def test_rows_of_one_title_and_author_are_one_document(tmp_path):
    write(tmp_path / "a.train", row(), row(title="Found"), row(questions=[question(2)]))
    again = {"title": " LOST ", "author": "Larry M. Harris", "article": "Once  upon\na time. "}
    write(tmp_path / "b.dev", row(**again, questions=[question(1), question(3)]))
    with pytest.raises(UserError, match="question_unique_id"):
        read(tmp_path)  # Found and Lost can't share q1
    write(tmp_path / "a.train", row(), row(title="Found", questions=[]), row(questions=[question(2)]))
    lost, found = read(tmp_path)
    assert (lost.title, lost.author, found.title) == ("Lost", "Larry M. Harris", "Found")
    assert [question.id for question in lost.questions] == ["q1", "q2", "q3"]
    assert found.questions == []


def test_two_splits_of_two_writers_add_up(tmp_path):
    """As train and dev of the official files: each article twice in one of them, all questions kept."""
    def rows(numbers):
        halves = (range(3), range(3, 6))
        return [row(title=f"Story {n}", questions=[question(10 * n + k) for k in half]) for n in numbers for half in halves]

    write(tmp_path / "QuALITY.v1.0.1.htmlstripped.train", *rows(range(15)))
    write(tmp_path / "QuALITY.v1.0.1.htmlstripped.dev", *rows(range(12, 26)))
    articles = read(tmp_path)
    assert len(articles) == 26 and sum(len(article.questions) for article in articles) == 26 * 6


def test_one_author_or_title_alone_does_not_join_documents(tmp_path):
    path = write(tmp_path / "a.train", row(questions=[]), row(author=None, questions=[]), row(title="Lost Again", questions=[]))
    assert len({article.id for article in read(path)}) == 3


def test_the_year_is_whichever_row_knows_it(tmp_path):
    assert read(write(tmp_path / "a.train", row(year=None), row(year="1960"), row()))[0].year == 1960
    message = error_of(write(tmp_path / "b.train", row(year=1959), row(year=1960)))
    assert "b.train:2: year: must be 1959 as in" in message and "not 1960" in message


def test_limit_takes_the_first_and_still_checks_the_rest(tmp_path):
    rows = [row(title=title, questions=[question(number)]) for number, title in enumerate("CAB")]
    assert [article.title for article in read(write(tmp_path / "a.train", *rows), "quality", 2)] == ["C", "A"]
    assert "a.train:4: article" in error_of(write(tmp_path / "a.train", *rows, row(article=None)), "quality", 2)


def test_ids_do_not_depend_on_text_or_neighbours(tmp_path):
    alone = read(write(tmp_path / "a.train", row()))[0].id
    neighbours = read(write(tmp_path / "b.train", row(title="Other", questions=[]), row(article="Other text.")))
    assert alone == neighbours[1].id
    assert re.fullmatch(r"lost-[0-9a-f]{8}", alone)


def test_a_licence_is_kept_and_two_of_one_document_both(tmp_path):
    def licence(name, *values):
        return read(write(tmp_path / name, *(row(license=value) for value in values)))[0].license

    assert licence("a.train", " CC BY\n4.0; no more") == "CC BY 4.0; no more"
    assert (licence("b.train", None, ""), licence("c.train", None, "CC0"), licence("d.train", "CC0", None)) == (None, "CC0", "CC0")
    assert licence("e.train", "CC0; so", "CC0; so", "MIT", "CC0; so", "MIT") == "CC0; so; MIT"


@pytest.mark.parametrize("title", ["../../x", "it's \"quoted\"", "$(touch /tmp/x)", "two\n\r\n lines", "🙂"])
def test_hostile_titles_keep_their_words_and_stay_out_of_ids(tmp_path, title):
    article = read(write(tmp_path / "a.train", row(title=title)))[0]
    assert article.title == " ".join(title.split())
    assert re.fullmatch(r"[a-z0-9-]+", article.id)


def test_html_is_told_from_stripped_text(tmp_path):
    path = write(tmp_path / "a.train", row(article="<html><p>Once.</p></html>"), row(title="B", article="a <b and c> d", questions=[]))
    assert [article.is_html for article in read(path)] == [True, False]


@pytest.mark.parametrize(("change", "field", "value"), [
    ({"article": ["Once"]}, "article", "['Once']"),
    ({"article": None}, "article", "None"),
    ({"article": " \n "}, "article", "not empty"),
    ({"article": "<!-- nothing\n -->"}, "article", "<!-- nothing"),
    ({"article": "<html><head><title>T</title></head><p> <br/>&nbsp;</p></html>"}, "article", "<html>"),
    ({"title": ""}, "title", "''"),
    ({"title": 1984}, "title", "1984"),
    ({"author": ["A", "B"]}, "author", "['A', 'B']"),
    ({"year": "long ago"}, "year", "'long ago'"),
    ({"license": 4.0}, "license", "4.0"),
    ({"questions": [question(1, gold_label=5)]}, "questions[0]: gold_label", "5"),
    ({"questions": [question(1, options=["a"])]}, "questions[0]: options", "['a']"),
])
def test_a_wrong_row_is_named_with_file_line_field_and_value(tmp_path, change, field, value):
    path = write(tmp_path / "a.train", row(title="First", questions=[]), row(**change))
    message = error_of(path)
    assert message.startswith(f"{path}:2: {field}: ") and value in message


def test_a_missing_field(tmp_path):
    path = write(tmp_path / "a.train", {"title": "Lost"})
    assert error_of(path) == f"{path}:1: article: must be a text that is not empty, but is missing"


def test_questions_without_answers_cannot_be_scored(tmp_path):
    unanswered = {key: value for key, value in question(1).items() if key != "gold_label"}
    write(tmp_path / "QuALITY.test", row(questions=[unanswered]))
    assert "QuALITY.test:1: questions[0]: gold_label: missing" in error_of(tmp_path)


def test_one_identity_with_two_texts(tmp_path):
    path = write(tmp_path / "a.train", row(), row(article="Quite another text.", questions=[]))
    message = error_of(path)
    assert message.startswith(f"{path}:2: article: ") and f"{path}:1" in message and "'Lost'" in message


def test_one_question_id_with_two_contents(tmp_path):
    path = write(tmp_path / "a.train", row(), row(questions=[question(1, gold_label=2)]))
    message = error_of(path)
    assert message.startswith(f"{path}:2: question_unique_id: 'q1'") and f"{path}:1" in message


def test_nothing_there(tmp_path):
    assert "documents.path in params.yaml must lead to rows of QuALITY" in error_of(tmp_path / "missing")
    assert "holds no documents" in error_of(tmp_path)
    assert "holds no documents" in error_of(write(tmp_path / "a.train"))
    assert "holds no documents: documents.path in params.yaml must lead to .txt, .md, .html" in error_of(tmp_path, "folder")


def test_files_left_out_are_named(tmp_path, caplog):
    write(tmp_path / "a.train", row())
    folder(tmp_path, {"README.md": "about", "nested/b.train": "no row", ".hidden.train": "no row"})
    assert len(read(tmp_path)) == 1
    assert "left out 1" in caplog.text and "README.md" in caplog.text


def test_two_documents_of_one_id_are_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(sources.quality, "document_id", lambda name, identity: "same")
    with pytest.raises(AssertionError, match="share an id"):
        read(write(tmp_path / "a.train", row(), row(title="Found", questions=[])))


def test_an_article_survives_json(tmp_path):
    article = read(write(tmp_path / "a.train", row(title="🙂", questions=[question(1, difficult=1)])))[0]
    assert sources.Article.from_dict(json.loads(json.dumps(article.as_dict()))) == article


@needs_quality
def test_real_stripped_articles():
    articles = read(QUALITY / "QuALITY.sample.htmlstripped.dev")
    assert (len(articles), sum(len(article.questions) for article in articles)) == (10, 119)
    assert (articles[0].title, articles[0].author, articles[0].year) == ("Lost In Translation", "Larry M. Harris", None)
    assert not any(article.is_html for article in articles)


@needs_quality
def test_real_html_article():
    article, = read(QUALITY / "QuALITY.sample.html.dev")
    assert (article.author, article.year, article.is_html, len(article.questions)) == ("Robert F. Young", 1950, True, 5)
    assert [question.difficult for question in article.questions].count(None) == 0


# a folder


def test_title_author_and_year_come_from_front_matter_heading_or_name(tmp_path):
    folder(tmp_path, {
        "a.md": "---\ntitle: 'Valves: a guide'\nauthor: Doe, Jane\nyear: 2021\nlicense: CC BY 4.0\ntags: [x]\n---\n# Heading\n\nText.\n",
        "b.md": "Preface.\n\n# About C# #\n\nText.\n",
        "c/Plan.txt": "# no heading in plain text\n",
        "d.md": "---\nprose between rules\n---\n",
    })
    a, b, c, d = read(tmp_path, "folder")
    assert (a.title, a.author, a.year, a.text.strip()) == ("Valves: a guide", "Jane Doe", 2021, "# Heading\n\nText.")
    assert (b.title, b.author, b.year) == ("About C#", None, None)
    assert (a.license, b.license) == ("CC BY 4.0", None)
    assert (c.title, d.title) == ("Plan", "d")
    assert "prose between rules" in d.text


@pytest.mark.parametrize(("text", "title"), [
    ("The Harbour of Varn\n\nMira Oldan kept the lamp for forty years.\n", "The Harbour of Varn"),
    ("\n  THE HARBOUR  \n=====\nMira Oldan kept the lamp for forty years.\n", "THE HARBOUR"),
    ("灯塔\n\n灯塔在海边，冬天很冷。\n", "灯塔"),
    ("Mira kept the lamp.\n\nShe kept it for forty years, and no ship was lost.\n", "a"),
    ("Dear Mira,\n\nThe lamp has burned for forty years, and no ship was lost.\n", "a"),
    ("The lamp of Varn\nburned for forty years, and no ship was lost.\n", "a"),
    ("lamp and oil\n\nThe lamp has burned for forty years, and no ship was lost.\n", "a"),
    ("The lamp of Varn\n\nIt burned\n\nfor forty years, and no ship was lost.\n", "a"),
    ("- The lamp of Varn\n\nIt burned for forty years, and no ship was lost.\n", "a"),
    ("The lamp that burned for forty years in the old harbour of Varn while no ship was ever lost there\n\n" + "It burned. " * 40, "a"),
    ("The Harbour of Varn\n", "a"),
])
def test_a_first_line_that_is_plainly_a_title_is_one(tmp_path, text, title):
    article, = read(folder(tmp_path, {"a.txt": text}), "folder")
    assert article.title == title and article.text == text, "and stays in the text"


def test_a_text_file_is_known_by_its_relative_path(tmp_path):
    first = read(folder(tmp_path / "one", {"x/a.md": "# One\n", "y/a.md": "# One\n"}), "folder")
    second = read(folder(tmp_path / "two", {"x/a.md": "# Another title\n"}), "folder")
    assert first[0].id == second[0].id != first[1].id


def test_folder_order_limit_and_what_is_left_out(tmp_path, caplog):
    folder(tmp_path, {"b.md": "b", "a/z.TXT": "z", "A.txt": "A", ".hidden/c.txt": "c", "a/.d.md": "d", "d.rtf": "d"})
    assert [article.title for article in read(tmp_path, "folder")] == ["A", "z", "b"]
    assert [article.title for article in read(tmp_path, "folder", 1)] == ["A"]
    assert "left out 1 " in caplog.text and "d.rtf" in caplog.text


def test_questions_of_a_folder(tmp_path):
    folder(tmp_path, {"a.txt": "text", "b/c.txt": "text"})
    asked = [question(1, document="b/c.txt"), question(2, document="a.txt"), question(3, document="b/c.txt")]
    path = write(tmp_path / "questions.jsonl", *asked)
    a, c = read(tmp_path, "folder")
    assert ([question.id for question in a.questions], [question.id for question in c.questions]) == (["q2"], ["q1", "q3"])
    assert read(tmp_path, "folder", 1) == [a]
    write(path, question(1, document="a.txt"), question(2, document="b/d.txt"))
    message = error_of(tmp_path, "folder")
    assert message.startswith(f"{path}:2: document: ") and "did you mean b/c.txt?" in message and "'b/d.txt'" in message


def test_questions_of_a_table_stand_beside_those_of_lines(tmp_path):
    folder(tmp_path, {"a.txt": "text", "questions.csv": "document,question,A,B,C,D,answer\na.txt,Where?,1,2,3,4,C\nb.txt,Who?,1,2,3,4,C\n"})
    assert error_of(tmp_path, "folder").startswith(f"{tmp_path / 'questions.csv'}:3: document: ")
    folder(tmp_path, {"b.txt": "text"})
    write(tmp_path / "questions.jsonl", question(1, document="a.txt"))
    a, b = read(tmp_path, "folder")
    assert [(one.question, one.gold) for one in a.questions] == [("Who is 1?", 0), ("Where?", 2)] and len(b.questions) == 1
    found = sources.places(params.Documents(source="folder", path=str(tmp_path), limit=None), a.id)
    assert found == {tmp_path / "a.txt": [], tmp_path / "questions.jsonl": [1], tmp_path / "questions.csv": [2]}


def test_a_single_text_file_has_no_questions(tmp_path):
    folder(tmp_path, {"a.txt": "text", "b.txt": "text"})
    write(tmp_path / "questions.jsonl", question(1, document="a.txt"))
    article, = read(tmp_path / "a.txt", "folder")
    assert (article.title, article.questions) == ("a", [])


@pytest.mark.parametrize(("text", "complaint"), [
    ("  \n\n", "text: empty"),
    ("---\ntitle: T\n---\n\n", "text: empty"),
    ("---\ntitle: Valves: a guide\n---\nText", "front matter: not YAML"),
    ("---\ntitle: 1984\n---\nText", "title: must be a text (in quotes), not 1984"),
    ("---\nyear: soon\n---\nText", "year: must be a whole number from 1 to 9999, or null, not 'soon'"),
])
def test_a_wrong_text_file(tmp_path, text, complaint):
    folder(tmp_path, {"a.md": text})
    assert error_of(tmp_path, "folder").startswith(f"{tmp_path / 'a.md'}: {complaint}")


@pytest.mark.parametrize(("field", "said"), [
    ("date: 2023-02-30", "date: '2023-02-30' can't be read"),
    ("draft: !!bool maybe", "draft: 'maybe' can't be read"),
    ("x: 1\nrun: !!python/object:os.system ls", "run: 'ls' can't be read"),
    ("year: " + "9" * 5000, "year: "),
    ("when: 2023-01-01 25:00:00", "when: "),
    ("tags: " + "[" * 3000, "not YAML"),
    ("title: *nobody", "not YAML"),
    ("title: a\nother: b: c", "not YAML (a text with a colon in it must be in quotes; prose"),
])  # fmt: skip
def test_front_matter_that_cannot_be_read_is_named_with_file_and_field(tmp_path, field, said):
    folder(tmp_path, {"a.md": f"---\ntitle: T\n{field}\n---\nText"} if "title" not in field else {"a.md": f"---\n{field}\n---\nText"})
    message = error_of(tmp_path, "folder")
    assert message.startswith(f"{tmp_path / 'a.md'}: front matter: {said}") and len(message) < 500


def test_the_line_that_is_no_yaml_is_counted_in_the_file(tmp_path):
    folder(tmp_path, {"a.md": "---\ntitle: T\nother: b: c\n---\nText"})
    assert "line 3" in error_of(tmp_path, "folder")


@pytest.mark.parametrize("end", ["---", "...", "... ", "---\r"])
def test_front_matter_ends_with_a_rule_or_three_dots(tmp_path, end):
    article, = read(folder(tmp_path, {"a.md": f"---\ntitle: The Mill\nauthor: Pell\n{end}\nText.\n"}), "folder")
    assert (article.title, article.author, article.text.strip()) == ("The Mill", "Pell", "Text.")


def test_front_matter_that_never_ends_is_named(tmp_path):
    folder(tmp_path, {"a.md": "---\nlayout: post\ntitle: The Mill\n\nThe mill stood idle.\n"})
    assert error_of(tmp_path, "folder").startswith(f"{tmp_path / 'a.md'}: front matter: begins in line 1 and never ends")


@pytest.mark.parametrize("text", [
    "---\n\nThe lamp at Hest: it burned.\n\n---\n\nIdra trimmed it.",
    "---\n\nNote: it burned.\n\n---\nIdra trimmed it.",
    "---\nThe lamp at Hest: it burned.\n---\nIdra trimmed it.",
    "---\n\nHe said: it is: late.\n\n---\n",
    "---\n\nThe title: a lamp\n\nNo second rule.",
    "---\n- a\n- b\n---\n",
    "---\n",
])  # fmt: skip
def test_prose_after_a_horizontal_rule_is_kept(tmp_path, text):
    article, = read(folder(tmp_path, {"a.md": text}), "folder")
    assert article.text == text


def test_front_matter_that_nothing_reads_is_named(tmp_path, caplog):
    empty, known, unknown = "---\n---\nText", "---\ntags: [x]\ntitle: A\n---\nText", "---\nlayout: post\ntags: [x]\n---\nText"
    folder(tmp_path, {"a.md": known, "b.md": unknown, "c.md": empty})
    assert [article.text.strip() for article in read(tmp_path, "folder")] == ["Text"] * 3
    assert f"not used: tags ({tmp_path / 'a.md'} and 1 more); layout ({tmp_path / 'b.md'})" in caplog.text


def test_a_name_that_no_terminal_should_see_is_refused_without_it(tmp_path, caplog):
    names = [b"\xff.md", b"esc\x1b[31m.txt", "turn\u202e.md".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("text")
    message = error_of(tmp_path, "folder")
    assert message.count("rename it") == 3 and all(shown in message for shown in ("\\udcff.md", "esc\\x1b[31m.txt", "turn\\u202e.md"))
    assert all(line.isprintable() for line in message.split("\n"))
    for name in names:
        os.unlink(os.fsencode(tmp_path) + b"/" + name)
    folder(tmp_path, {"a.md": "text", "Icon\r": "", "x\x1b.jpg": ""})
    read(tmp_path, "folder")
    assert "Icon\\r" in caplog.text and "\x1b" not in caplog.text


def test_two_names_that_look_alike_are_refused(tmp_path):
    composed, apart = "caf\u00e9.md", "cafe\u0301.md"
    folder(tmp_path, {composed: "one"})
    assert read(tmp_path, "folder")[0].id == read(folder(tmp_path / "apart", {apart: "two"}) / apart, "folder")[0].id
    folder(tmp_path, {apart: "two"})
    shutil.rmtree(tmp_path / "apart")
    message = error_of(tmp_path, "folder")
    assert "\\xe9" in message and "e\\u0301" in message and message.endswith("rename one of them")


def test_links_within_the_folder_are_read_or_named(tmp_path, caplog):
    folder(tmp_path, {"a.md": "one", "sub/b.md": "two", ".held/c.md": "three"})
    (tmp_path / "c.md").symlink_to(".held/c.md")
    (tmp_path / "again").symlink_to("sub")
    (tmp_path / "round").symlink_to(".")
    assert [article.text for article in read(tmp_path, "folder")] == ["one", "three", "two"]
    assert "left out 2" in caplog.text and "again (a linked folder)" in caplog.text and "round (a linked folder)" in caplog.text


@pytest.mark.parametrize(("target", "said"), [
    ("nowhere", "not there"), ("link.md", "not there"), ("../outside.md", "leads outside"), ("../other", "leads outside"), ("/", "leads outside"),
])  # fmt: skip
def test_links_that_lead_nowhere_or_outside_are_refused_by_name(tmp_path, target, said):
    inside = folder(tmp_path / "inside", {"a.md": "one"})
    folder(tmp_path, {"outside.md": "secret", "other/b.md": "secret"})
    (inside / "link.md").symlink_to(target)
    message = error_of(inside, "folder")
    assert message.startswith(f"{inside / 'link.md'}: a link ") and said in message
    (tmp_path / "whole").symlink_to(inside)
    (inside / "link.md").unlink()
    assert [article.text for article in read(tmp_path / "whole", "folder")] == ["one"], "the folder itself may be a link"


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    folder(tmp_path, {"a.md": "one", "shut/b.md": "two"})
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert error_of(tmp_path, "folder").startswith(f"{tmp_path / 'shut'}: can't be read (Permission denied)")


def test_a_question_names_its_document_by_whatever_is_in_the_name(tmp_path):
    name = "می\u200cخواهم\u00ad.md"
    folder(tmp_path, {name: "one"})
    write(tmp_path / "questions.jsonl", question(1, document=name))
    article, = read(tmp_path, "folder")
    assert (article.title, len(article.questions)) == ("می\u200cخواهم", 1)


def test_a_text_file_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.md").write_bytes("\ufeff---\r\ntitle: T\r\n---\r\nText\r\n".encode())
    article, = read(tmp_path, "folder")
    assert (article.title, article.text.strip()) == ("T", "Text")


# the miniature


def test_the_miniature_takes_the_same_road():
    path = ROOT / "src" / "closedbook" / "miniature" / "world.yaml"
    articles = read(path, "miniature")
    assert [len(article.questions) for article in articles] == [3, 3]
    assert articles == read(path, "miniature") and articles[:1] == read(path, "miniature", 1)
