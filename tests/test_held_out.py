"""What no training reads: passages and replay texts kept out of every corpus, and the losses on them."""

import csv

import numpy as np
import pytest
import toy_runs
import toys

from closedbook import params
from closedbook.training.reading import Texts
from closedbook.util import files
from closedbook.util.errors import UserError


@pytest.fixture
def made(tmp_path):
    """Passages of a document, as they stand in the corpora of several sizes, with some of them kept out, by (size, number kept out)."""
    toys.base(tmp_path / "base")
    passages = [toys.passages(tmp_path, "lamp", [f"{number}. {toys.SENTENCES[number % 4]}" for number in range(20)], strategy=strategy)
                for strategy in ("entigraph", "rephrase")]  # fmt: skip

    def build(size, held_out, strategy="entigraph"):
        folder = tmp_path / f"{size}-{held_out}"
        toys.built(folder, tmp_path, tmp_path / "base", passages if isinstance(strategy, dict) else passages[:1], strategy=strategy,
                   corpus_tokens=size, held_out=held_out)  # fmt: skip
        pieces = sorted(tmp_path.glob("tokens/*/*.npy"))
        texts = {"corpus": Texts.of_corpus(folder, pieces), "held out": Texts.held_out_of(folder, pieces)}
        return {name: [its.tokens(text).tolist() for text in range(len(its))] for name, its in texts.items()}

    return build


def test_the_same_passages_are_kept_out_of_every_size_and_the_rest_keeps_its_order(made):
    whole, plain, small = made("all", 4), made("all", 0), made(150, 4)
    assert whole["held out"] == small["held out"] == plain["corpus"][:4] and whole["corpus"] == plain["corpus"][4:] and plain["held out"] == []
    assert small["corpus"][:-1] == whole["corpus"][: len(small["corpus"]) - 1]
    assert not [tokens for tokens in whole["held out"] if tokens in whole["corpus"]]


def test_as_many_of_each_strategy_of_a_mixture(made):
    assert len(made("all", 3, {"entigraph": 1, "rephrase": 1})["held out"]) == 6


def test_documents_as_they_stand_are_all_taught(tmp_path):
    toys.base(tmp_path / "base")
    passages = toys.passages(tmp_path, "lamp", toys.SENTENCES, strategy="raw")
    assert toys.built(tmp_path / "corpus", tmp_path, tmp_path / "base", [passages], strategy="raw", held_out=2)["num_held_out"] == 0


def test_a_run_measures_its_loss_on_them(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    world = toy_runs.world(tmp_path / "world", held_out=2)
    plain = toy_runs.build(world, tmp_path / "plain/toy-s1")
    measured = toy_runs.build(world, tmp_path / "measured/toy-s1", evaluate_steps=4)
    assert plain["model.safetensors"] == measured["model.safetensors"] and plain["losses.csv"] == measured["losses.csv"]
    rows = list(csv.DictReader(measured["held_out.csv"].decode().splitlines()))
    last = files.read_json(tmp_path / "measured/toy-s1/run.json")["num_steps"]
    assert [int(row["step"]) for row in rows] == [*range(0, last, 4), last] and plain["held_out.csv"] == b"step,passages,replay\n"
    losses = np.array([[float(row["passages"]), float(row["replay"])] for row in rows])
    assert losses[-1, 0] < losses[0, 0] and losses[0] == pytest.approx([np.log(350)] * 2, rel=0.05), "an untrained toy expects all tokens alike"


def test_measuring_where_nothing_is_held_out_is_refused():
    settings = params.load().model_dump()
    settings["training"]["evaluate_steps"] = 5
    settings["corpora"]["replay"]["held_out"] = 0
    with pytest.raises(UserError, match="training.evaluate_steps measures .* nothing is held out: give corpora.held_out or corpora.replay.held_out"):
        params.of(settings, "params.yaml")
    settings["corpora"]["held_out"] = 1
    params.of(settings, "params.yaml")
