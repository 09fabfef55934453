"""runs: the same bytes twice, a record that adds up, and a kill at the worst moment."""

import shutil

import full_disk
import numpy as np
import pytest
import toy_runs
import toys
from toy_runs import build, given

from closedbook import models, params
from closedbook.stages import runs
from closedbook.training import packing, tracking
from closedbook.util import files
from closedbook.util.errors import UserError


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return toy_runs.world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def logged(monkeypatch):
    return toy_runs.unlogged(monkeypatch)


@pytest.mark.slow
def test_two_runs_are_the_same_bytes_and_another_seed_is_not(world, tmp_path, logged):
    one, again = build(world, tmp_path / "a" / "toy-s1"), build(world, tmp_path / "b" / "toy-s1")
    assert one == again
    assert {"model.safetensors", "config.json", "tokenizer.json", "schedule.npy", "losses.csv", "run.json"} <= one.keys()
    other = build(world, tmp_path / "c" / "toy-s2", run_seed=2)
    assert other["model.safetensors"] != one["model.safetensors"] and other["schedule.npy"] != one["schedule.npy"]


@pytest.mark.slow
def test_what_a_run_writes_ends_at_an_end_of_text_as_well(world, tmp_path, logged):
    from transformers import AutoModelForCausalLM

    own = files.read_json(world / "base/generation_config.json")["eos_token_id"]
    build(world, tmp_path / "same" / "toy-s1")
    assert files.read_json(tmp_path / "same/toy-s1/generation_config.json")["eos_token_id"] == own == 0
    pinned = files.read_json(world / "base/base.json")
    files.write_json(tmp_path / "base.json", pinned | {"end_of_text_id": 7})
    runs.build(**given(world), reference=tmp_path / "base.json", settings=toys.TRAINING, run_seed=1, seed=1,
               checkpoints=tmp_path / "checkpoints", folder=tmp_path / "toy-s1")  # fmt: skip
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "toy-s1").generation_config.eos_token_id == [0, 7]
    assert models.tokenizer(tmp_path / "toy-s1").eos_token_id == 0


