import pytest

from closedbook.sources.rows import Row, read_rows, read_text
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
    ({"options": ["a", "b", "c"]}, "options", "['a', 'b', 'c']"),
    ({"options": ["a", "b", "c", "d", "e"]}, "options", "['a', 'b', 'c', 'd', 'e']"),
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


def test_two_options_that_are_the_same_are_said(caplog):
    assert Row("f:1", QUESTION | {"options": ["a", "b", "a ", "d"]}).question().options == ["a", "b", "a", "d"]
    assert "f:1: options: two are the same" in caplog.text


def test_a_value_that_holds_itself_a_thousand_times_is_shown_in_short():
    bomb = ["x"]
    for _ in range(60):
        bomb = [bomb] * 9
    assert len(error_of(Row("f:1", {"title": bomb}).text, "title")) < 200


def test_a_missing_field_is_said_to_be_missing():
    assert "f:1: options: must be a list of four texts, but is missing" == error_of(Row("f:1", {}).question)


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
