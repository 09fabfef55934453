"""Chunks, BM25 and what the retrieval step writes; models that embed and rerank are in test_retrieval_asking.py."""

import numpy as np
import pytest
import toys

from closedbook import params
from closedbook.evaluation import embedded
from closedbook.evaluation.embedded import chunks, pieces
from closedbook.records import Document
from closedbook.stages import retrieval
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import registry

TEXTS = {
    "harbour": "The keeper counts ships.\n\nHer lamp burns whale oil.",
    "bridge": "A storm took the bridge.\n\nNobody crossed the river for a year.",
    "clock": "The council meets under the clock.\n\nThe clock has no hands.",
}
LIMITS = params.Limits(**params.load().limits.model_dump())


def settings(**changes):
    return params.load().retrieval.model_copy(update={"characters": 40, "candidates": 4, "chunks": [2], **changes})


def question(name: str, asked: str, document: str, options=("one", "two", "three", "four")) -> dict:
    return {"id": name, "question": asked, "options": list(options), "gold": 0, "difficult": None, "document": document,
            "title": document.title(), "author": "Mira Oldan", "year": 1931}


ASKED = [question("q1", "Which oil does the lamp burn?", "harbour"), question("q2", "What took it?", "bridge"),
         question("q3", "Who fjords quixotic zzyzx?", "nowhere", options=["qux", "quux", "corge", "grault"])]
ASKED[2] |= {"title": "Xyz", "author": None, "year": None}


def built(folder, asked=ASKED, texts=TEXTS, **changes):
    """What the step writes about these questions: rows of chunks by question, and retrieval.json."""
    documents = [toys.document(folder, name, title=name.title(), text=text) for name, text in texts.items()]
    files.write_json(folder / "questions.json", asked)
    retrieval.build(documents=documents, questions=[folder / "questions.json"], settings=settings(**changes), limits=LIMITS,
                    folder=folder / "out")
    rows = {row["question"]: row for row in files.read_json_lines(folder / "out/chunks.jsonl")}
    return rows, files.read_json(folder / "out/retrieval.json")


@pytest.mark.parametrize(("text", "size", "expected"), [
    ("one two\n\nthree\n\nfour five six", 16, ["one two\n\nthree", "four five six"]),
    ("It rains. It pours? “No!” Yes. End", 20, ["It rains. It pours?", "“No!” Yes. End"]),
    ("He said “Go.” Then he went away", 18, ["He said “Go.”", "Then he went away"]),
    ("a word abcdefghijklmnop b", 10, ["a word", "abcdefghij", "klmnop b"]),
    ("short. A very long paragraph. It goes on\n\nnext", 22, ["short.", "A very long paragraph.", "It goes on\n\nnext"]),
    ("exactly ten", 11, ["exactly ten"]),
    ("  \n\n ", 5, []),
])  # fmt: skip
def test_a_piece_ends_after_a_paragraph_else_a_sentence_else_a_word_else_where_the_room_ends(text, size, expected):
    assert list(pieces(text, size)) == expected


def test_pieces_overlap_nowhere_lose_no_character_and_keep_to_their_size():
    draw = np.random.default_rng(3)
    words = draw.choice(["a", "storm.", "bridge", "“took”", "it!\n\n", "in", "the", "x" * 70], size=2000)
    text = " ".join(words)
    found = list(pieces(text, 50))
    assert max(map(len, found)) <= 50
    assert "".join("".join(found).split()) == "".join(text.split())


def test_each_chunk_names_its_document_and_says_title_author_and_year():
    document = Document(id="d", title="Tales", author="Ada Byron", year=1956, text="One two.\n\nThree four.")
    assert [(chunk.document, chunk.number, chunk.text) for chunk in chunks(document, 11)] == [
        ("d", 0, '"Tales" by Ada Byron, 1956.\n\nOne two.'), ("d", 1, '"Tales" by Ada Byron, 1956.\n\nThree four.')]


def test_the_query_is_the_question_under_its_context_line_with_all_options_and_no_sign_of_the_right_one():
    row = question("q", "who came?", "harbour")
    assert retrieval.query(row) == 'In the context of "Harbour", written by Mira Oldan in 1931, who came?\none\ntwo\nthree\nfour'
    assert retrieval.query({**row, "gold": 3}) == retrieval.query(row)
    assert retrieval.query({**row, "author": None}).startswith('In the context of "Harbour", who came?')