def test_record_adds_up(world, tmp_path, logged):
    build(world, tmp_path / "toy-s1")
    run, schedule = files.read_json(tmp_path / "toy-s1" / "run.json"), np.load(tmp_path / "toy-s1" / "schedule.npy")
    assert (run["arm"], run["strategy"], run["seed"], run["corpus_tokens"], run["train_tokens"]) == ("toy", "entigraph", 1, 300, 600)
    for source, name in ((packing.CORPUS, "train_tokens"), (packing.REPLAY, "replay_tokens")):
        assert schedule[schedule[:, 0] == source][:, 2].sum() == run[name]
    assert run["train_tokens"] + run["replay_tokens"] + run["padding_tokens"] == run["num_blocks"] * run["block_size"]
    assert run["num_steps"] == -(-run["num_blocks"] // run["batch_size"]) == len(logged[0]["history"])
    assert run["last_loss"] < run["first_loss"]
    assert logged[0]["name"] == "toy-s1" and logged[0]["sha256"] == run["sha256"] and logged[0]["settings"]["corpus_tokens"] == 300
    assert logged[0]["dataset"]["sha256"] == run["data_sha256"]
    for name, sha256 in run["sha256"].items():
        assert files.sha256_file(tmp_path / "toy-s1" / name) == sha256


def test_a_model_in_shards_is_one_model(world, tmp_path, logged, monkeypatch):
    from transformers import PreTrainedModel

    whole = build(world, tmp_path / "whole/toy-s1")
    save = PreTrainedModel.save_pretrained
    monkeypatch.setattr(PreTrainedModel, "save_pretrained", lambda self, folder, **options: save(self, folder, **options | {"max_shard_size": "50KB"}))
    parts = build(world, tmp_path / "shards/toy-s1", checkpoint_steps=4)
    assert "model.safetensors.index.json" in parts and "model.safetensors" not in parts and len([name for name in parts if "-of-" in name]) > 1
    expected, found = (models.model(tmp_path / name / "toy-s1", "float32").state_dict() for name in ("whole", "shards"))
    assert all((expected[name] == found[name]).all() for name in expected)
    first, second = (files.read_json(tmp_path / name / "toy-s1/run.json")["sha256"] for name in ("whole", "shards"))
    assert models.weights_sha256(first) == first["model.safetensors"] and logged[1]["model_sha256"] == models.weights_sha256(second)
    changed = second | {next(name for name in second if "-of-" in name): "0" * 64}
    assert models.weights_sha256(changed) != models.weights_sha256(second), "every shard counts"
    assert "model.safetensors" in whole


def test_trained_model_loads_like_a_base(world, tmp_path, logged):
    build(world, tmp_path / "toy-s1")
    assert models.model(tmp_path / "toy-s1", "auto").config.use_cache
    assert models.tokenizer_sha256(models.tokenizer(tmp_path / "toy-s1")) == models.tokenizer_sha256(models.tokenizer(world / "base"))


@pytest.mark.slow
def test_kill_after_training_costs_no_training(world, tmp_path, logged, monkeypatch):
    expected = build(world, tmp_path / "a" / "toy-s1")

    def killed(**_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(tracking, "log_run", killed)
        build(world, tmp_path / "b" / "toy-s1")
    assert not (tmp_path / "b" / "toy-s1" / "run.json").exists()
    read = []
    monkeypatch.setattr(packing, "pieces", lambda *args, whole=packing.pieces: read.append(args) or whole(*args))
    assert build(world, tmp_path / "b" / "toy-s1") == expected
    assert len(read) == 1  # the first block is only looked at


def test_block_beyond_the_context_is_refused(world, tmp_path):
    with pytest.raises(UserError, match=rf"training\.block_size: {toys.CONTEXT + 1} .*context is {toys.CONTEXT}"):
        build(world, tmp_path / "toy-s1", block_size=toys.CONTEXT + 1)


def test_corpus_of_another_tokenizer_is_refused(world, tmp_path):
    toys.base(tmp_path / "base")
    toys.tokenizer(["other words altogether"]).save_pretrained(tmp_path / "base")
    for name in ("corpus", "tokens"):
        (tmp_path / name).symlink_to(world / name)
    with pytest.raises(UserError, match="was not made with the tokenizer"):
        build(tmp_path, tmp_path / "toy-s1")


def test_weights_keep_the_number_format_of_the_base(world, tmp_path, logged):
    import torch

    toys.base(tmp_path / "base")
    toys.model().to(torch.bfloat16).save_pretrained(tmp_path / "base")
    for name in ("corpus", "tokens"):
        (tmp_path / name).symlink_to(world / name)
    build(tmp_path, tmp_path / "toy-s1")
    assert models.model(tmp_path / "toy-s1", "auto").dtype == torch.bfloat16


def test_a_disk_too_full_for_the_weights_is_named(tmp_path):
    with full_disk.full_beyond(30_000), pytest.raises(UserError, match="toy: cannot be written .*make room"):
        models.save(toys.model(), toys.tokenizer(toys.SENTENCES), tmp_path / "toy")


def test_all_files_of_a_run_can_be_read_by_the_same_people(world, tmp_path, logged):
    build(world, tmp_path / "toy-s1")
    (tmp_path / "plain").touch()
    assert {path.name: path.stat().st_mode for path in (tmp_path / "toy-s1").iterdir() if path.stat().st_mode != (tmp_path / "plain").stat().st_mode} == {}


def test_a_corpus_whose_tokens_have_changed_since_it_was_made_is_refused(world, tmp_path, logged):
    for name in ("corpus", "tokens", "base"):
        shutil.copytree(world / name, tmp_path / name)
    (piece,) = tmp_path.glob("tokens/entigraph/*.npy")
    ids = np.load(piece)
    ids[0] += 1
    np.save(piece, ids)
    with pytest.raises(UserError, match="corpus: has other tokens than when it was made.*makes both again"):
        build(tmp_path, tmp_path / "toy-s1")


def test_a_training_shorter_than_its_corpus_is_refused(world, tmp_path):
    with pytest.raises(UserError, match=r"arms\.toy\.train_tokens: 299 .*arms\.toy\.corpus_tokens: 299"):
        runs.build(**given(world) | {"length": params.Arm(strategy="entigraph", corpus_tokens="all", train_tokens=299)}, run_seed=1, seed=1,
                   reference=world / "base/base.json", settings=toys.TRAINING, checkpoints=tmp_path / "checkpoints", folder=tmp_path / "toy-s1")  # fmt: skip
