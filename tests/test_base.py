"""base and models: pinned models, from a folder or from the Hub's cache, and clear words where there is none."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import toys
from tokenizers import Tokenizer

from closedbook import base, files, models, params
from closedbook.errors import UserError

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


def build(model, folder, revision=None):
    settings = SimpleNamespace(base=params.Base(model=str(model), revision=revision))
    base.build(params=settings, world=folder / "world.yaml", folder=folder, place=folder, checkpoints=folder.parent / "checkpoints")
    return files.read_json(folder / "base.json")


def test_folder_is_pinned_by_the_hashes_of_its_files(tmp_path):
    pinned = build(save(tmp_path / "model"), tmp_path / "base")
    assert pinned["load"] == str(tmp_path / "model") and pinned["revision"] is None and pinned["context"] == toys.CONTEXT
    assert pinned["sha256"]["model.safetensors"] == files.sha256_file(tmp_path / "model" / "model.safetensors")
    assert (tmp_path / "base" / "replay.jsonl").read_text() == ""


def test_folder_with_the_receipt_of_its_making_holds_what_was_made(tmp_path):
    model = save(tmp_path / "model")
    made = {f"results/base/{path.name}": files.sha256_file(path) for path in model.iterdir()} | {"results/base/base.json": "of another place"}
    files.write_json(model / base.RECEIPT, {"outputs": made})
    assert base.RECEIPT in build(model, tmp_path / "base")["sha256"]
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
    assert pinned["eos_token_id"] == own.eos_token_id and pinned["tokenizer_sha256"] == models.tokenizer_sha256(own)


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
    build(folder, tmp_path / "base")
    with pytest.raises(UserError, match="safetensors"):
        models.model(tmp_path / "base", "float32")


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
