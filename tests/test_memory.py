"""What a training takes of a device and of the disk: the estimate's parts, presets that fit their cards, and what is told before a run."""

import contextlib
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import toys

from closedbook import params, presets
from closedbook.training import memory, room
from closedbook.util.errors import UserError

ROOT = Path(__file__).parent.parent
USUAL = toys.TRAINING.model_copy(update={"device": "cuda", "dtype": "bfloat16", "block_size": 1024, "batch_size": 8, "accumulation": 4})
LORA = params.Lora(r=16, alpha=32, dropout=0.05)
LLAMA_3_8B = {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 8, "dtype": "bfloat16", "tie_word_embeddings": False}  # fmt: skip
LLAMA_32_1B = LLAMA_3_8B | {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "head_dim": 64,
                           "tie_word_embeddings": True}  # fmt: skip
SMOLLM2 = LLAMA_3_8B | {"vocab_size": 49152, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "num_key_value_heads": 32,
                        "tie_word_embeddings": True}  # fmt: skip
CARDS = {"quality-paper": (LLAMA_3_8B, 80), "quality-lora-24gb": (LLAMA_3_8B, 24), "quality-lora-80gb": (LLAMA_3_8B, 80),
         "quality-small-24gb": (LLAMA_32_1B, 24), "papers": (SMOLLM2, 48)}  # fmt: skip
GB = 1e9 / memory.GIB


def shape(**numbers) -> memory.Shape:
    from transformers import LlamaConfig

    return memory.shape(LlamaConfig(**numbers))


def estimate(settings=USUAL, numbers=LLAMA_32_1B, **changes) -> memory.Estimate:
    return memory.estimate(shape(**numbers), settings.model_copy(update=changes))


def test_a_shape_is_counted_without_weights_as_the_models_are_published():
    assert shape(**LLAMA_3_8B).parameters == 8_030_261_248 and shape(**LLAMA_32_1B).parameters == 1_235_814_400
    toy = toys.model()
    assert memory.shape(toy.config).parameters == toy.num_parameters()


@pytest.mark.parametrize("model_type", ["gpt2", "gpt_neox", "qwen2", "gemma3_text", "mistral", "phi3"])
def test_other_architectures_have_a_shape_too(model_type):
    from transformers import AutoConfig

    found = memory.shape(AutoConfig.for_model(model_type))
    assert found.layer * found.layers + found.embeddings == found.parameters and found.linear
    gated = 2 if model_type in ("gpt2", "gpt_neox") else 4
    assert found.wide % gated == 0 and memory.estimate(found, USUAL).total > 0


@pytest.mark.parametrize("changes", [{"dtype": "float32"}, {}, {"attention": "eager"}, {"attention": "eager", "dtype": "float32"},
                                     {"gradient_checkpointing": True}], ids=str)
def test_activations_are_what_torch_keeps_for_the_backward_pass(changes):
    settings = USUAL.model_copy(update={"block_size": 64, "batch_size": 1, "accumulation": 1, **changes})
    kept = [_kept(settings, layers) for layers in (2, 6)]
    few, many = (memory.estimate(shape(**_small(layers)), settings) for layers in (2, 6))
    estimated = (many.activations + many.copies - few.activations - few.copies) * memory.GIB
    copies = (many.copies - few.copies) * memory.GIB if settings.gradient_checkpointing else 0  # it keeps none for the backward pass
    assert estimated - copies == pytest.approx(kept[1] - kept[0], rel=0.01)


def _small(layers: int) -> dict:
    return {"vocab_size": 100, "hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": layers, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 64}  # fmt: skip


