"""Retrieval by models that embed and rerank, asked through a server that counts what it gets."""

from pathlib import Path

import pytest
import toys
from index_server import IndexServer
from test_retrieval import TEXTS, question

from closedbook import llm, params
from closedbook.llm import account, indexing
from closedbook.stages import retrieval
from closedbook.util import files
from closedbook.util.errors import UserError

ASKED = [question("q1", "Which oil does the lamp burn?", "harbour"), question("q2", "What took the bridge?", "bridge"),
         question("q3", "What has no hands?", "clock")]
FOUND, REORDERED = "openai/toy", "hosted_vllm/toy"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the ledger lies in the folder of the run


@pytest.fixture
def server():
    with IndexServer() as running:
        yield running


def built(server, asked=ASKED, texts=TEXTS, embedder=FOUND, reranker=None, served=True, limit=None, **changes):
    """What the step writes: rows of chunks by question, and retrieval.json; `served`: the models are the server's, not a provider's."""
    shipped = params.load(Path(__file__).parent.parent / "params.yaml").limits.model_dump()
    limits = params.Limits(**{**shipped, "retries": 1, **(limit or {})})
    place = server.url if served else None
    models = {"embedder": params.Endpoint(model=embedder, api_base=place), "reranker": params.Endpoint(model=reranker, api_base=place)}
    in_prompt = {"chunks": [2], "order": ["best_last"], "temperature": [0.1]}
    settings = params.Retrieval(**{"characters": 40, "candidates": 4, **in_prompt, **models, **changes})
    documents = [toys.document(Path(), name, title=name.title(), text=text) for name, text in texts.items()]
    files.write_json(Path("questions.json"), asked)
    retrieval.build(documents=documents, questions=[Path("questions.json")], settings=settings, limits=limits, folder=Path("out"))
    return {row["question"]: row for row in files.read_json_lines("out/chunks.jsonl")}, files.read_json("out/retrieval.json")


def test_vectors_find_the_chunks_nearest_to_the_question(server):
    rows, about = built(server)
    assert [rows[f"q{number}"]["chunks"][0]["document"] for number in (1, 2, 3)] == ["harbour", "bridge", "clock"]
    assert about["recall"]["1"] == 1.0 and 0 < rows["q1"]["chunks"][0]["score"] <= 1
    assert len(server.embedded) == 6 + 3 and server.requests == 3, "a document's chunks and questions go together"


def test_a_reranker_orders_what_the_index_found(server):
    rows, _ = built(server, reranker=REORDERED, candidates=3)
    for row in rows.values():
        lengths = [len(chunk["text"]) for chunk in row["chunks"]]
        assert lengths == sorted(lengths, reverse=True) and row["chunks"][0]["score"] == pytest.approx(lengths[0] / 1e4)
    assert set(server.reranked.values()) == {1} and len(server.reranked) == 3


def test_a_reranker_may_follow_bm25(server):
    rows, _ = built(server, embedder=None, reranker=REORDERED)
    assert rows["q1"]["chunks"] and not server.embedded and server.reranked.total() == 3


def test_a_document_without_questions_and_a_question_without_candidates_are_not_reranked_for(server):
    rows, _ = built(server, asked=ASKED[:1], embedder=None, reranker=REORDERED)
    assert server.reranked.total() == 1 and rows["q1"]["chunks"]
    stranger = {**question("q9", "Zzyzx?", "clock", options=["qux", "quux", "corge", "grault"]), "title": "Xyz", "author": None}
    rows, about = built(server, asked=[stranger], embedder=None, reranker=REORDERED)
    assert server.reranked.total() == 1 and about["without_hit"] == ["q9"]


def test_what_was_answered_is_never_asked_again_and_gives_the_same_bytes(server):
    built(server, reranker=REORDERED)
    before, asked = files.sha256_file("out/chunks.jsonl"), server.requests
    built(server, reranker=REORDERED)
    assert server.requests == asked and files.sha256_file("out/chunks.jsonl") == before


def test_one_more_document_asks_for_its_own_texts_only(server):
    built(server)
    before = server.embedded.copy()
    more = {**TEXTS, "mill": "The mill grinds slate.\n\nIts wheel is broken."}
    built(server, asked=[*ASKED, question("q4", "What is broken?", "mill")], texts=more)
    new = server.embedded - before
    assert len(new) == 3 and all("Mill" in text for text in new) and max(server.embedded.values()) == 1


def test_one_more_question_asks_for_its_own_vector_only(server):
    built(server)
    built(server, asked=[*ASKED, question("q4", "Who saw it?", "clock")])
    assert server.embedded.total() == 6 + 3 + 1 and max(server.embedded.values()) == 1


def test_many_texts_are_sent_in_several_requests(server, monkeypatch):
    monkeypatch.setattr("closedbook.llm.indexing.BATCH", 2)
    built(server)
    assert server.requests == 6 and max(server.embedded.values()) == 1


def test_vectors_of_another_length_do_not_fit_the_index(server):
    built(server)
    server.dimensions = 16
    with pytest.raises(UserError, match=r"retrieval.embedder.model openai/toy.*lengths \[16, 32\].*ledger/retrieval"):
        built(server, asked=[*ASKED, question("q4", "Who saw it?", "clock")])


