"""base and models: pinned models, from a folder or from the Hub's cache, and clear words where there is none."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import toys
from tokenizers import Tokenizer

from closedbook import models, params
from closedbook.models import pinning
from closedbook.stages import base
from closedbook.util import files
from closedbook.util.errors import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def save(folder):
    toys.tokenizer().save_pretrained(folder)
    toys.model().save_pretrained(folder)
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub cache that holds acme/toy, as a download leaves it."""
    repository = tmp_path / "hub" / "models--acme--toy"
    save(repository / "snapshots" / COMMIT)
    files.write_text(repository / "refs" / "main", COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def build(model, folder, revision=None, end_of_text=None, letters=False):
    settings = SimpleNamespace(base=params.Base(model=str(model), revision=revision, end_of_text=end_of_text),
                               training=toys.TRAINING, letters=letters, linear=[])
    base.build(params=settings, sources=[], folder=folder, place=folder, checkpoints=folder.parent / "checkpoints")
    return files.read_json(folder / "base.json")


def test_folder_is_pinned_by_the_hashes_of_its_files(tmp_path):
    pinned = build(save(tmp_path / "model"), tmp_path / "base")
    assert pinned["load"] == str(tmp_path / "model") and pinned["revision"] is None and pinned["context"] == toys.CONTEXT
    assert pinned["sha256"]["model.safetensors"] == files.sha256_file(tmp_path / "model" / "model.safetensors")
    assert (tmp_path / "base" / "replay.jsonl").read_text() == ""


def test_folder_with_the_receipt_of_its_making_holds_what_was_made(tmp_path):
    model = save(tmp_path / "model")
    made = {f"results/base/{path.name}": files.sha256_file(path) for path in model.iterdir()} | {"results/base/base.json": "of another place"}
    files.write_json(model / pinning.RECEIPT, {"outputs": made})
    assert pinning.RECEIPT in build(model, tmp_path / "base")["sha256"]
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    with pytest.raises(UserError, match="model.safetensors is not the file that .*receipt.json is of"):
        build(model, tmp_path / "base")
    weights.unlink()
    with pytest.raises(UserError, match="model.safetensors is not the file that .*receipt.json is of"):
        build(model, tmp_path / "base")


def test_folder_may_bring_texts_that_its_model_has_learnt_from(tmp_path):
    model = save(tmp_path / "model")
    files.write_json_lines(model / base.REPLAY, [{"text": "Été."}])
    assert "replay.jsonl" in build(model, tmp_path / "base")["sha256"]
    assert (tmp_path / "base" / "replay.jsonl").read_bytes() == (model / "replay.jsonl").read_bytes()


def test_name_on_the_hub_is_pinned_by_its_commit(hub, tmp_path):
    pinned = build("acme/toy", tmp_path / "base")
    assert (pinned["model"], pinned["load"], pinned["revision"]) == ("acme/toy", "acme/toy", COMMIT)
    assert models.model(tmp_path / "base", "float32").num_parameters() == toys.model().num_parameters()
    assert build("acme/toy", tmp_path / "again", revision=COMMIT) == pinned


def test_the_tokenizer_that_is_kept_spells_as_the_models_own(tmp_path):
    pinned = build(save(tmp_path / "model"), tmp_path / "base")
    kept, own = Tokenizer.from_file(str(tmp_path / "base" / "tokenizer.json")), models.tokenizer(tmp_path / "model")
    for text in (*toys.SENTENCES, "Été \U0001f642 <eos>"):
        assert kept.encode(text).ids == own(text)["input_ids"]
    assert (pinned["before_text"], pinned["end_of_text"], pinned["end_of_text_id"]) == ([], "<eos>", own.eos_token_id)
    assert pinned["tokenizer_sha256"] == models.tokenizer_sha256(own)


def test_a_folder_and_its_base_json_and_a_run_load_alike(tmp_path):
    pinned = toys.base(tmp_path / "base")
    save(tmp_path / "run")
    digests = {models.tokenizer_sha256(models.tokenizer(place)) for place in (pinned, tmp_path / "base", tmp_path / "run")}
    assert len(digests) == 1


@pytest.mark.parametrize("model, revision", [("acme/absent", None), ("no/such/folder", None), ("acme/toy", "nosuchrevision")])
def test_absent_model_names_the_settings_and_the_ways_in(hub, tmp_path, model, revision):
    with pytest.raises(UserError) as error:
        build(model, tmp_path / "base", revision)
    for word in ("base.model", model, "HF_TOKEN", "hf auth login", "base.revision"):
        assert word in str(error.value)
    assert not (tmp_path / "base" / "base.json").exists()


def test_model_without_tokenizer(tmp_path):
    toys.model().save_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match="does not give a tokenizer"):
        build(tmp_path / "model", tmp_path / "base")


