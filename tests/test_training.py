"""training: the given order, and the same bytes however often a training is interrupted."""

import itertools
import re
import shutil
from types import SimpleNamespace

import full_disk
import numpy as np
import pytest
import toys

from closedbook import params
from closedbook.training import checkpoints, loop
from closedbook.util.errors import UserError

STEPS = 7


class Killed(Exception):
    pass


class Examples:
    """Random blocks, of which one can make reading fail, as a kill would: after some steps, between two checkpoints."""

    def __init__(self, number=4 * STEPS, fail_at=None, weights=None):
        self.number, self.fail_at, self.weights, self.read = number, fail_at, weights, []

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        if index == self.fail_at:
            raise Killed
        self.read.append(index)
        tokens = np.random.default_rng(index).integers(0, 350, 16)
        example = {"input_ids": tokens, "labels": tokens.copy()}
        return example | ({"weights": self.weights} if self.weights is not None else {})


def train(folder, examples=None, fingerprint="data", model=None, **settings):
    """Bytes of the trained model's weights, and the history."""
    model = model or toys.model(dropout=0.1)
    history = loop.train(
        model=model, dataset=examples or Examples(), settings=toys.TRAINING.model_copy(update=settings), num_steps=STEPS, seed=3,
        folder=folder, label="toy", fingerprint=fingerprint,
    ).history  # fmt: skip
    model.save_pretrained(folder.parent / "model")
    return (folder.parent / "model" / "model.safetensors").read_bytes(), history


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "checkpoints")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Checkpoints of a training that stopped in its sixth step: those of steps 2 and 4."""
    folder = tmp_path_factory.mktemp("stopped") / "checkpoints"
    with pytest.raises(Killed):
        train(folder, Examples(fail_at=4 * 5 + 2))
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]
    return folder


@pytest.fixture
def interrupted(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "checkpoints")


@pytest.mark.slow
def test_resumed_training_gives_the_same_bytes(uninterrupted, interrupted):
    examples = Examples()
    assert train(interrupted, examples) == uninterrupted
    assert min(examples.read[1:]) == 4 * 4  # it went on after step 4; item 0 is only looked at


@pytest.mark.parametrize("lost", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors", "trainer_state.json"])
def test_broken_checkpoint_is_passed_over(uninterrupted, interrupted, lost):
    (interrupted / "checkpoint-4" / lost).unlink()
    assert checkpoints.newest_whole(interrupted).endswith("checkpoint-2")
    assert not (interrupted / "checkpoint-4").exists()
    assert lost != "optimizer.pt" or train(interrupted) == uninterrupted


def test_state_file_cut_short_is_a_broken_checkpoint(interrupted):
    state = interrupted / "checkpoint-4" / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:-10])
    assert checkpoints.newest_whole(interrupted).endswith("checkpoint-2")


def test_without_the_check_a_broken_checkpoint_gives_other_bytes(uninterrupted, interrupted, monkeypatch):
    (interrupted / "checkpoint-4" / "optimizer.pt").unlink()
    monkeypatch.setattr(checkpoints, "_is_whole", lambda checkpoint: True)
    assert train(interrupted) != uninterrupted


def test_finished_training_is_only_read_back(uninterrupted, tmp_path):
    train(tmp_path / "checkpoints")
    again = Examples()
    assert train(tmp_path / "checkpoints", again) == uninterrupted
    assert set(again.read) <= {0}


@pytest.mark.parametrize("change", ["data", "settings", "dropout", "weights"])
def test_checkpoints_of_another_training_are_not_resumed(interrupted, change):
    other_weights = toys.model(dropout=0.1)
    other_weights.model.norm.weight.data[0] = 2
    changes = {
        "data": {"fingerprint": "other data"},
        "settings": {"weight_decay": 0.5},
        "dropout": {"model": toys.model(dropout=0.2)},
        "weights": {"model": other_weights},
    }
    examples = Examples()
    train(interrupted, examples, **changes[change])
    assert examples.read[1:5] == [0, 1, 2, 3]


def test_more_seeds_or_checkpoints_do_not_make_it_another_training(uninterrupted, interrupted):
    assert train(interrupted, seeds=[1, 2], checkpoint_steps=3) == uninterrupted


def test_examples_come_in_their_order_and_begin_again(tmp_path):
    examples = Examples(number=10)
    train(tmp_path / "checkpoints", examples)
    assert examples.read[1 : 1 + 12] == [*range(10), 0, 1]


def test_history_has_every_step_with_warmup_and_smallest_rate(uninterrupted):
    history = uninterrupted[1]
    rates = [row["learning_rate"] for row in history]
    assert [row["step"] for row in history] == list(range(1, STEPS + 1))
    assert rates[0] == 0 and max(rates) == rates[1] == toys.TRAINING.learning_rate
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] > toys.TRAINING.learning_rate * toys.TRAINING.min_learning_rate


def test_held_out_data_are_measured_as_the_training_goes_and_change_nothing(tmp_path):
    def trained(name, none=False, **settings):
        model = toys.model()
        found = loop.train(
            model=model, dataset=Examples(), settings=toys.TRAINING.model_copy(update=settings), num_steps=STEPS, seed=3, label="toy",
            fingerprint="", folder=tmp_path / name, held_out={"seen": Examples(8), "strange": [Examples()[40]]} if settings and not none else {},
        )  # fmt: skip
        return found, model.state_dict()

    (plain, weights), (measured, same) = trained("plain"), trained("measured", evaluate_steps=3)
    assert plain.held_out == [] and plain.history == measured.history and all((weights[name] == same[name]).all() for name in weights)
    assert [row["step"] for row in measured.held_out] == [0, 3, 6, 7] and all({*row} == {"step", "seen", "strange"} for row in measured.held_out)
    assert measured.held_out[0]["seen"] == pytest.approx(plain.history[0]["loss"], rel=0.02)
    assert trained("none held out", evaluate_steps=3, none=True)[0].held_out == []
    assert measured.held_out[-1]["seen"] < measured.held_out[0]["seen"]


@pytest.mark.slow
def test_a_resumed_training_measures_what_an_uninterrupted_one_does(tmp_path):
    def trained(name, **stop):
        return loop.train(model=toys.model(dropout=0.1), dataset=Examples(**stop), settings=toys.TRAINING.model_copy(update={"evaluate_steps": 3}),
                          num_steps=STEPS, seed=3, label="toy", fingerprint="", folder=tmp_path / name, held_out={"seen": Examples(8)})  # fmt: skip

    with pytest.raises(Killed):
        trained("killed", fail_at=4 * 5 + 2)
    assert trained("killed").held_out == trained("whole").held_out


@pytest.mark.slow
def test_accumulation_and_gradient_checkpointing_change_memory_not_results(tmp_path):
    def losses(weights, **settings):
        history = loop.train(
            model=toys.model(), dataset=Examples(weights=weights), settings=toys.TRAINING.model_copy(update=settings), num_steps=3, seed=1,
            folder=tmp_path / "checkpoints", label="toy", fingerprint="",
        ).history  # fmt: skip
        return [row["loss"] for row in history]

    for weights in (None, np.linspace(0, 1, 16, dtype=np.float32)):
        assert losses(weights) == pytest.approx(losses(weights, accumulation=4), rel=1e-4)
        assert losses(weights) == pytest.approx(losses(weights, gradient_checkpointing=True), rel=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler here: g++ is absent")
def test_compiled_steps_lose_what_others_do_and_the_saved_model_has_the_same_names(tmp_path):
    found = {}
    for compiled in (False, True):
        model = toys.model()
        trained = loop.train(model=model, dataset=Examples(), settings=toys.TRAINING.model_copy(update={"compile": compiled}), num_steps=3, seed=3,
                             label="toy", fingerprint="", folder=tmp_path / str(compiled))  # fmt: skip
        found[compiled] = [row["loss"] for row in trained.history], [*model.state_dict()]
    assert found[True][0] == pytest.approx(found[False][0], rel=1e-4) and found[True][1] == found[False][1]


def test_attention_is_computed_as_asked_and_the_saved_model_is_the_same(tmp_path):
    losses = {}
    for attention in ("sdpa", "eager"):
        model = toys.model()
        losses[attention] = train(tmp_path / "checkpoints", model=model, attention=attention)[1]
        assert model.config._attn_implementation == attention
        model.save_pretrained(tmp_path / attention)
    assert [row["loss"] for row in losses["sdpa"]] == pytest.approx([row["loss"] for row in losses["eager"]], rel=1e-4)
    assert (tmp_path / "sdpa/config.json").read_bytes() == (tmp_path / "eager/config.json").read_bytes()


def test_weighted_loss_is_the_weighted_mean(tmp_path):
    import torch

    weights = np.linspace(0, 1, 16, dtype=np.float32)
    examples = Examples(weights=weights)
    batch = torch.stack([torch.from_numpy(examples[index]["input_ids"]) for index in range(4)])
    with torch.no_grad():
        logits = toys.model()(input_ids=batch).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")
    expected = (losses * torch.from_numpy(weights)[1:]).sum() / (4 * weights[1:].sum())
    history = loop.train(
        model=toys.model(), dataset=examples, settings=toys.TRAINING, num_steps=1, seed=1, folder=tmp_path / "checkpoints", label="toy",
        fingerprint="",
    ).history  # fmt: skip
    assert history[0]["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_progress_goes_to_stderr_with_the_tokens_that_were_read(tmp_path, capfd, monkeypatch):
    seconds = itertools.count()
    monkeypatch.setattr("closedbook.training.trainer.time", SimpleNamespace(monotonic=lambda: next(seconds)))  # a second from line to line
    rows = [np.arange(length) for step in range(STEPS) for length in [16 if step < 3 else 8] * 4]
    train(tmp_path / "checkpoints", [{"input_ids": row, "labels": row} for row in rows])
    out, err = capfd.readouterr()
    assert not out
    lines = re.findall(rf"toy: step (\d) of {STEPS}, loss [\d.]+, ([\d,]+) tokens/s", err)
    assert lines == [(str(step + 1), "64" if step < 3 else "32") for step in range(STEPS)]


def test_accumulation_must_share_the_batch():
    settings = toys.TRAINING.model_dump()
    with pytest.raises(ValueError, match="batch_size, 4, must be a multiple of .* = 3: give batch_size 3 or 6"):
        params.Training(**{**settings, "accumulation": 3})


@pytest.mark.parametrize("size", [30_000, 200_000])  # too small for the weights; for torch's optimizer.pt
def test_a_disk_too_full_for_a_checkpoint_is_named_and_the_training_goes_on_later(uninterrupted, tmp_path, size):
    with full_disk.full_beyond(size), pytest.raises(UserError, match="checkpoints: cannot be written .*make room"):
        train(tmp_path / "checkpoints")
    assert train(tmp_path / "checkpoints") == uninterrupted
