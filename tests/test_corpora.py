"""corpora: seeded order, budgets that are prefixes, replay, and nothing lost without a word."""

import hashlib
import json

import numpy as np
import pytest
import toys

from closedbook import models, params
from closedbook.generation.strategies import STRATEGIES, mixture
from closedbook.records import Passage, Passages
from closedbook.training import amounts
from closedbook.training.reading import Texts
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import registry


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A base and the passages of two documents."""
    folder = tmp_path_factory.mktemp("world")
    toys.base(folder / "base")
    for document in ("lamp", "tide"):
        toys.passages(folder, document, [f"{document} {number}. {toys.SENTENCES[number % 4]}" for number in range(12)])
    return folder


def build(world, folder, corpus_tokens="all", passages=None, seed=1, strategy="entigraph", arms=None, filters=toys.FILTERS):
    return toys.built(folder, world, world / "base", passages or sorted(world.glob("entigraph/*.json")), strategy=strategy, seed=seed,
                      corpus_tokens=corpus_tokens, arms=arms, filters=filters)


def tokens(world, folder):
    """All tokens of a corpus, one after the other."""
    texts = texts_of(world, folder)
    return np.concatenate([texts.tokens(text) for text in range(len(texts))]).tolist()


def texts_of(world, folder):
    return Texts.of_corpus(folder, world.glob("tokens/*/*.npy"))


def rows(folder):
    return files.read_json_lines(folder / "passages.jsonl")


def test_each_line_of_an_index_is_found_by_its_number(world, tmp_path):
    build(world, tmp_path / "corpus")
    toys.replay(tmp_path / "replay", world / "base")
    for index in (tmp_path / "corpus/passages.jsonl", tmp_path / "replay/replay.jsonl"):
        content, places = index.read_bytes(), np.load(index.with_name("lines.npy"))
        assert [json.loads(content[place:].splitlines()[0]) for place in places] == files.read_json_lines(index)


def test_tokens_and_index_spell_the_passages(world, tmp_path):
    facts = build(world, tmp_path)
    tokenizer, read = models.tokenizer(world / "base"), texts_of(world, tmp_path)
    texts = {passage.id: passage.text for path in world.glob("entigraph/*.json") for passage in Passages.read(path).passages}
    assert read.offsets.dtype == np.int64 and read.num_tokens == read.offsets[-1] == facts["corpus_tokens"]
    assert len(rows(tmp_path)) == facts["num_passages"] == len(read) == 24
    for number, row in enumerate(rows(tmp_path)):
        assert read.tokens(number).dtype == np.uint32
        assert tokenizer.decode(read.tokens(number)[:-1]) == texts[row["id"]]
        assert read.tokens(number)[-1] == tokenizer.eos_token_id
    assert facts["cut"] is None and facts["existing_tokens"] == facts["corpus_tokens"]
    assert facts["tokens_sha256"] == hashlib.sha256(np.array(tokens(world, tmp_path), "<u4").tobytes()).hexdigest()


def test_a_corpus_copies_no_token_and_no_text(world, tmp_path):
    facts = build(world, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(registry.CORPUS), "a list of places, and what is said of it"
    assert np.load(tmp_path / "passages.npy").shape == (facts["num_passages"], 3)
    held = [path.read_bytes() for path in tmp_path.iterdir()]
    spelled = [np.load(path).tobytes() for path in world.glob("tokens/entigraph/*.npy")]
    assert not any(piece[:40] in content or b"lighthouse" in content for piece in spelled for content in held)


def test_passages_of_documents_are_interleaved(world, tmp_path):
    build(world, tmp_path)
    documents = [row["document"] for row in rows(tmp_path)]
    assert sum(one != next_one for one, next_one in zip(documents, documents[1:])) > 5


def test_smaller_budget_is_a_prefix_and_says_what_it_cut(world, tmp_path):
    whole, part = build(world, tmp_path / "whole"), build(world, tmp_path / "part", corpus_tokens=300)
    assert tokens(world, tmp_path / "part") == tokens(world, tmp_path / "whole")[:300]
    assert rows(tmp_path / "part") == rows(tmp_path / "whole")[: part["num_passages"]]
    assert part["num_passages"] + part["num_passages_left_out"] == whole["num_passages"]
    assert part["cut"]["passage"] == rows(tmp_path / "part")[-1]["id"]
    assert texts_of(world, tmp_path / "whole").offsets[part["num_passages"]] == 300 + part["cut"]["tokens_left_out"]
    assert part["existing_tokens"] == whole["existing_tokens"]
    assert sum(kind["tokens"] for kind in part["kinds"].values()) == 300


def test_more_passages_keep_the_order_of_the_others(world, tmp_path):
    build(world, tmp_path / "one", passages=[world / "entigraph/lamp.json"])
    build(world, tmp_path / "both")
    assert [row for row in rows(tmp_path / "both") if row["document"] == "lamp"] == rows(tmp_path / "one")


def test_same_seed_same_bytes_other_seed_other_order(world, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build(world, tmp_path / name, seed=seed)
        toys.replay(tmp_path / name / "replay", world / "base", seed=seed)
    read = {name: {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in "abc"}
    assert read["a"] == read["b"]
    assert all(read["a"][name] != read["c"][name] for name in ("passages.npy", "tokens.npy"))


def test_special_tokens_in_a_text_are_text(world, tmp_path):
    build(world, tmp_path / "corpus", passages=[toys.passages(tmp_path, "odd", ["a <eos> b"])])
    assert tokens(world, tmp_path / "corpus").count(models.tokenizer(world / "base").eos_token_id) == 1


def test_budget_beyond_what_exists_says_how_many_exist(world, tmp_path):
    existing = build(world, tmp_path)["existing_tokens"]
    build(world, tmp_path, corpus_tokens=existing)
    with pytest.raises(UserError, match=rf"arms\.toy\.corpus_tokens: {existing + 1} .*{existing} tokens exist.*passages\.entigraph\.pairs"):
        build(world, tmp_path, corpus_tokens=existing + 1)


def test_an_arm_whose_training_is_shorter_than_its_corpus_is_refused_and_named(world, tmp_path):
    whole = build(world, tmp_path, arms={"long": {"epochs": 2}, "fits": {"train_tokens": 9000}})["corpus_tokens"]
    with pytest.raises(UserError, match=rf"arms\.short\.train_tokens: {whole - 1} .*arms\.short\.corpus_tokens: {whole - 1}"):
        build(world, tmp_path, arms={"long": {"epochs": 2}, "short": {"train_tokens": whole - 1}})


def test_how_long_one_trains_changes_nothing_of_a_corpus(world, tmp_path):
    build(world, tmp_path / "a", arms={"once": {"epochs": 1}})
    build(world, tmp_path / "b", arms={"often": {"epochs": 9}, "long": {"train_tokens": 90_000}})
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}


def test_no_passages_at_all(world, tmp_path):
    with pytest.raises(UserError, match="there is no passage of entigraph"):
        build(world, tmp_path / "corpus", passages=[toys.passages(tmp_path, "empty", [])])


def test_epochs_and_replay_rate_decide_the_tokens_of_a_training(world, tmp_path):
    arm = params.Arm(strategy="raw", corpus_tokens=300, epochs=3)
    assert amounts.train_tokens("toy", arm, 300) == 900 and amounts.beside(0.1, 900) == 100
    assert amounts.beside(0.0, 900) == 0


def test_replay_is_all_there_is_and_a_run_takes_what_it_needs(world, tmp_path):
    facts = toys.replay(tmp_path / "replay", world / "base")
    assert facts["num_texts"] == len(toys.SENTENCES) and replayed(tmp_path).num_tokens == facts["tokens"]
    part = replayed(tmp_path, 33)
    assert part.num_tokens == 33 and part.tokens(0).tolist() == replayed(tmp_path, 50).tokens(0).tolist()


def replayed(folder, num_tokens=10**9):
    return Texts.of_replay(folder / "replay", folder / "replay_overlap/all.jsonl", num_tokens)


def test_replay_of_which_everything_holds_a_question_is_none(world, tmp_path):
    files.write_json(tmp_path / "questions.json", [{"id": "q0", "question": toys.SENTENCES[0], "options": ["a", "b", "c", "d"]}])
    files.write_json_lines(tmp_path / "replay.jsonl", [{"text": toys.SENTENCES[0]}])
    with pytest.raises(UserError, match=r"corpora\.replay\.path: .*corpora\.replay\.rate"):
        toys.replay(tmp_path / "replay", world / "base", path=tmp_path / "replay.jsonl", questions=[tmp_path / "questions.json"],
                    documents=[toys.document(tmp_path, "d", text="Nothing.")])


@pytest.mark.parametrize("content", [None, ""])
def test_replay_without_text_is_refused(world, tmp_path, content):
    replay = tmp_path / "replay.jsonl"
    if content is not None:
        replay.write_text(content)
    with pytest.raises(UserError, match=r"corpora\.replay\.path: .*corpora\.replay\.rate"):
        toys.replay(tmp_path / "read", world / "base", path=replay)
    assert toys.replay(tmp_path / "unread", world / "base", path=replay, is_read=False)["tokens"] == 0


@pytest.mark.parametrize("line", ["not json", '{"id": "x"}', "[1]", '{"text": 5}'])
def test_bad_row_of_replay_names_its_line(world, tmp_path, line):
    replay = tmp_path / "replay.jsonl"
    replay.write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(UserError, match=r"replay\.jsonl:2: "):
        toys.replay(tmp_path / "replay", world / "base", path=replay)


@pytest.fixture(scope="module")
def strategies(world, tmp_path_factory):
    """Passages files of several strategies: qa's are many, summaries' are few and short."""
    folder = tmp_path_factory.mktemp("strategies")
    for document in ("lamp", "tide"):
        toys.passages(folder, document, [f"{document} asks {number}. {toys.SENTENCES[number % 4]}" for number in range(20)], "qa")
        toys.passages(folder, document, [f"{document} in short {number}." for number in range(6)], "summaries")
    return sorted(folder.glob("*/*.json"))


def tokens_by_strategy(folder, first=None):
    """Of the first so many passages."""
    given = {"qa": 0, "summaries": 0}
    for row, length in list(zip(rows(folder), np.load(folder / "passages.npy")[:, 2].tolist(), strict=True))[:first]:
        given[row["strategy"]] += length
    return given


@pytest.mark.parametrize("shares", [{"qa": 1, "summaries": 1}, {"qa": 3, "summaries": 1}, {"summaries": 0.75, "qa": 0.25}])
def test_a_mixture_holds_its_shares_in_every_prefix(world, strategies, tmp_path, shares):
    facts = build(world, tmp_path, "all", strategies, strategy=shares)
    longest = int(np.load(tmp_path / "passages.npy")[:, 2].max())
    for first in range(1, facts["num_passages"] + 1):
        given = tokens_by_strategy(tmp_path, first)
        assert abs(given["qa"] / shares["qa"] - given["summaries"] / shares["summaries"]) <= longest / min(shares.values())
    assert {row["strategy"] for row in rows(tmp_path)} == {"qa", "summaries"} and facts["strategy"] == mixture.label(shares)


def test_a_mixture_says_what_each_strategy_gave_and_all_ends_where_one_has_no_more(world, strategies, tmp_path):
    facts = build(world, tmp_path, "all", strategies, strategy={"qa": 1, "summaries": 1})
    qa, summaries = facts["strategies"]["qa"], facts["strategies"]["summaries"]
    assert {name: one["tokens"] for name, one in facts["strategies"].items()} == tokens_by_strategy(tmp_path)
    assert qa["share"] == summaries["share"] == 0.5 and qa["tokens"] < qa["existing_tokens"] and summaries["tokens"] == summaries["existing_tokens"]
    assert summaries["passages"] == 12 and qa["passages"] + 12 == facts["num_passages"] and facts["num_passages_left_out"] == 40 - qa["passages"]
    assert qa["existing_tokens"] + summaries["existing_tokens"] == facts["existing_tokens"]
    alone = build(world, tmp_path / "alone", "all", [path for path in strategies if path.parent.name == "qa"], strategy="qa")
    assert alone["existing_tokens"] == alone["corpus_tokens"] == qa["existing_tokens"], "one strategy by itself gives all"


def test_a_smaller_mixture_is_a_prefix_of_a_larger_one(world, strategies, tmp_path):
    mixed = {"qa": 2, "summaries": 1}
    whole, part = (build(world, tmp_path / name, size, strategies, strategy=mixed) for name, size in (("whole", "all"), ("part", 150)))
    assert tokens(world, tmp_path / "part") == tokens(world, tmp_path / "whole")[:150]
    assert rows(tmp_path / "part") == rows(tmp_path / "whole")[: part["num_passages"]] and whole["num_passages"] > part["num_passages"]
    assert part["existing_tokens"] == whole["existing_tokens"], "what was cut and left out is still counted"


def test_a_mixture_beyond_what_one_strategy_has_names_what_exists(world, strategies, tmp_path):
    mixed = {"qa": 1, "summaries": 1}
    most = build(world, tmp_path, "all", strategies, strategy=mixed)["corpus_tokens"]
    build(world, tmp_path, most, strategies, strategy=mixed)
    with pytest.raises(UserError, match=rf"corpus_tokens: {most + 1} of summaries\+qa, but {most} tokens exist in these shares "
                                        r"\(qa has \d+, summaries has \d+\): give \d+ or less, or all.*passages\.summaries\.samples"):
        build(world, tmp_path, most + 1, strategies, strategy=mixed)
    with pytest.raises(UserError, match="there is no passage of rephrase: results/passages/rephrase says"):
        build(world, tmp_path, "all", [path for path in strategies if path.parent.name == "qa"], strategy={"qa": 1, "rephrase": 1})


def test_spa_takes_equally_many_tokens_of_each_of_its_prompts(world, tmp_path):
    kinds = list(STRATEGIES["spa"].PROMPTS)
    made = [Passage(id=f"lamp/spa/{kind}{sample}", document="lamp", strategy="spa", kind=kind, entities=[], sample=sample, writer="llm", call=None,
                    text=f"{kind} {sample}. " + " ".join(toys.SENTENCES[: 1 + number % 4])) for number, kind in enumerate(kinds) for sample in range(12)]
    Passages(document="lamp", strategy="spa", passages=made, dropped=[]).write(tmp_path / "spa/lamp.json")
    facts = build(world, tmp_path, 1400, [tmp_path / "spa/lamp.json"], strategy="spa")
    given = [facts["kinds"][kind]["tokens"] for kind in kinds]
    longest = int(np.load(tmp_path / "passages.npy")[:, 2].max())
    assert max(given) - min(given) <= 2 * longest and len({facts["kinds"][kind]["passages"] for kind in kinds}) > 1, "passages differ in length"


def test_proposals_are_nothing_to_learn_from(world, tmp_path):
    path = toys.passages(tmp_path, "lamp", ["What to learn."], "active_reading")
    made = Passages.read(path)
    proposal = Passage(id="lamp/active_reading/way", document="lamp", strategy="active_reading", kind="ways", entities=[], sample=0, writer="llm",
                       text="1. Read it twice.", call=None)
    Passages(document="lamp", strategy="active_reading", passages=made.passages, dropped=[], proposals=[proposal]).write(path)
    assert Passages.read(path).proposals == [proposal]
    build(world, tmp_path / "corpus", "all", [path], strategy="active_reading")
    assert [row["id"] for row in rows(tmp_path / "corpus")] == ["lamp/active_reading/0"]
