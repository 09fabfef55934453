import pytest

from closedbook.sources.rows import Row, read_rows, read_table, read_text
from closedbook.util.errors import UserError

QUESTION = {"question_unique_id": "q1", "question": " Who? ", "options": [" a", "b \n", "c  d", "e"], "gold_label": 3}


def error_of(call, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)


def test_a_question_loses_only_the_white_space_around_it():
    question = Row("f:1", QUESTION).question()
    assert (question.id, question.question, question.options) == ("q1", "Who?", ["a", "b", "c  d", "e"])
    assert question.gold == 2


def test_difficult_may_be_unknown():
    assert Row("f:1", QUESTION).question().difficult is None
    assert [Row("f:1", QUESTION | {"difficult": value}).question().difficult for value in (None, 0, 1)] == [None, False, True]


@pytest.mark.parametrize(("change", "field", "value"), [
    ({"options": ["a"]}, "options", "two to ten texts, not ['a']"),
    ({"options": [*"abcdefghijk"]}, "options", "two to ten texts, not ['a', 'b'"),
    ({"options": ["a", "b"]}, "gold_label", "1 to 2, not 3"),
    ({"options": ["a", "b", "c", None]}, "options", "None"),
    ({"options": "abcd"}, "options", "'abcd'"),
    ({"options": ["a", "", "c", "d"]}, "options", "the 2. is"),
    ({"options": ["a", "b", "c", " \u200b\n"]}, "options", "the 4. is"),
    ({"options": [["a"] * 3, 10**5000, "c", "d"]}, "options", "more than 80 digits"),
    ({"gold_label": float("nan")}, "gold_label", "nan"),
    ({"gold_label": 10**5000}, "gold_label", "more than 80 digits"),
    ({"gold_label": 0}, "gold_label", "0"),
    ({"gold_label": 5}, "gold_label", "5"),
    ({"gold_label": "2"}, "gold_label", "'2'"),
    ({"gold_label": True}, "gold_label", "True"),
    ({"gold_label": None}, "gold_label", "test split"),
    ({"difficult": "yes"}, "difficult", "'yes'"),
    ({"question": None}, "question", "None"),
    ({"question": " "}, "question", "' '"),
    ({"question": "half \ud83d"}, "question", "\\ud83d"),
    ({"question_unique_id": 7}, "question_unique_id", "7"),
])
def test_a_wrong_field_of_a_question_is_named_with_its_value(change, field, value):
    message = error_of(Row("f:1", QUESTION | change).question)
    assert message.startswith(f"f:1: {field}: ") and value in message


PLAIN = {"question": "Who?", "options": ["Ann", "Bob", "3", "Cy"], "answer": "B"}


@pytest.mark.parametrize(("answer", "gold"), [("B", 1), ("d.", 3), ("b)", 1), (2, 1), ("4", 3), ("Cy", 3), (" Ann ", 0), ("3", 2), (3, 2)])
def test_an_answer_is_a_letter_a_number_or_the_options_text(answer, gold):
    assert Row("f:1", PLAIN | {"answer": answer}).question().gold == gold


@pytest.mark.parametrize(("change", "said"), [
    ({"answer": "E"}, "answer: must be the letter (A to D), the number (1 to 4) or the text of one of its options, not 'E'"),
    ({"answer": 0}, "answer: must be the letter"), ({"answer": 5}, "answer: must be the letter"), ({"answer": " "}, "answer: must be the letter"),
    ({"answer": True}, "answer: must be the letter"), ({"answer": ["B"]}, "answer: must be the letter"), ({"answer": 2.0}, "answer: must be the letter"),
    ({"answer": "ann"}, "answer: must be the letter"),
    ({"options": ["Ann", "3", "Bob", "Cy"], "answer": "3"}, "answer: must name one option (it fits the options 2 and 3; give gold_label)"),
    ({"options": ["B", "A", "C", "D"]}, "answer: must name one option (it fits the options 1 and 2"),
    ({"gold_label": 3}, "answer: must be the same option as gold_label, 3, or be left out, not 'B'"),
    ({"answer": None}, "gold_label: missing"),
])
def test_an_answer_that_fits_no_option_or_two_is_refused(change, said):
    assert error_of(Row("f:1", PLAIN | change).question).startswith(f"f:1: {said}")


