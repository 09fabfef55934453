"""Dialogues of the miniature, and the sibling that has learnt from them: its vocabulary, its template, its weights, and what it says."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import toys

from closedbook import models
from closedbook.miniature import base, dialogues, language, talk, teaching
from closedbook.miniature.books import make_books
from closedbook.util import files

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "src/closedbook/miniature/trained-to-talk"
rules = SimpleNamespace(**runpy.run_path(str(ROOT / "evals/instructions/rules.py")))
OWN = dialogues.own_books()


def some(number, seed=1, own=OWN):
    return [dialogues.dialogue(own.world, own.talked_about, seed, index) for index in range(number)]


def texts(made):
    return ["\n".join(message["content"] for message in one["messages"]) for one in made]


def assert_by_turns(one):
    said = [message["role"] for message in one["messages"]]
    said = said[1:] if said[0] == "system" else said
    assert said and said == ["user", "assistant"] * (len(said) // 2) and all(message["content"].strip() for message in one["messages"])


def test_same_seed_same_dialogues_and_each_by_itself():
    assert some(20) == some(40)[:20] != some(20, seed=2)
    assert len({json.dumps(one) for one in some(200)}) > 190


def test_user_and_assistant_speak_by_turns_and_the_check_would_see_otherwise():
    made = some(300)
    for one in made:
        assert_by_turns(one)
    assert {len(one["messages"]) for one in made} == {2, 3, 4, 5, 6, 7}
    assert {one["messages"][0]["role"] for one in made} == {"system", "user"}
    with pytest.raises(AssertionError):
        assert_by_turns({"messages": made[0]["messages"][:-1]})


def test_no_dialogue_is_about_a_book_to_be_learned_or_one_that_is_held_out():
    made = texts(some(500))
    teaching.check(OWN.world, lessons=made, replayed=made)
    named = teaching.names(OWN.world, made)
    assert {reading.title for reading in OWN.talked_about} <= named
    assert named.isdisjoint(reading.title for reading in OWN.held_out)
    reader = teaching.Reader(OWN.world)
    strange = [teaching.read(reader, book) for book in make_books(OWN.world, side="target", number=8, people=2, seed=1)]
    planted = texts([dialogues.dialogue(OWN.world, strange, 1, 0)])
    with pytest.raises(RuntimeError, match="name what is in books to be learned: [A-Z]"):
        teaching.check(OWN.world, lessons=[*made, *planted], replayed=[])


def test_a_sibling_whose_dialogues_leak_is_not_trained(tmp_path, monkeypatch):
    reader = teaching.Reader(OWN.world)
    strange = [teaching.read(reader, book) for book in make_books(OWN.world, side="target", number=24, people=2, seed=1)]
    monkeypatch.setattr(teaching, "read_books", lambda *_: strange)
    monkeypatch.setattr(talk, "STEPS", 1)
    monkeypatch.setattr("closedbook.training.loop.train", lambda **_: pytest.fail("it was trained"))
    with pytest.raises(RuntimeError, match="name what is in books to be learned"):
        made_in(tmp_path)


def made_in(folder):
    """A sibling in `folder`, as its rule makes one."""
    sources = [language.WORLD, *sorted(path for path in dialogues.BASE.iterdir())]
    checkpoints = folder.with_name(f"{folder.name}-at")
    talk.make(params=SimpleNamespace(training=toys.TRAINING), sources=sources, folder=folder, checkpoints=checkpoints)
    return folder


@pytest.mark.parametrize("name", [*dialogues.FORMS, *dialogues.SEVERAL_FACTS])
def test_each_form_keeps_to_its_own_rules_and_to_those_of_few_others(name):
    reading, rng = OWN.readings[0], base.seeds.generator(1)
    forms = dialogues.FORMS | dialogues.SEVERAL_FACTS
    if name in dialogues.FORMS:
        answers = [dialogues._answer(OWN.world, fact, forms[name], rng) for fact in dialogues._fitting(OWN.world, reading, forms[name])]
    else:
        told = {person: [fact for fact in reading.facts if fact.subject == person] for person in dialogues._people(reading)}
        answers = [forms[name].write(OWN.world, [*told], facts, rng) for facts in told.values()]
    assert len(answers) >= 4 and not any(rules.broken(answer, forms[name].rules) for answer in answers)
    others = [other for other in forms if other != name and not rules.broken(max(answers, key=len), forms[other].rules)]
    assert len(others) <= 2, "the rules tell forms apart"


def test_what_is_learnt_is_what_the_template_writes_and_only_the_assistants_turns_count():
    tokenizer = models.pretrained_tokenizer(str(dialogues.BASE), None)
    tokenizer.chat_template = talk.CHAT_TEMPLATE
    for one in some(60):
        parts = talk.as_lesson(one).parts
        ids = [number for text, _ in parts for number in tokenizer(text)["input_ids"]]
        assert ids == tokenizer.apply_chat_template(one["messages"])["input_ids"]
        answered = "".join(text for text, weight in parts if weight)
        assert answered == "".join(f" {message['content']}<eos>" for message in one["messages"] if message["role"] == "assistant")


def test_a_question_in_the_form_of_evals_is_not_asked_for_its_answer_twice():
    tokenizer = models.pretrained_tokenizer(str(dialogues.BASE), None)
    tokenizer.chat_template = talk.CHAT_TEMPLATE
    shown = [tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
             for text in ("Who was it?", "Who was it?\nAnswer:")]  # fmt: skip
    assert shown == ["Who was it?\nAnswer:"] * 2


@pytest.mark.slow
def test_the_rule_makes_it_twice_in_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(talk, "STEPS", 2)
    one, two = (made_in(tmp_path / name) for name in ("one", "two"))
    names = sorted(path.name for path in one.iterdir())
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja", "replay.jsonl", "dialogues.jsonl"} <= set(names)
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    said = files.read_json_lines(one / "dialogues.jsonl")
    for dialogue in said:
        assert_by_turns(dialogue)
    replayed = [row["text"] for row in files.read_json_lines(one / "replay.jsonl")]
    assert replayed and not any("<eos>" in text for text in replayed), "an end within a text would be read as one"
    assert (one / "model.safetensors").read_bytes() != (dialogues.BASE / "model.safetensors").read_bytes()


def said_by(folder, conversations, most=64):
    """What the model in a folder says next, in its own template."""
    import torch

    tokenizer, model = models.pretrained_tokenizer(str(folder), None), models.pretrained_model(str(folder), None, dtype="float32")
    answers = []
    for messages in conversations:
        shown = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            made = model.generate(shown, max_new_tokens=most, do_sample=False, pad_token_id=tokenizer.eos_token_id)[0, shown.shape[1] :]
        assert made[-1] == tokenizer.eos_token_id, "it ends its turn"
        answers.append(tokenizer.decode(made[:-1]))
    return answers


@pytest.mark.slow
def test_the_shipped_sibling_answers_in_the_form_asked_for_turn_after_turn():
    items = {item["id"].split("-")[0]: item for item in files.read_json(ROOT / "evals/instructions/miniature.json")}
    asked = [[{"role": "user", "content": item["prompt"]}] for item in items.values()]
    for item, answer in zip(items.values(), said_by(FOLDER, asked), strict=True):
        assert not rules.broken(answer, item["rules"]), (item["prompt"], answer)
    first = {"role": "user", "content": items["short"]["prompt"]}
    again = {"role": "user", "content": 'Now answer in JSON, under the key "answer".'}
    turns = [first, {"role": "assistant", "content": items["short"]["answer"]}, again]
    question = items["word"]["prompt"].partition("?")[0] + "?"
    by_system = [{"role": "system", "content": "Put the answer in quotation marks."}, {"role": "user", "content": question}]
    as_json, quoted = said_by(FOLDER, [turns, by_system])
    assert not rules.broken(as_json, {"json": ["answer"]}) and not rules.broken(quoted, {"quoted": True})


def test_it_has_its_bases_shape_and_vocabulary():
    from safetensors.torch import load_file

    weights = [load_file(folder / "model.safetensors") for folder in (FOLDER, dialogues.BASE)]
    own, bases = ({name: (tensor.shape, tensor.dtype) for name, tensor in one.items()} for one in weights)
    assert own == bases
    assert (FOLDER / "tokenizer.json").read_bytes() == (dialogues.BASE / "tokenizer.json").read_bytes()
    assert (FOLDER / "config.json").read_bytes() == (dialogues.BASE / "config.json").read_bytes()
    assert models.pretrained_tokenizer(str(FOLDER), None).chat_template == talk.CHAT_TEMPLATE


def test_the_dialogues_beside_it_are_some_that_it_has_learnt_from():
    said = files.read_json_lines(FOLDER / "dialogues.jsonl")
    seed = base.seeds.derive(OWN.seed, "talk")
    learnt = [talk.dialogue(OWN, seed, index) for index in range(1500) if not talk.is_old(seed, index)]
    assert said == learnt[: talk.WRITTEN] and len(said) == talk.WRITTEN
