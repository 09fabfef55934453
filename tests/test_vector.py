"""A task vector is the sum it says, tensor by tensor and slice by slice; a model that does not fit is refused with what differs."""

import pytest
import toy_chat
import toys
from safetensors.torch import load_file

from closedbook import models
from closedbook.models import slices, vector
from closedbook.util import files
from closedbook.util.errors import UserError

FIELD = "assistants.chat.instruct"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return toys.base(tmp_path_factory.mktemp("base")).parent


@pytest.fixture(scope="module")
def run(base, tmp_path_factory):
    return toy_chat.instruct(base, tmp_path_factory.mktemp("run"), seed=7)


def added(run, base, instruct, strength, folder):
    found = vector.check(run, (str(base), None), (str(instruct), None), FIELD)
    vector.write(*found, strength, folder)
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_each_tensor_is_the_run_and_a_share_of_what_the_instruct_model_learnt(base, run, tmp_path, monkeypatch, strength):
    import torch

    monkeypatch.setattr(vector, "SLICE", 1000)  # so that each matrix is of several slices
    instruct = toy_chat.instruct(base, tmp_path / "instruct")
    found = added(run, base, instruct, strength, tmp_path / "sum")
    ours, before, after = (load_file(place / "model.safetensors") for place in (run, base, instruct))
    assert found.keys() == ours.keys()
    for name in ours:
        assert torch.allclose(found[name], ours[name] + strength * (after[name] - before[name]), atol=1e-6)
    assert models.pretrained_model(str(run), None).num_parameters() == sum(tensor.numel() for tensor in found.values())


def test_shards_give_the_bytes_of_one_file_and_an_index_that_transformers_reads(base, run, tmp_path):
    import torch

    shards = toy_chat.instruct(base, tmp_path / "shards", seed=7, shards="60KB")
    assert len(list(shards.glob("model-*.safetensors"))) > 1
    instruct = toy_chat.instruct(base, tmp_path / "instruct", shards="50KB")
    one, several = added(run, base, instruct, 0.75, tmp_path / "one"), added(shards, base, instruct, 0.75, tmp_path / "several")
    assert all(torch.equal(one[name], several[name]) for name in one.keys() | several.keys())
    assert sorted(path.name for path in (tmp_path / "several").glob("*.safetensors")) == sorted(path.name for path in shards.glob("model-*.safetensors"))
    models.config(str(shards), None).save_pretrained(tmp_path / "several")
    assert torch.equal(models.pretrained_model(str(tmp_path / "several"), None).state_dict()["model.norm.weight"], one["model.norm.weight"])


def test_what_is_stored_in_bfloat16_is_added_in_float32_and_stored_so(base, tmp_path):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(3)
    ours, before, after = ({"w": torch.randn(40, 25).to(torch.bfloat16)} for _ in range(3))
    for name, named in (("ours", ours), ("before", before), ("after", after)):
        save_file(named, tmp_path / f"{name}.safetensors")
    read = [slices.tensors([tmp_path / f"{name}.safetensors"]) for name in ("ours", "before", "after")]
    vector.write(*read, 0.75, tmp_path / "sum")
    expected = (ours["w"].float() + 0.75 * (after["w"].float() - before["w"].float())).to(torch.bfloat16)
    assert torch.equal(load_file(tmp_path / "sum" / "ours.safetensors")["w"], expected)


def test_added_tokens_have_the_instruct_models_rows_whatever_the_strength(base, run, tmp_path):
    import torch

    instruct = toy_chat.instruct(base, tmp_path / "instruct", added=3)
    found = added(run, base, instruct, 0.5, tmp_path / "sum")["model.embed_tokens.weight"]
    after = load_file(instruct / "model.safetensors")["model.embed_tokens.weight"]
    assert found.shape[0] == 353 and torch.equal(found[350:], after[350:]) and not torch.equal(found[:350], after[:350])


def test_rows_that_only_the_run_has_stay(base, run, tmp_path):
    import torch

    fewer = models.pretrained_model(str(base), None)
    fewer.resize_token_embeddings(340)
    with torch.no_grad():
        fewer.model.norm.weight += 0.1
    fewer.save_pretrained(tmp_path / "instruct")
    found = added(run, base, tmp_path / "instruct", 1.0, tmp_path / "sum")["model.embed_tokens.weight"]
    assert torch.equal(found[340:], load_file(run / "model.safetensors")["model.embed_tokens.weight"][340:])


def refused(run, base, instruct, match):
    with pytest.raises(UserError, match=match):
        vector.check(run, (str(base), None), (str(instruct), None), FIELD)


def test_another_model_of_the_same_shapes_is_refused_by_its_weights(base, run, tmp_path):
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(99)
    LlamaForCausalLM(models.config(str(base), None)).save_pretrained(tmp_path / "other")
    refused(run, base, tmp_path / "other", "another model: half of its matrices .* cosine of -?0.0")
    refused(run, base, base, "has the weights of .*: nothing would be added")


def test_other_shapes_tensors_and_settings_are_named(base, run, tmp_path):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    def made(name, **changes):
        torch.manual_seed(0)
        config = LlamaConfig(**models.config(str(base), None).to_dict() | changes)
        LlamaForCausalLM(config).save_pretrained(tmp_path / name)
        return tmp_path / name

    refused(run, base, made("wide", intermediate_size=96), r"mlp.*has the shape \[.*96.*\] and the base's \[.*64")
    refused(run, base, made("deep", num_hidden_layers=3), "num_hidden_layers is 3 and the base's 2; the base has no tensor model.layers.2")
    refused(run, base, made("heads", num_attention_heads=4, num_key_value_heads=2, head_dim=16), "num_attention_heads is 4 and the base's 2")
    refused(run, base, made("untied", tie_word_embeddings=False), "tie_word_embeddings is False and the base's True")


def test_a_file_that_is_cut_or_is_none_is_named(base, run, tmp_path):
    instruct = toy_chat.instruct(base, tmp_path / "instruct")
    whole = (instruct / "model.safetensors").read_bytes()
    (instruct / "model.safetensors").write_bytes(whole[:-5000])
    with pytest.raises(UserError, match="model.safetensors: ends within a tensor"):
        added(run, base, instruct, 0.5, tmp_path / "sum")
    assert not list((tmp_path / "sum").glob("*.safetensors")), "no half of a file is left"
    (instruct / "model.safetensors").write_bytes(b"\x05")
    refused(run, base, instruct, "is no safetensors file")


def test_quantised_weights_are_refused(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"w": torch.ones(4, dtype=torch.int8)}, tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="w is stored as I8: weights must be floats"):
        slices.tensors([tmp_path / "m.safetensors"])


def test_memory_holds_slices_not_tensors(tmp_path, monkeypatch):
    """No read is larger than a slice, and not more of them than are ahead are under way."""
    monkeypatch.setattr(vector, "SLICE", 64)
    most, read = [], slices.Tensor.slice

    def watched(self, first, end, handle):
        most.append(end - first)
        return read(self, first, end, handle)

    monkeypatch.setattr(slices.Tensor, "slice", watched)
    import torch
    from safetensors.torch import save_file

    save_file({"w": torch.ones(1000)}, tmp_path / "m.safetensors")
    named = slices.tensors([tmp_path / "m.safetensors"])
    vector.write(named, named, named, 1.0, tmp_path / "sum")
    assert max(most) == 64 and len(most) == 3 * 16 and files.sha256_file(tmp_path / "sum/m.safetensors")