def test_a_text_without_a_word_of_the_query_is_no_hit():
    scores = embedded.scores(list(TEXTS.values()), ["the lamp", "zzyzx", "the of and", ""])
    assert [list(np.flatnonzero(each)) for each in scores] == [[0], [], [], []]


def test_the_best_are_in_order_of_score_and_equal_ones_in_order_of_their_place():
    assert retrieval.best(np.array([1.0, 3.0, 3.0, 0.0, 1.0, 1.0]), 4) == [(1, 3.0), (2, 3.0), (0, 1.0), (4, 1.0)]
    assert retrieval.best(np.array([1.0, 2.0]), 128) == [(1, 2.0), (0, 1.0)]


def test_the_step_writes_chunks_best_first_and_how_often_the_right_document_is_among_them(tmp_path):
    rows, about = built(tmp_path)
    assert list(rows) == ["q1", "q2", "q3"] and rows["q1"]["document"] == "harbour"
    first = rows["q1"]["chunks"][0]
    assert (first["document"], first["chunk"]) == ("harbour", 1) and first["text"].endswith("Her lamp burns whale oil.")
    assert len(rows["q1"]["chunks"]) == 2 and first["score"] > rows["q1"]["chunks"][1]["score"] > 0
    assert rows["q3"]["chunks"] == [] and about["without_hit"] == ["q3"]
    assert (about["num_documents"], about["num_chunks"], about["num_questions"]) == (3, 6, 3)
    assert about["recall"] == {"1": 2 / 3, "2": 2 / 3, "4": 2 / 3}


def test_recall_counts_the_first_k_alone(tmp_path):
    asked = [question("q1", "council", "bridge")]
    asked[0]["title"] = "Clock"
    _, about = built(tmp_path, asked=asked, texts={**TEXTS, "bridge": TEXTS["bridge"] + "\n\nThe council saw it."}, candidates=6)
    assert about["recall"]["1"] == 0.0 and about["recall"]["6"] == 1.0


def test_the_same_again_is_the_same_bytes(tmp_path):
    built(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    built(tmp_path)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_where_there_are_no_questions_nothing_is_looked_for(tmp_path):
    rows, about = built(tmp_path, asked=[])
    assert rows == {} and set(about["recall"].values()) == {None} and about["num_chunks"] and about["without_hit"] == []


@pytest.mark.parametrize(("changes", "said"), [
    ({"chunks": [8, 200]}, r"retrieval.chunks: must not exceed retrieval.candidates, 128.*\[8, 200\]"),
    ({"chunks": []}, "retrieval.chunks"),
    ({"order": ["best_middle"]}, "retrieval.order.*best_first"),
    ({"embedder": {"model": "text-embedding-3-large", "api_base": None}}, "retrieval.embedder.model: must name its provider first"),
    ({"reranker": {"model": "cohere/x", "api_base": "http://me:secret@host/v1"}}, "retrieval.reranker.api_base: must hold no user"),
])  # fmt: skip
def test_wrong_settings_are_reported_before_anything_runs(tmp_path, changes, said):
    from ruamel.yaml import YAML

    data = params.load().model_dump()
    data["retrieval"] |= changes
    with open(tmp_path / "params.yaml", "w") as file:
        YAML().dump(data, file)
    with pytest.raises(UserError, match=said):
        params.load(tmp_path / "params.yaml")


def planned(tasks, **changes):
    data = params.load().model_dump()
    data["scores"]["tasks"] = tasks
    data["retrieval"] |= changes
    return registry.planned(params.Params(**data), {"d": None})


def test_retrieval_is_planned_only_where_a_task_reads_chunks():
    assert "retrieval" not in planned(["quality_closed", "quality_open"])
    assert "retrieval" in planned(["quality_closed", "quality_rag"]) and "retrieval" in planned(["quality_rag_cot"])


def test_the_order_in_the_prompt_retrieves_nothing_anew_and_the_size_of_a_chunk_does():
    before = planned(["quality_rag"])["retrieval"]
    assert planned(["quality_rag"], order=["best_first"])["retrieval"] == before
    assert planned(["quality_rag"], characters=512)["retrieval"] != before