def test_tokenizer_without_end_token(tmp_path):
    save(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer_config.json"
    files.write_json(path, {key: value for key, value in files.read_json(path).items() if key != "eos_token"})
    with pytest.raises(UserError, match="no eos_token"):
        build(tmp_path / "model", tmp_path / "base")


def test_pickled_weights_are_refused(tmp_path):
    import torch

    folder = save(tmp_path / "model")
    torch.save(toys.model().state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="pytorch_model.bin: weights must be in safetensors form"):
        build(folder, tmp_path / "base")
    with pytest.raises(UserError, match="safetensors"):
        models.model(folder, "float32")


def cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def in_shards(folder, lost="model-00002-of-00003.safetensors"):
    (folder / "model.safetensors").unlink()
    toys.model().save_pretrained(folder, max_shard_size="50KB")
    (folder / lost).unlink()


def without_a_weight(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file({name: weight for name, weight in weights.items() if "layers.1.mlp.up_proj" not in name}, folder / "model.safetensors", {"format": "pt"})


def configured(**changes):
    return lambda folder: files.write_json(folder / "config.json", files.read_json(folder / "config.json") | changes)


def of_another_model(folder):
    toys.model(vocab_size=300).save_pretrained(folder)


def only(name, content=b""):
    def change(folder):
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(content)
    return change


def sentencepiece(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\2")


BROKEN = {
    "a pointer": (lambda folder: (folder / "model.safetensors").write_text(POINTER), "model.safetensors is a pointer of Git LFS"),
    "a tokenizer's pointer": (lambda folder: (folder / "tokenizer.json").write_text(POINTER), "tokenizer.json is a pointer of Git LFS"),
    "half a download": (cut_short, "incomplete metadata, file not fully covered"),
    "a shard lost": (in_shards, "model-00002-of-00003.safetensors"),
    "the index lost": (lambda folder: in_shards(folder, "model.safetensors.index.json"), "no file named model.safetensors"),
    "a weight lost": (without_a_weight, "lacks 1 weights, as model.layers.1.mlp.up_proj.weight: download it whole"),
    "weights of another size": (configured(vocab_size=400), "does not give a causal language model"),
    "ids beyond the embedding": (of_another_model, r"gives 50 ids that its embedding of 300 rows does not have, as 300 \("),
    "GGUF": (only("toy.Q4.gguf", b"GGUF"), "toy.Q4.gguf: weights must be in safetensors form"),
    "pickled": (only("pytorch_model-00001-of-00002.bin", b"PK"), "pytorch_model-00001-of-00002.bin: weights must be in safetensors form: .*pickles"),
    "quantised": (configured(quantization_config={"quant_method": "gptq", "bits": 4}), r"quantised \(gptq\), and such can't be trained"),
    "sentencepiece": (sentencepiece, "tokenizer.model needs the library sentencepiece, which is not installed"),
    "a broken tokenizer.json": (lambda folder: (folder / "tokenizer.json").write_text('{"version"'), "does not give a tokenizer"),
    "a broken config.json": (lambda folder: (folder / "config.json").write_text('{"model_type"'), "does not give a"),
    "no language model": (configured(model_type="vit", architectures=["ViTModel"]), "does not give a causal language model"),
}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"


@pytest.mark.parametrize("kind", BROKEN)
def test_a_base_that_could_not_be_trained_is_refused_where_it_is_pinned(tmp_path, kind):
    spoil, said = BROKEN[kind]
    spoil(save(tmp_path / "model"))
    with pytest.raises(UserError, match=said) as error:
        build(tmp_path / "model", tmp_path / "base")
    assert str(error.value).startswith("params.yaml: base.model: ") and str(tmp_path / "model") in str(error.value)
    assert not (tmp_path / "base/base.json").exists()


def test_shards_and_special_tokens_that_no_text_gives_are_no_fault(tmp_path):
    """Gemma 3's tokenizer has a token for images, beyond the embedding of its text models."""
    made = toys.tokenizer()
    made.add_special_tokens({"extra_special_tokens": ["<image>"]})
    made.save_pretrained(tmp_path / "model")
    toys.model().save_pretrained(tmp_path / "model", max_shard_size="50KB")
    assert len(made) == 351 and build(tmp_path / "model", tmp_path / "base")["end_of_text"] == "<eos>"
    with pytest.raises(UserError, match=r"gives 1 ids that its embedding of 350 rows does not have, as 350 \('<image>'\)"):
        build(tmp_path / "model", tmp_path / "base", end_of_text="<image>")


def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch):
    def load(*_, **__):
        raise ImportError("needs protobuf")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", load)
    with pytest.raises(UserError, match=r"only with a library that is not installed \(needs protobuf\): install it into .venv"):
        build(save(tmp_path / "model"), tmp_path / "base")


def test_a_block_beyond_the_context_is_refused_where_the_base_is_pinned(tmp_path, monkeypatch):
    save(tmp_path / "model")
    monkeypatch.setattr(toys, "TRAINING", toys.TRAINING.model_copy(update={"block_size": toys.CONTEXT}))
    build(tmp_path / "model", tmp_path / "base")
    monkeypatch.setattr(toys, "TRAINING", toys.TRAINING.model_copy(update={"block_size": toys.CONTEXT + 1}))
    with pytest.raises(UserError, match=f"training.block_size: {toys.CONTEXT + 1} tokens are more than .*: its context is {toys.CONTEXT}"):
        build(tmp_path / "model", tmp_path / "base")


def test_letters_must_be_tokens_only_where_a_task_compares_them(tmp_path):
    save(tmp_path / "model")
    assert build(tmp_path / "model", tmp_path / "base")["context"] == toys.CONTEXT
    with pytest.raises(UserError, match="makes 2 tokens of the letter ' A', and quality_closed compares letters of one token"):
        build(tmp_path / "model", tmp_path / "base", letters=True)


def test_end_of_text_is_pinned_as_asked_for(tmp_path):
    made = toys.tokenizer()
    made.add_special_tokens({"extra_special_tokens": ["<fin>"]})
    made.save_pretrained(tmp_path / "model")
    toys.model(len(made)).save_pretrained(tmp_path / "model")
    pinned = build(tmp_path / "model", tmp_path / "base", end_of_text="<fin>")
    assert (pinned["end_of_text"], pinned["end_of_text_id"]) == ("<fin>", 350)
    with pytest.raises(UserError, match="base.end_of_text: '<end>' is not one special token of"):
        build(tmp_path / "model", tmp_path / "base", end_of_text="<end>")


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    folder = save(tmp_path / "model")
    config = {**files.read_json(folder / "config.json"), "model_type": "odd", "auto_map": {"AutoConfig": "odd.OddConfig"}}
    files.write_json(folder / "config.json", config)
    (folder / "odd.py").write_text("raise SystemExit('ran')\n")
    with pytest.raises(UserError, match="base.model"):
        build(folder, tmp_path / "base")


def test_saved_tokenizer_does_not_depend_on_being_offline(tmp_path):
    models.tokenizer(toys.base(tmp_path / "base")).save_pretrained(tmp_path / "saved")
    assert not {"is_local", "local_files_only"} & files.read_json(tmp_path / "saved" / "tokenizer_config.json").keys()


def test_weights_in_a_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "model")
    assert build("model", Path("results/base"))["load"] == "model"
