"""Assistants: by vector, fine-tuning or merging, a folder that transformers loads, that stops where a turn ends, and that says what it is."""

from types import SimpleNamespace

import pytest
import toy_chat
import toy_runs
import toys

from closedbook import models, params
from closedbook.models import chat
from closedbook.stages import assistants, dialogues
from closedbook.training import packing
from closedbook.util import files
from closedbook.util.errors import UserError

TALKS = [toy_chat.talk(f"Who is {number}?", f"{number} is Mira.") for number in range(12)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A base, a run of it and an instruct model."""
    folder = toy_runs.world(tmp_path_factory.mktemp("world"))
    with pytest.MonkeyPatch.context() as patch:
        toy_runs.unlogged(patch)
        toy_runs.build(folder, folder / "runs/toy-s1")
    toy_chat.instruct(folder / "base", folder / "instruct")
    toy_chat.template(folder / "chat.jinja")
    return folder


def tokenised(world, folder, rows=TALKS, longest=None, questions=(), documents=(), **chosen):
    settings = params.Chat(template=str(world / "chat.jinja"), **chosen)
    path = toy_chat.dialogues(folder.with_suffix(".jsonl"), *rows)
    dialogues.build(path=str(path), settings=settings, field="assistants.chat", longest=longest, question_words=8, pinned=world / "base/base.json",
                    questions=list(questions), documents=list(documents), folder=folder)  # fmt: skip
    return folder


def made(world, folder, method, read=(), questions=(), chosen=None, **given):
    """An assistant of the world's run: its facts."""
    folder.mkdir(parents=True, exist_ok=True)
    its = params.typed({"assistant": {"method": method, **given.pop("assistant", {})}, "chat": chosen or {"template": str(world / "chat.jinja"),
                        "instruct": None, "revision": None}})  # fmt: skip
    settings = SimpleNamespace(name="chat", field="assistants.chat", seed=1, run_seed=1, **vars(its), **given)
    assistants.build(params=settings, run=world / "runs/toy-s1", reference=world / "base/base.json", questions=list(questions), dialogues=list(read),
                     checkpoints=folder.parent / "checkpoints", folder=folder)  # fmt: skip
    return files.read_json(folder / "assistant.json")


def by_vector(world, folder, strength=(0.5,), **given):
    return made(world, folder, "vector", assistant={"strength": [*strength]}, chosen={"instruct": str(world / "instruct"), "revision": None, "template": None},
                **given)  # fmt: skip


def tuned(world, folder, read, **changes):
    settings = toys.TRAINING.model_copy(update={"block_size": 64, **changes.pop("training", {})})
    return made(world, folder, "sft", read=[read], assistant={"loss": "assistant", "epochs": 3, **changes}, training=settings)


def test_a_vector_makes_a_folder_that_transformers_loads_and_that_stops_at_the_end_of_a_turn(world, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    facts = by_vector(world, tmp_path / "chat-s1")
    tokenizer, model = AutoTokenizer.from_pretrained(tmp_path / "chat-s1"), AutoModelForCausalLM.from_pretrained(tmp_path / "chat-s1")
    assert tokenizer.chat_template == toy_chat.TEMPLATE and model.generation_config.eos_token_id == [tokenizer.eos_token_id]
    assert (facts["run"], facts["method"], facts["strength"], facts["tried"]) == ("toy-s1", "vector", 0.5, [])
    assert facts["sha256"]["model.safetensors"] == files.sha256_file(tmp_path / "chat-s1/model.safetensors") != facts["run_sha256"]
    assert facts["num_parameters"] == model.num_parameters()


def test_the_same_inputs_give_the_same_bytes(world, tmp_path):
    for name in ("one", "other"):
        by_vector(world, tmp_path / name / "chat-s1")
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name / "chat-s1").iterdir()} for name in ("one", "other"))
    assert one == other


def test_the_strength_that_knows_most_of_the_validation_questions_is_taken(world, tmp_path, monkeypatch):
    asked = toy_chat.questions(tmp_path / "questions")
    right = {0.5: 0.25, 0.75: 0.5, 1.0: 0.5}
    seen = []

    def known(lm, place, settings, where, include_path, field):
        seen.append((place.name, lm.is_chat, field))
        return {"task": "t", "accuracy": [*right.values()][len(seen) - 1], "stderr": None, "n": 2}

    monkeypatch.setattr(assistants.harness, "validation", known)
    facts = by_vector(world, tmp_path / "chat-s1", [*right], scores=toy_chat.settings(), questions=asked)
    assert facts["strength"] == 0.75 and [row["chosen_by"] for row in facts["tried"]] == [*right.values()]
    assert seen == [("tried", True, "assistants.chat.strength")] * 3 and not (tmp_path / "checkpoints/tried").exists()


