"""LoRA: adapters are trained, kept, and merged into the model that everything else reads."""

import pytest
import toy_runs
from safetensors.torch import load_file

from closedbook import models, params
from closedbook.models import sound
from closedbook.training import packing
from closedbook.util import files
from closedbook.util.errors import UserError

LORA = params.Lora(r=4, alpha=8, dropout=0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return toy_runs.world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora") / "toy-s1"
    with pytest.MonkeyPatch.context() as patch:
        toy_runs.unlogged(patch)
        toy_runs.build(world, folder, lora=LORA)
    return folder


def test_only_linear_layers_are_changed_and_the_merged_model_loads_like_any(world, run):
    before, after = load_file(world / "base/model.safetensors"), load_file(run / "model.safetensors")
    changed = {name for name in before if not (before[name] == after[name]).all()}
    assert before.keys() == after.keys() and changed == {name for name in before if "_proj" in name}
    assert models.model(run, "auto").config.use_cache
    assert files.read_json(run / "run.json")["num_parameters"] == models.num_parameters(world / "base")


def test_the_adapters_are_kept_and_give_the_merged_model(world, run):
    import torch
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(models.model(world / "base", "float32"), run / "adapter").eval()
    ids = torch.arange(12)[None]
    with torch.no_grad():
        assert torch.allclose(adapted(input_ids=ids).logits, models.model(run, "float32")(input_ids=ids).logits, atol=1e-4)
    config = files.read_json(run / "adapter/adapter_config.json")
    assert config["target_modules"] == sorted(config["target_modules"]) and config["base_model_name_or_path"] == str(world / "base")
    assert {"adapter/adapter_model.safetensors", "model.safetensors"} <= files.read_json(run / "run.json")["sha256"].keys()


@pytest.mark.slow
def test_a_resumed_training_of_adapters_is_the_same_bytes(world, run, tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    read = packing.PackedDataset.__getitem__
    monkeypatch.setattr(packing.PackedDataset, "__getitem__", lambda self, block: 1 / 0 if block == 20 else read(self, block))
    with pytest.raises(ZeroDivisionError):
        toy_runs.build(world, tmp_path / "toy-s1", lora=LORA)
    assert [*(tmp_path / "checkpoints/toy-s1").glob("checkpoint-*")]
    monkeypatch.setattr(packing.PackedDataset, "__getitem__", read)
    toy_runs.build(world, tmp_path / "toy-s1", lora=LORA)
    for name in ("model.safetensors", "adapter/adapter_model.safetensors", "adapter/adapter_config.json", "losses.csv"):
        assert (tmp_path / "toy-s1" / name).read_bytes() == (run / name).read_bytes()


def test_modules_that_the_model_has_not_are_refused_with_those_it_has(world):
    pinned = files.read_json(world / "base/base.json")
    sound.check_linear(pinned, ["q_proj", "down_proj"])
    for name in ("query_proj", "norm"):
        with pytest.raises(UserError, match=f"training.lora.target_modules: .* has no linear layer {name}: it has .*_proj"):
            sound.check_linear(pinned, [name])
