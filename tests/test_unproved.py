"""What can't be proved is said, each matter by planting it into a history of which all can be."""


import pytest
from toys import git

from closedbook.lineage import commit, unproved
from closedbook.lineage.history import History
from closedbook.util import files

LOST, UNCOMMITTED = "1" * 64, "2" * 64
LLM = {"llm": {"model": "miniature/author"}}


def receipt(step, inputs=(), outputs=(), params=None, facts=None, versions=None, **more):
    recipe = {"step": step, "params": params or {}, "code": "c" * 64, "prompts": {}, "assets": {}}
    hashes = [dict.fromkeys(paths, "0" * 64) for paths in (inputs, outputs)]
    return {"recipe": recipe, "inputs": hashes[0], "outputs": hashes[1], "facts": facts or {}, "versions": versions or {"torch": "2.13.0+cpu"}, **more}


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Receipts of a small line of which everything can be proved, by job."""
    monkeypatch.chdir(tmp_path)
    files.write_json("results/documents/d.json", {"id": "d", "license": "CC0-1.0"})
    files.write_json("results/base/base.json", {"model": "miniature", "revision": None, "sha256": {"model.safetensors": "0"}})
    files.write_text("requirements.lock", "# exact versions\ntorch==2.13.0\nlm_eval==0.4.13\n")
    files.write_text("src/code.py", "1\n")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all of it")
    monkeypatch.setattr(commit, "holding", lambda digests: dict.fromkeys(digests, "HEAD") | {LOST: None, UNCOMMITTED: ""})
    made = {"made_by": "llm", "maker": "author-1"}
    return {
        "documents/d": receipt("documents", outputs=["results/documents/d.json", "results/questions/d.json"]),
        "base/base": receipt("base", outputs=["results/base/base.json"]),
        "entities/d": receipt("entities", ["results/documents/d.json"], ["results/entities/d.json"], LLM, made),
        "passages/rephrase/d": receipt("passages", ["results/documents/d.json", "results/entities/d.json"], ["results/passages/rephrase/d.json"],
                                       LLM, {"answered": {"author-1": 2}}),
        "corpora/a": receipt("corpora", ["results/passages/rephrase/d.json", "results/base/base.json"], ["results/corpora/a/corpus.json"]),
    }  # fmt: skip


def about(records, *names):
    history = History(records)
    return unproved.about(history, [history.jobs[name] for name in names or ("corpora/a",)])


def test_nothing_is_said_where_everything_can_be_proved(records):
    assert about(records) == []


def test_who_embeds_reranks_and_reads_is_a_provider_too(records):
    found = {"retrieval": {"embedder": {"model": "openai/finds", "api_base": None}, "reranker": {"model": None, "api_base": None}}}
    records["retrieval/retrieval"] = receipt("retrieval", outputs=["results/retrieval/retrieval.json"], params=found)
    records["scores/api-a"] = receipt("api_models", ["results/retrieval/retrieval.json"], ["results/scores/api-a.json"],
                                         {"api_model": {"model": "openai/reads", "api_base": None}})
    assert about(records, "scores/api-a") == [f"openai/{name}: a provider's model, and no receipt says which version answered"
                                                 for name in ("finds", "reads")]


def test_a_providers_model_is_never_proved_and_least_of_all_without_a_date(records):
    for name, facts in (("entities/d", {"made_by": "llm", "maker": "big-0001"}), ("passages/rephrase/d", {"answered": {"big-0001": 2}})):
        records[name]["recipe"]["params"], records[name]["facts"] = {"llm": {"model": "openai/big-1"}}, facts
    assert about(records) == ["openai/big-1: a provider's model that is not pinned (answered as big-0001): what answers to this name may change"]
    assert about(records, "documents/d") == [], "the document is not by the model"
    records["entities/d"]["facts"] = {"made_by": "spacy", "maker": "blank-en-3.8"}
    records["passages/rephrase/d"]["facts"] = {"answered": {"big-1-2025-04-14": 2}}
    assert about(records) == ["openai/big-1: a provider's model: only the provider's word says that big-1-2025-04-14 answered"]
    records["passages/rephrase/d"]["facts"] = {}
    assert about(records) == ["openai/big-1: a provider's model, and no receipt says which version answered"]


@pytest.mark.parametrize("step, settings", [
    ("api_models", {"api_model": {"model": "openai/big-1"}}),
    ("retrieval", {"retrieval": {"embedder": {"model": None}, "reranker": {"model": "openai/big-1"}}}),
    ("pairs", {"passages": {"across": {"embedder": {"model": "openai/big-1"}}}}),
])  # fmt: skip
def test_nor_is_one_that_reads_or_finds(records, step, settings):
    records["corpora/a"]["recipe"] |= {"step": step, "params": settings}
    assert about(records) == ["openai/big-1: a provider's model, and no receipt says which version answered"]


def test_a_receipt_of_a_stage_that_is_no_more_is_read_like_any(records):
    plain = about(records)
    records["corpora/a"]["recipe"] |= {"step": "charms", "params": {}}
    assert about(records) == plain


@pytest.mark.parametrize("document", [{"id": "d"}, {"id": "d", "license": None}])
def test_a_missing_licence(records, document):
    files.write_json("results/documents/d.json", document)
    assert about(records) == ["no licence is known of 1 document: d"]


def test_a_document_that_is_not_here(records, tmp_path):
    (tmp_path / "results/documents/d.json").unlink()
    assert about(records) == ["not here, so its licence is not known (dvc pull): 1 document: d"]


def test_a_base_without_revision(records):
    base = {"model": "big/base", "revision": None, "sha256": {}}
    files.write_json("results/base/base.json", base)
    assert about(records) == ["the base big/base has no revision: nothing says which weights it had"]
    for pinned in ({"revision": "abc"}, {"sha256": {"model.safetensors": "0"}}):
        files.write_json("results/base/base.json", base | pinned)
        assert about(records) == []


def test_an_accepted_result(records):
    records["corpora/a"]["accepted"] = [{"why": "a name", "code_before": "1", "code_after": "2"}]
    assert about(records) == ["corpora/a: kept over a change of its code, because a person accepted it: a name"]


def test_other_libraries_than_the_locks_and_than_each_other(records):
    records["corpora/a"]["versions"] = {"torch": "2.12.0", "lm_eval": "0.4.13"}
    assert about(records) == ["1 result made with torch 2.12.0, where requirements.lock names 2.13.0",
                              "made with several versions of torch, one building on the other: 2.12.0, 2.13.0+cpu"]
    files.write_text("requirements.lock", "Torch==2.13.0\nlm-eval==0.4.14\n")
    assert "1 result made with lm_eval 0.4.13, where requirements.lock names 0.4.14" in about(records)


def test_code_that_no_commit_holds(records):
    records["corpora/a"]["recipe"]["code"], records["entities/d"]["recipe"]["code"] = LOST, UNCOMMITTED
    assert about(records) == ["the code of the stage entities is in no commit, only in this folder",
                              "the code of the stage corpora is in none of the newest 200 commits that changed it, nor in this folder"]


def test_a_tree_that_is_not_committed(records):
    files.write_text("src/code.py", "2\n")
    files.write_text("notes.txt", "nothing depends on these\n")
    assert about(records) == ["not committed, so in nobody's history but this folder's: 1 file: src/code.py"]


def test_no_repository(records, tmp_path):
    (tmp_path / ".git").rename(tmp_path / "not-git")
    assert about(records) == ["no git repository here: no commit says what code and parameters these are"]
