"""Recall: a model writes its answer, which holds the right one or not, and identifiers are counted by themselves."""

import runpy
from types import SimpleNamespace

import pytest
from test_scores import question, save_model, score
from test_tasks import document, retrieved

from closedbook.evaluation import tasks
from closedbook.util.errors import UserError

recall = SimpleNamespace(**runpy.run_path(str(tasks.FOLDER / "recall.py")))


@pytest.mark.parametrize("answer", ["Jonas Jarvis", "Lorcross", "the Silver Crown", "in March 1893", "42", "AX-7", "van Gogh", "King of Varn"])
def test_names_numbers_dates_and_codes_are_identifiers(answer):
    assert recall.is_identifier(answer, as_sentences=False)


@pytest.mark.parametrize("answer", ["banjo", "a weaver", "he left Varn", "of the", "…"])
def test_other_answers_are_none(answer):
    assert not recall.is_identifier(answer, as_sentences=False)


def test_where_options_are_sentences_the_first_capital_says_nothing():
    rows = [question(number, options=["Happy people", "He left.", "It burns.", "Jonas Jarvis"], gold=gold) for number, gold in enumerate((0, 3))]
    assert [row["identifier"] for row in recall.with_identifiers(rows)] == [False, True]
    assert not recall.is_identifier("Sadly", as_sentences=True) and recall.is_identifier("Sadly", as_sentences=False)


@pytest.mark.parametrize("response, answer, held, in_format", [
    (" Jonas Jarvis", "Jonas Jarvis", 1.0, 1.0), ("Jonas Jarvis.", "Jonas Jarvis", 1.0, 1.0), ("it is jonas jarvis, the smith", "Jonas Jarvis", 1.0, 0.0),
    ("Jonas", "Jonas Jarvis", 0.0, 0.0), ("weaver", "a weaver", 1.0, 0.0), ("a weavers' hall", "a weaver", 0.0, 0.0), ("", "A", 0.0, 0.0), ("a", "A", 1.0, 0.0),
])  # fmt: skip
def test_what_counts_as_held_and_what_as_in_the_answers_format(response, answer, held, in_format):
    doc = question(options=[answer, "x"], gold=0, split="test", identifier=True)
    found = recall.score(doc, [response])
    assert (found["acc"], found["in_format"], found["acc_identifiers"]) == (held, in_format, held)
    assert "acc_identifiers" not in recall.score(doc | {"identifier": False}, [response])


def test_a_model_writes_its_answer_closed_book_open_book_and_with_chunks(tmp_path):
    model = save_model(tmp_path / "model", favours={"yes": 4}, context=128)
    rows = [question(0, options=["no", "yes yes"], gold=1), question(1, options=["A", "yes"], gold=0)]
    document(tmp_path)
    retrieved(tmp_path, rows)
    names = ["quality_recall", "quality_open_recall", "quality_rag_recall"]
    result, samples = score(tmp_path, rows, model=model, tasks=names)
    for name in names:
        measured = result["tasks"][name]
        assert (measured["accuracy"], measured["n"], measured["in_format"], measured["chance"]) == (0.5, 2, 0.0, 0.0)
        assert measured["identifiers"] == {"accuracy": 0.0, "stderr": None, "n": 1, "in_format": 0.0}, "A alone has a capital"
    assert len(samples) == 6 and samples[0]["responses"][0].startswith("yes yes") and samples[0]["chosen"] == 1 and samples[1]["chosen"] is None
    again, _ = score(tmp_path, rows, model=model, tasks=names, name="again")
    assert again["tasks"] == result["tasks"]


def test_a_prompt_that_leaves_no_room_for_a_reply_is_refused_not_cut(tmp_path):
    model = save_model(tmp_path / "model", favours={"yes": 4}, context=40)
    with pytest.raises(UserError, match="quality_recall: question q0: its prompt and answer are"):
        score(tmp_path, [question()], model=model, tasks=["quality_recall"])