def test_a_question_without_an_id_gets_one_of_what_it_asks():
    made = [Row("f:1", PLAIN | change).question().id for change in
            ({}, {"answer": 1}, {"document": "a.md"}, {"question": "Where?"}, {"options": ["Ann", "Bob", "Di", "Cy"]})]
    assert made[0] == made[1] and len(set(made)) == 4 and all(one.startswith("q-") for one in made)
    assert Row("f:1", PLAIN | {"gold_label": 2}).question().gold == 1, "both may be given where they agree"


def test_a_table_gives_the_rows_that_lines_of_json_give(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text('\ufeffdocument;question;A;B;C;D;answer;gold_label;note\r\na.md;"Who; and ""why""?";Ann;Bob;3;Cy;B;;x\n\na.md;Where?;1;2;3;4;;2\n')
    first, second = read_table(path)
    assert (first.where, second.where) == (f"{path}:2", f"{path}:4")
    assert first.question() == Row("", PLAIN | {"document": "a.md", "question": 'Who; and "why"?'}).question()
    assert second.question().gold == 1 and second.fields["document"] == "a.md"


@pytest.mark.parametrize(("text", "said"), [
    ("document,question,A,C,answer\n", ":1: no column B: the first line must name the columns document, question, A, B, … and answer"),
    ("", ":1: no column document, question"),
    ("document,question,A,B,C,D,E,F,G,H,I,J,K,answer\n", ":1: K: an option beyond the tenth"),
    ("document,question,A,B,D,answer\n", ":1: no column C"),
    ("document,question,A,B,C,D,A\n", ":1: A: is there twice"),
    ("document,question,A,B,C,D,answer\na,Who, and why?,1,2,3,4,A\n", ":2: 8 cells, and the first line names 7 columns: put a text that holds ','"),
    ('document,question,A,B,C,D,answer\na,"Who\nand why?",1,2,3,4,A\n', ":2: not CSV"),
])
def test_a_table_that_is_none_is_named_with_its_line(tmp_path, text, said):
    path = tmp_path / "questions.csv"
    path.write_text(text)
    assert error_of(read_table, path).startswith(f"{path}{said}")


def test_an_empty_option_of_a_table_is_named(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text("document,question,A,B,C,D,answer\na,Who?,1,,3,4,A\n")
    assert error_of(read_table(path)[0].question).startswith(f"{path}:2: options: must be texts that are not empty (the 2. is)")


def test_a_question_has_two_to_ten_options_with_letters_and_numbers_to_match(tmp_path):
    path = tmp_path / "questions.csv"
    path.write_text("document,question,A,B,C,D,E,answer\na,Who?,Ann,Bob,,,,B\na,Who?,Ann,Bob,Cy,Di,Ed,E\na,Who?,Ann,Bob,,,,C\n")
    two, five, wrong = read_table(path)
    assert (two.question().options, two.question().gold, five.question().gold) == (["Ann", "Bob"], 1, 4)
    assert error_of(wrong.question).startswith(f"{path}:4: answer: must be the letter (A to B), the number (1 to 2) or")
    ten = Row("f:1", {"question": "Which?", "options": [*"klmnopqrst"], "answer": "J"})
    assert ten.question().gold == 9 and Row("f:1", ten.fields | {"answer": 10}).question().gold == 9


def test_two_options_that_are_the_same_are_said(caplog):
    assert Row("f:1", QUESTION | {"options": ["a", "b", "a ", "d"]}).question().options == ["a", "b", "a", "d"]
    assert "f:1: options: two are the same" in caplog.text


def test_a_value_that_holds_itself_a_thousand_times_is_shown_in_short():
    bomb = ["x"]
    for _ in range(60):
        bomb = [bomb] * 9
    assert len(error_of(Row("f:1", {"title": bomb}).text, "title")) < 200


def test_a_missing_field_is_said_to_be_missing():
    assert "f:1: options: must be a list of two to ten texts, but is missing" == error_of(Row("f:1", {}).question)


def test_a_question_is_named_by_its_number():
    wrong = {"questions": [QUESTION, QUESTION | {"gold_label": 9}]}
    assert error_of(Row("f:1", wrong).questions).startswith("f:1: questions[1]: gold_label: ")
    assert error_of(Row("f:1", {"questions": [3]}).questions).startswith("f:1: questions[0]: ")
    assert error_of(Row("f:1", {"questions": {"a": 1}}).questions).startswith("f:1: questions: must be a list")
    assert Row("f:1", {"questions": None}).questions() == []


def test_a_year_may_be_unknown():
    assert Row("f:1", {}).year() is None
    assert [Row("f:1", {"year": value}).year() for value in (None, "", 1956, " 1956")] == [None, None, 1956, 1956]


@pytest.mark.parametrize("year", [0, -400, 19560, 1956.5, True, "MCMLVI", [1956], "9" * 70])
def test_a_wrong_year(year):
    message = error_of(Row("f:1", {"year": year}).year)
    assert message.startswith("f:1: year: must be a whole number") and repr(year) in message


def test_rows_know_their_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes('\ufeff{"a": "one\u2028line"}\r\n\r\n{"a": 2}'.encode())
    assert [(row.where, row.fields) for row in read_rows(path)] == [(f"{path}:1", {"a": "one\u2028line"}), (f"{path}:3", {"a": 2})]


@pytest.mark.parametrize(("line", "said"), [
    ('{"a": 1, "gold_label": NaN}', "gold_label: nan is no number"),
    ('{"questions": [{"year": 1e999}]}', "year: inf is no number"),
    ('{"a": [1, -Infinity]}', "a: -inf is no number"),
    ('{"gold_label": ' + "9" * 5000 + "}", "gold_label: inf is no number"),
    ('{"a": "[", "options": ' + "[" * 100_000, "options: lists or objects within one another"),
    ("[" * 100_000, "lists or objects within one another"),
    ('{"gold_label": 1, "a": 2, "gold_label": 3}', "gold_label: is there twice"),
])  # fmt: skip
def test_what_json_lets_pass_is_refused_with_line_and_field(tmp_path, line, said):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n', encoding="utf-8")
    message = error_of(read_rows, path)
    assert message.startswith(f"{path}:2: {said}") and len(message) < 400


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_end_as_lines_did_on_any_system(tmp_path, end):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(f'{{"a": 1}}{end}{end}{{"a": 2}}{end}'.encode())
    assert [row.line for row in read_rows(path)] == [1, 3]


@pytest.mark.parametrize("line", ['{"a": ', "title,article", "[1, 2]", "null"])
def test_a_line_that_is_no_object(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + line + "\n")
    message = error_of(read_rows, path)
    assert message.startswith(f"{path}:2: ") and "each line must be one" in message


def test_not_utf_8_names_file_and_offset(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("\ufeffcafé".encode() + b" caf\xe9")
    assert error_of(read_text, path).startswith(f"{path}: byte 12: not UTF-8 (0xe9)")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("text", ["The mill at Orsk.", "灯塔 at Hest\n"])
def test_utf_16_is_named_with_its_mark_and_without(tmp_path, text, encoding):
    path = tmp_path / "wide.txt"
    path.write_bytes(text.encode(encoding))
    message = error_of(read_text, path)
    assert message.startswith(f"{path}: ") and "UTF-16" in message