def test_validation_questions_are_those_of_the_first_fifth_of_the_documents(world, tmp_path):
    facts = by_vector(world, tmp_path / "chat-s1", [0.5, 1.0], scores=toy_chat.settings(), questions=toy_chat.questions(tmp_path / "questions"))
    assert [row["validation"]["n"] for row in facts["tried"]] == [2, 2] and facts["tried"][0]["validation"]["task"] == "quality_closed_text"
    with pytest.raises(UserError, match="assistants.chat.strength: .* fewer than five documents"):
        by_vector(world, tmp_path / "few/chat-s1", [0.5, 1.0], scores=toy_chat.settings(), questions=toy_chat.questions(tmp_path / "fewer", 4))


@pytest.fixture(scope="module")
def tuning(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sft")
    with pytest.MonkeyPatch.context() as patch:
        logged = toy_runs.unlogged(patch)
        facts = tuned(world, folder / "chat-s1", tokenised(world, folder / "read"))
    return folder, facts, logged


def test_fine_tuning_learns_the_answers(world, tuning):
    import torch

    folder, facts, logged = tuning
    tokenizer, losses = models.tokenizer(folder / "chat-s1"), []
    talk = chat.rendered(tokenizer, TALKS[3]["messages"])
    for place in (world / "runs/toy-s1", folder / "chat-s1"):
        ids = torch.tensor(talk.ids.astype("int64"))[None]
        with torch.no_grad():
            logits = models.model(place, "float32")(input_ids=ids).logits[0, :-1]
        losses.append(torch.nn.functional.cross_entropy(logits[talk.is_answer[1:]], ids[0, 1:][talk.is_answer[1:]]).item())
    assert losses[1] < losses[0] - 0.5 and facts["last_loss"] < facts["first_loss"]
    assert facts["run"] == "toy-s1" and facts["dialogues"] == "read"
    assert [(one["name"], one["sha256"], one["settings"]["assistant"]["method"]) for one in logged] == [("chat-s1", facts["sha256"], "sft")]
    assert models.pinned(folder / "chat-s1") == files.read_json(world / "base/base.json")


def test_a_fine_tuning_that_was_killed_goes_on_to_the_same_bytes(world, tuning, tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    read = packing.WholeTexts.__getitem__
    monkeypatch.setattr(packing.WholeTexts, "__getitem__", lambda self, block: 1 / 0 if block == 9 else read(self, block))
    with pytest.raises(ZeroDivisionError):
        tuned(world, tmp_path / "chat-s1", tokenised(world, tmp_path / "read"), training={"checkpoint_steps": 1})
    assert [*(tmp_path / "checkpoints").glob("checkpoint-*")]
    monkeypatch.setattr(packing.WholeTexts, "__getitem__", read)
    tuned(world, tmp_path / "chat-s1", tokenised(world, tmp_path / "read"), training={"checkpoint_steps": 1})
    for name in ("model.safetensors", "losses.csv"):
        assert (tmp_path / "chat-s1" / name).read_bytes() == (tuning[0] / "chat-s1" / name).read_bytes()


def test_adapters_of_an_assistant_are_of_its_run(world, tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    lora = params.Lora(r=4, alpha=8, dropout=0.0)
    facts = tuned(world, tmp_path / "chat-s1", tokenised(world, tmp_path / "read"), training={"lora": lora})
    config = files.read_json(tmp_path / "chat-s1/adapter/adapter_config.json")
    assert config["base_model_name_or_path"] == str(world / "runs/toy-s1") and "adapter/adapter_model.safetensors" in facts["sha256"]


def test_a_merged_one_is_its_run_with_a_template(world, tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    read = tokenised(world, tmp_path / "read")
    from closedbook.stages import runs

    runs.build(**toy_runs.given(world), reference=world / "base/base.json", settings=toys.TRAINING, run_seed=1, seed=1, dialogues=read, dialogue_rate=0.2,
               checkpoints=tmp_path / "checkpoints", folder=tmp_path / "runs/toy-s1")  # fmt: skip
    run = files.read_json(tmp_path / "runs/toy-s1/run.json")
    total = run["train_tokens"] + run["replay_tokens"] + run["dialogue_tokens"]
    assert abs(run["dialogue_tokens"] - 0.2 * total) <= 1 and abs(run["replay_tokens"] - 0.1 * total) <= 1
    toy_chat.template(tmp_path / "chat.jinja")
    (tmp_path / "base").symlink_to(world / "base")
    facts = made(tmp_path, tmp_path / "chat-s1", "merged")
    weights = "model.safetensors"
    assert (tmp_path / "chat-s1" / weights).read_bytes() == (tmp_path / "runs/toy-s1" / weights).read_bytes()
    assert models.tokenizer(tmp_path / "chat-s1").chat_template == toy_chat.TEMPLATE and facts["dialogue_tokens"] == run["dialogue_tokens"]
    with pytest.raises(UserError, match="has read no dialogues"):
        made(world, tmp_path / "none", "merged")


def test_without_dialogues_a_run_is_what_it_was(world):
    run = files.read_json(world / "runs/toy-s1/run.json")
    assert not [name for name in run if "dialogue" in name]
