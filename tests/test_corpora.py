"""corpora: seeded order, budgets that are prefixes, replay, and nothing lost without a word."""

import json

import numpy as np
import pytest
import toys

from closedbook import corpora, files, models, packing, params
from closedbook.errors import UserError
from closedbook.records import Passages


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A base and the passages of two documents."""
    folder = tmp_path_factory.mktemp("world")
    toys.base(folder / "base")
    for document in ("lamp", "tide"):
        toys.passages(folder, document, [f"{document} {number}. {toys.SENTENCES[number % 4]}" for number in range(12)])
    return folder


def build(world, folder, corpus_tokens="all", passages=None, rate=0.0, replay=None, held_out=0, seed=1, **length):
    corpora.build(
        name="toy", arm=params.Arm(strategy="entigraph", corpus_tokens=corpus_tokens, **(length or {"epochs": 1})),
        passages=passages or sorted(world.glob("entigraph/*.json")), replay=replay or world / "base" / "replay.jsonl", replay_rate=rate,
        held_out=held_out,
        base=world / "base", seed=seed, folder=folder,
    )  # fmt: skip
    return files.read_json(folder / "corpus.json")


def rows(folder):
    return files.read_json_lines(folder / "passages.jsonl")


def test_each_line_of_an_index_is_found_by_its_number(world, tmp_path):
    build(world, tmp_path, rate=0.2)
    for lines, index in (("lines.npy", "passages.jsonl"), ("replay_lines.npy", "replay.jsonl")):
        content, places = (tmp_path / index).read_bytes(), np.load(tmp_path / lines)
        assert [json.loads(content[place:].splitlines()[0]) for place in places] == files.read_json_lines(tmp_path / index)
    build(world, tmp_path)
    assert len(np.load(tmp_path / "replay_lines.npy")) == 0, "nothing is replayed"


def test_tokens_and_index_spell_the_passages(world, tmp_path):
    facts = build(world, tmp_path)
    tokenizer = models.tokenizer(world / "base")
    tokens, offsets = np.load(tmp_path / "tokens.npy"), np.load(tmp_path / "offsets.npy")
    texts = {passage.id: passage.text for path in world.glob("entigraph/*.json") for passage in Passages.read(path).passages}
    assert tokens.dtype == np.uint32 and offsets.dtype == np.int64 and len(tokens) == offsets[-1] == facts["corpus_tokens"]
    assert len(rows(tmp_path)) == facts["num_passages"] == 24
    for row, (first, last) in zip(rows(tmp_path), zip(offsets, offsets[1:]), strict=True):
        assert tokenizer.decode(tokens[first : last - 1]) == texts[row["id"]]
        assert tokens[last - 1] == tokenizer.eos_token_id
    assert facts["cut"] is None and facts["existing_tokens"] == facts["corpus_tokens"]


def test_passages_of_documents_are_interleaved(world, tmp_path):
    build(world, tmp_path)
    documents = [row["document"] for row in rows(tmp_path)]
    assert sum(one != next_one for one, next_one in zip(documents, documents[1:])) > 5


def test_smaller_budget_is_a_prefix_and_says_what_it_cut(world, tmp_path):
    whole, part = build(world, tmp_path / "whole"), build(world, tmp_path / "part", corpus_tokens=300)
    assert np.load(tmp_path / "part/tokens.npy").tolist() == np.load(tmp_path / "whole/tokens.npy")[:300].tolist()
    assert rows(tmp_path / "part") == rows(tmp_path / "whole")[: part["num_passages"]]
    assert part["num_passages"] + part["num_passages_left_out"] == whole["num_passages"]
    assert part["cut"]["passage"] == rows(tmp_path / "part")[-1]["id"]
    assert np.load(tmp_path / "whole/offsets.npy")[part["num_passages"]] == 300 + part["cut"]["tokens_left_out"]
    assert part["existing_tokens"] == whole["existing_tokens"]
    assert sum(kind["tokens"] for kind in part["kinds"].values()) == 300


def test_more_passages_keep_the_order_of_the_others(world, tmp_path):
    build(world, tmp_path / "one", passages=[world / "entigraph/lamp.json"])
    build(world, tmp_path / "both")
    assert [row for row in rows(tmp_path / "both") if row["document"] == "lamp"] == rows(tmp_path / "one")


def test_same_seed_same_bytes_other_seed_other_order(world, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build(world, tmp_path / name, seed=seed, rate=0.1)
    read = {name: {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc"}
    assert read["a"] == read["b"]
    assert read["a"]["tokens.npy"] != read["c"]["tokens.npy"]


def test_special_tokens_in_a_text_are_text(world, tmp_path):
    build(world, tmp_path, passages=[toys.passages(tmp_path, "odd", ["a <eos> b"])])
    assert np.load(tmp_path / "tokens.npy").tolist().count(models.tokenizer(world / "base").eos_token_id) == 1


def test_budget_beyond_what_exists_says_how_many_exist(world, tmp_path):
    existing = build(world, tmp_path)["existing_tokens"]
    build(world, tmp_path, corpus_tokens=existing)
    with pytest.raises(UserError, match=rf"arms\.toy\.corpus_tokens: {existing + 1} .*{existing} tokens exist.*passages\.entigraph\.pairs"):
        build(world, tmp_path, corpus_tokens=existing + 1)


def test_training_shorter_than_the_corpus_is_refused(world, tmp_path):
    with pytest.raises(UserError, match=r"arms\.toy\.train_tokens: 299 .*arms\.toy\.corpus_tokens: 299"):
        build(world, tmp_path, corpus_tokens=300, train_tokens=299)


def test_no_passages_at_all(world, tmp_path):
    with pytest.raises(UserError, match="there is no passage of entigraph"):
        build(world, tmp_path, passages=[toys.passages(tmp_path, "empty", [])])


def test_epochs_and_replay_rate_decide_the_tokens_of_a_training(world, tmp_path):
    facts = build(world, tmp_path, corpus_tokens=300, epochs=3, rate=0.1)
    assert (facts["train_tokens"], facts["replay_train_tokens"]) == (900, 100)
    assert facts["replay_train_tokens"] / (facts["train_tokens"] + facts["replay_train_tokens"]) == 0.1
    visits = packing.schedule(corpus=tmp_path, seed=1, run_seed=1)
    assert visits[visits[:, 0] == packing.REPLAY][:, 2].sum() == 100


def test_replay_takes_no_more_than_it_needs_and_repeats_what_is_short(world, tmp_path):
    enough = build(world, tmp_path / "enough", corpus_tokens=300, rate=0.1)
    assert enough["replay_tokens"] == enough["replay_train_tokens"] == 33 and enough["replay_epochs"] == 1
    short = build(world, tmp_path / "short", corpus_tokens=300, epochs=3, rate=0.5)
    assert short["num_replay_passages"] == len(toys.SENTENCES)
    assert short["replay_epochs"] == 900 / short["replay_tokens"] > 1


@pytest.mark.parametrize("content", [None, ""])
def test_replay_without_text_is_refused(world, tmp_path, content):
    replay = tmp_path / "replay.jsonl"
    if content is not None:
        replay.write_text(content)
    with pytest.raises(UserError, match=r"corpora\.replay\.path: .*corpora\.replay\.rate"):
        build(world, tmp_path / "corpus", rate=0.1, replay=replay)
    assert build(world, tmp_path / "corpus", rate=0.0, replay=replay)["replay_tokens"] == 0


@pytest.mark.parametrize("line", ["not json", '{"id": "x"}', "[1]", '{"text": 5}'])
def test_bad_row_of_replay_names_its_line(world, tmp_path, line):
    replay = tmp_path / "replay.jsonl"
    replay.write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(UserError, match=r"replay\.jsonl:2: "):
        build(world, tmp_path / "corpus", rate=0.5, replay=replay)