def test_a_model_that_changed_behind_its_name_does_not_fit_the_index(server):
    built(server)
    server.model = "toy-0002"
    with pytest.raises(UserError, match="come from toy-0001, toy-0002"):
        built(server, asked=[*ASKED, question("q4", "Who saw it?", "clock")])


def test_another_embedder_is_asked_for_everything(server):
    built(server)
    built(server, embedder="openai/other")
    assert set(server.embedded.values()) == {2}


@pytest.mark.parametrize(("reranker", "said"), [(None, "sent 2 vectors for 3 texts"), (REORDERED, "rated 3 of 4 texts")])
def test_a_response_that_leaves_one_out_is_an_error_and_not_kept(server, reranker, said):
    server.trouble = "one short"
    with pytest.raises(UserError, match=said):
        built(server, embedder=None if reranker else FOUND, reranker=reranker)
    server.trouble = None
    built(server, embedder=None if reranker else FOUND, reranker=reranker)


@pytest.mark.parametrize("items", [None, 5, [], [None], ["x"], [{}], [{"index": 0}], [{"index": 1, "embedding": [0.5]}],
                                   [{"index": [], "embedding": [0.5]}], [{"index": 0, "embedding": None}], [{"index": 0, "embedding": ["x"]}],
                                   [{"index": 0, "embedding": [10**400]}], [{"index": 0, "embedding": [float("nan")]}],
                                   [{"index": number, "embedding": [0.5] * (1 + number)} for number in range(2)]])  # fmt: skip
def test_what_is_no_number_for_each_text_is_none(items):
    assert indexing._numbers(items, "embedding").size == 0
    assert indexing._numbers([{"index": 1, "embedding": [1]}, {"index": 0, "embedding": [2]}], "embedding").tolist() == [[2.0], [1.0]]


@pytest.mark.parametrize("trouble", ["no vectors", "words for numbers"])
def test_a_response_without_numbers_is_an_error_and_not_kept(server, trouble):
    server.trouble = trouble
    with pytest.raises(UserError, match="no model that embeds"):
        built(server)
    server.trouble = None
    built(server)


def test_a_name_and_a_count_of_tokens_that_are_none_are_not_believed(server):
    server.trouble, server.model = "words for tokens", ["a", "list"]
    built(server, limit={"input_usd_per_million": 1000.0, "output_usd_per_million": 1000.0})
    assert all(row["input_tokens"] > 50 for row in account.rows(Path("ledger"))), "as much as was reserved"


def test_a_missing_key_is_named_and_nothing_is_asked(server):
    with pytest.raises(UserError, match="COHERE_API_KEY"):
        built(server, embedder=None, reranker="cohere/rerank-english-v3.0", served=False)
    assert server.requests == 0


@pytest.mark.parametrize("changes", [{"embedder": "nobody/x"}, {"embedder": "anthropic/x"}, {"embedder": None, "reranker": "openai/x"},
                                     {"embedder": None, "reranker": "nobody/x"}])
def test_a_model_that_litellm_can_not_ask_is_reported_at_once(server, changes):
    with pytest.raises(UserError, match="(nobody|anthropic|openai)/x.*"):
        built(server, **changes)
    assert server.requests == 0


def test_where_calls_are_forbidden_the_ledger_serves(server, monkeypatch):
    built(server, reranker=REORDERED)
    monkeypatch.setenv(llm.NO_CALLS, "1")
    built(server, reranker=REORDERED)
    with pytest.raises(UserError, match="the ledger has no answer"):
        built(server, asked=[*ASKED, question("q4", "Who saw it?", "clock")])


@pytest.mark.parametrize(("models", "limit"), [({}, {"max_calls": 2}), ({"embedder": None, "reranker": REORDERED}, {"max_calls": 2}),
                                               ({}, {"max_tokens": 60})])
def test_vectors_and_ratings_are_under_the_limits(server, models, limit):
    with pytest.raises(UserError, match=f"limits.{next(iter(limit))}: the limit of"):
        built(server, limit=limit, **models)
    assert server.requests <= 2


def test_dollars_can_not_be_limited_without_a_price(server):
    with pytest.raises(UserError, match="limits.max_usd.*openai/toy"):
        built(server, limit={"max_usd": 1.0})
    assert server.requests == 0


def test_a_search_is_reserved_at_its_price_and_prices_of_writing_are_not_those_of_finding(server):
    with pytest.raises(UserError, match="limits.max_usd"):
        built(server, embedder=None, reranker="cohere/rerank-english-v3.0", limit={"max_usd": 0.0019})
    assert server.requests == 0
    built(server, embedder=None, reranker="cohere/rerank-english-v3.0", limit={
        "max_usd": 0.0061, "input_usd_per_million": 1e6, "output_usd_per_million": 1e6})
    assert server.reranked.total() == 3


@pytest.mark.parametrize("models", [{}, {"embedder": None, "reranker": REORDERED}])
def test_where_the_server_counts_no_tokens_what_was_reserved_counts(server, models):
    server.trouble = "no usage"
    built(server, limit={"input_usd_per_million": 1000.0, "output_usd_per_million": 1000.0}, **models)
    spent = account.rows(Path("ledger"))
    assert server.requests == sum(row["calls"] for row in spent)
    assert all(row["input_tokens"] > 50 * row["calls"] and row["usd"] == pytest.approx(row["input_tokens"] / 1000) for row in spent)