def _kept(settings, layers: int) -> int:
    import torch
    from transformers import LlamaConfig, LlamaModel

    model = LlamaModel(LlamaConfig(**_small(layers))).train()
    model.set_attn_implementation(settings.attention)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    weights, found = {one.untyped_storage().data_ptr() for one in model.parameters()}, {}

    def keep(tensor):
        found[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    autocast = torch.autocast("cpu", torch.bfloat16) if settings.dtype == "bfloat16" else contextlib.nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
        result = model(input_ids=torch.zeros((1, settings.block_size), dtype=torch.long))
    del result
    return sum(one.untyped_storage().nbytes() for place, one in found.items() if place not in weights)


def test_sharding_shares_out_weights_gradients_and_optimizer_and_nothing_else():
    alone, shared = estimate(), estimate(processes=4, accumulation=1, sharding="fsdp")
    for part in ("weights", "gradients", "optimizer"):
        assert getattr(shared, part) == pytest.approx(getattr(alone, part) / 4)
    assert shared.activations == alone.activations and shared.copies > 0
    copied = estimate(processes=4, accumulation=1)
    assert copied.weights == alone.weights and copied.gradients == 2 * alone.gradients, "all processes' gradients meet in buckets"


def test_adapters_leave_frozen_weights_without_gradients_and_optimizer():
    whole, adapted = estimate(), estimate(lora=LORA)
    trained = 16 * 16 * (2048 + 2048 + 2 * (2048 + 512) + 2048 + 2048 + 3 * (2048 + 8192))
    assert memory.trained_parameters(shape(**LLAMA_32_1B), USUAL.model_copy(update={"lora": LORA})) == trained
    assert adapted.gradients == pytest.approx(4 * trained / memory.GIB) and adapted.optimizer == 2 * adapted.gradients
    assert whole.weights / 2 < adapted.weights < whole.weights * 0.55 and adapted.copies == 0
    assert estimate(lora=LORA, dtype="float32").weights > whole.weights
    some = USUAL.model_copy(update={"lora": LORA.model_copy(update={"target_modules": ["q_proj"]})})
    assert memory.trained_parameters(shape(**LLAMA_32_1B), some) == 16 * 16 * 2 * 2048


def test_checkpointing_keeps_the_inputs_of_layers_alone():
    assert estimate(gradient_checkpointing=True).activations < estimate().activations / 5
    assert estimate(accumulation=8).activations == estimate().activations / 2
    assert estimate(attention="eager").activations > estimate(attention="flash_attention_2").activations == estimate().activations


@pytest.mark.parametrize("optimizer, bytes_each", [("adamw_torch_fused", 8), ("adamw_torch", 8), ("lion_32bit", 4), ("sgd", 0),
                                                   ("adafactor", 0), ("adamw_8bit", 2.5), ("paged_adamw_8bit", 2.5), ("lion_8bit", 1.2)])
def test_the_optimizer_is_known_by_its_name(optimizer, bytes_each):
    found = shape(**LLAMA_3_8B)
    took = memory.optimizer_bytes(found, USUAL.model_copy(update={"optimizer": optimizer}))
    assert took / found.parameters == pytest.approx(bytes_each, abs=0.06)


def test_logits_of_long_passes_are_computed_in_parts():
    assert estimate(accumulation=1).logits == estimate(accumulation=4).logits == memory.LOGIT_BYTES * memory.LOGITS / memory.GIB
    assert estimate(block_size=128, accumulation=8).logits == pytest.approx(memory.LOGIT_BYTES * 128 * 128256 / memory.GIB)


@pytest.mark.parametrize("name", CARDS)
def test_a_preset_for_a_card_fits_it_and_says_the_estimate(name):
    numbers, card = CARDS[name]
    settings, found = presets.load(name, ROOT / "presets").training, shape(**numbers)
    took, disk = memory.estimate(found, settings).total, sum(memory.disk(found, settings, 10**6, 2))
    assert took < card * GB * 0.9, "an estimate may be a tenth too small"
    opening = (ROOT / f"presets/{name}.yaml").read_text().partition("\n\n")[0]
    assert f"estimates {took:.1f} GiB" in opening
    assert disk <= int(re.search(r"(\d+) GiB of disk", opening.replace("\n# ", " "))[1]) <= disk + 2
    assert f"{card} GB" in presets.summary(name, ROOT / "presets")


def test_a_training_that_exceeds_its_device_is_told_with_what_would_take_less(monkeypatch):
    found, settings = shape(**LLAMA_3_8B), USUAL.model_copy(update={"attention": "eager"})
    lines = room.advice(found, settings, 24 * GB)
    took = memory.estimate(found, settings).total
    assert f"takes about {took:,.1f} GiB of each device, which has {24 * GB:.1f} GiB (weights 29.9" in lines[0]
    then = [float(line.rpartition(": ")[2].partition(" GiB")[0].replace(",", "")) for line in lines[1:]]
    assert len(then) >= 6 and all(one < took for one in then)
    words = " ".join(lines)
    for change in ("gradient_checkpointing: true", "attention: sdpa", "accumulation: 8", "sharding: fsdp, processes: ", "paged_adamw_8bit"):
        assert change in words
    assert "lora: {r: 16, alpha: 32, dropout: 0.05}" in lines[-1] and lines[-1].endswith("which fits")
    assert room.advice(found, settings, 1000) == room.advice(found, settings, None) == []


def test_every_remedy_is_a_training_that_params_yaml_can_ask_for():
    for _, smaller in room.remedies(shape(**LLAMA_3_8B), USUAL, 80 * GB):
        params.Training(**smaller.model_dump())


def test_a_disk_too_small_for_what_is_to_come_is_refused_with_the_facts(tmp_path, monkeypatch):
    base = toys.base(tmp_path / "base")
    needed = sum(memory.disk(memory.shape(toys.model().config), toys.TRAINING, 100, 2))
    free = needed * memory.GIB
    monkeypatch.setattr(shutil, "disk_usage", lambda place: namedtuple("usage", "free")(free))
    begin = {"reference": base, "settings": toys.TRAINING, "steps": 100, "checkpoints": tmp_path / "a/checkpoints",
             "folder": tmp_path / "b/toy-s1"}  # fmt: skip
    room.check("toy-s1", **begin)
    free -= 1000
    with pytest.raises(UserError, match=r"checkpoints: this training still needs about 0\.\d+ GiB .* disk has 0\.\d+ GiB free: make room"):
        room.check("toy-s1", **begin)
    (tmp_path / "a/checkpoints/checkpoint-2").mkdir(parents=True)
    (tmp_path / "a/checkpoints/checkpoint-2/optimizer.pt").write_bytes(bytes(2000))
    room.check("toy-s1", **begin)  # what a resumed run has written need not be found again
    room.check("toy-s1", **begin | {"steps": 1})


@pytest.mark.parametrize("training, arm, steps", [
    ({"checkpoint_steps": 50}, {"corpus_tokens": 200_000, "train_tokens": 200_000}, 97),
    ({"checkpoint_steps": 10}, {"corpus_tokens": 100_000, "epochs": 2}, 97),
    ({"lora": {"r": 4, "alpha": 8, "dropout": 0.0}}, {"corpus_tokens": "all", "epochs": 2}, 1),
    ({"optimizer": "adafactor"}, {"corpus_tokens": "all", "epochs": 2}, 1),
])  # fmt: skip
def test_a_disk_too_small_for_a_plan_is_refused_before_a_model_is_paid_for(tmp_path, monkeypatch, training, arm, steps):
    toys.base(tmp_path / "base")
    settings = params.load().model_dump()
    settings |= {"base": settings["base"] | {"model": str(tmp_path / "base")}, "training": settings["training"] | training,
                 "arms": {"some": {"strategy": "entigraph", **arm}}}  # fmt: skip
    wanted = params.of(settings, "params.yaml")
    needed = sum(memory.disk(memory.shape(toys.model().config), wanted.training, steps, 2)) * memory.GIB

    def check(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda place: namedtuple("usage", "free")(free))
        room.check_plan(wanted, tmp_path / "checkpoints")

    check(needed + 1)
    with pytest.raises(UserError, match="checkpoints: this training still needs about .* make room"):
        check(needed - 1000)
    (tmp_path / "checkpoints/some-s1").mkdir(parents=True)
    (tmp_path / "checkpoints/some-s1/optimizer.pt").write_bytes(bytes(2000))
    check(needed - 1000)  # what a resumed run has written need not be found again


def test_a_run_that_is_too_large_says_so_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(room, "device_gib", lambda settings: 0.1)
    room.check("toy-s1", toys.base(tmp_path / "base"), toys.TRAINING, 10, tmp_path / "checkpoints", tmp_path / "toy-s1")
    said = capsys.readouterr().err
    assert said.startswith("toy-s1: takes about 0.6 GiB of each device, which has 0.1 GiB")
    assert "training.gradient_checkpointing: true" in said
