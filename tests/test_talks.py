"""Dialogues: which are none, how a template makes tokens of them, which of these the assistant says, and which dialogues are kept out."""

import json

import numpy as np
import pytest
import toy_chat
import toys
from toy_chat import talk

from closedbook import params
from closedbook.models import chat, frame
from closedbook.sources import dialogues
from closedbook.stages import dialogues as stage
from closedbook.training import packing
from closedbook.training.reading import Texts
from closedbook.util import files
from closedbook.util.errors import UserError

FIELD = "assistants.chat"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return toys.base(tmp_path_factory.mktemp("base"))


def build(base, folder, *rows, template=toy_chat.TEMPLATE, longest=None, questions=(), documents=(), **chosen):
    if template:
        files.write_text(folder / "chat.jinja", template)
    settings = params.Chat(template=str(folder / "chat.jinja") if template else None, **chosen)
    path = folder / "chat.jsonl"
    if not path.exists():
        toy_chat.dialogues(path, *rows)
    stage.build(path=str(path), settings=settings, field=FIELD, longest=longest, question_words=8, pinned=base, questions=list(questions),
                documents=list(documents), folder=folder / "read")  # fmt: skip
    return folder / "read"


def row(*messages):
    return {"messages": [dict(zip(("role", "content"), message)) for message in messages]}


@pytest.mark.parametrize("wrong, problem", [
    ([], "no dialogue"),
    ({"text": "x"}, "no dialogue"),
    ({"messages": []}, "no dialogue"),
    (row(("user", "a"), ("user", "b")), "message 2 is of 'user', where assistant must speak"),
    (row(("assistant", "a")), "message 1 is of 'assistant', where user must speak"),
    (row(("user", "a"), ("assistant", "b"), ("system", "c")), "message 3 is of 'system'"),
    (row(("user", "a"), ("assistant", " \n")), "message 2 .assistant. is empty"),
    (row(("user", "a"), ("assistant", None)), "message 2 .assistant. is empty"),
    (row(("user", "a")), "does not have the last word"),
    (row(("system", "a")), "does not have the last word"),
])  # fmt: skip
def test_what_is_no_dialogue_is_named_with_its_line(tmp_path, wrong, problem):
    path = toy_chat.dialogues(tmp_path / "chat.jsonl", talk("Who?", "Mira.", system="Be short."), wrong)
    with pytest.raises(UserError, match=f"chat.jsonl:2: .*{problem}"):
        list(dialogues.rows(str(path), "assistants.chat.path"))


def test_files_that_hold_none_and_names_that_lead_nowhere_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    files.write_text(tmp_path / "empty.jsonl", "")
    with pytest.raises(UserError, match="assistants.chat.path: .*empty.jsonl holds no dialogue"):
        list(dialogues.rows(str(tmp_path / "empty.jsonl"), "assistants.chat.path"))
    files.write_text(tmp_path / "bad.jsonl", json.dumps(talk("a", "b")) + "\n{")
    with pytest.raises(UserError, match="bad.jsonl:2: not JSON"):
        list(dialogues.rows(str(tmp_path / "bad.jsonl"), "assistants.chat.path"))
    with pytest.raises(UserError, match="assistants.chat.path: nobody/nothing@main#train_sft is neither a file"):
        list(dialogues.rows("nobody/nothing@main#train_sft", "assistants.chat.path"))


def test_a_data_set_is_read_as_a_file_is(tmp_path):
    """A folder stands for one on the Hub: the library reads both alike."""
    rows = [talk("Who?", "Mira."), talk("When?", "A year.")]
    toy_chat.dialogues(tmp_path / "set/train.jsonl", *rows)
    found = dict(dialogues.rows(str(tmp_path / "set"), "assistants.chat.path"))
    assert [*found.values()] == [one["messages"] for one in rows] and [*found][1].endswith("set: row 1")


def test_tokens_are_the_rendered_text_and_the_assistant_says_its_turns(base, tmp_path):
    rows = [talk("Who?", "Mira.", "Where?", "Varn.", system="Be short."), talk("When?", "A year.")]
    place = build(base, tmp_path, *rows)
    spelling, texts, is_answer = toys.tokenizer(), Texts.of_dialogues(place), np.load(place / "is_answer.npy")
    offsets = texts.offsets
    assert spelling.decode(texts.tokens(0)) == "system:\nBe short.\nuser:\nWho?\nassistant:\nMira.<eos>\nuser:\nWhere?\nassistant:\nVarn.<eos>\n<eos>"
    assert spelling.decode(texts.tokens(0)[is_answer[: offsets[1]]]) == "Mira.<eos>\nVarn.<eos>\n"
    assert spelling.decode(texts.tokens(1)[is_answer[offsets[1] :]]) == "A year.<eos>\n"
    counts = files.read_json(place / "dialogues.json")
    assert (counts["num_dialogues"], counts["tokens"], counts["answer_tokens"]) == (2, offsets[-1], is_answer.sum())


def test_a_template_of_an_instruct_model_is_taken_where_no_other_is_named(base, tmp_path):
    instruct = toy_chat.instruct(base.parent, tmp_path / "instruct")
    place = build(base, tmp_path, talk("Who?", "Mira."), template=None, instruct=str(instruct))
    assert files.read_json(place / "dialogues.json")["instruct"] == str(instruct)
    with pytest.raises(UserError, match="assistants.chat.template: the tokenizer of .* has no chat template"):
        build(base, tmp_path / "none", talk("Who?", "Mira."), template=None)


@pytest.mark.parametrize("template, problem", [
    ("{% for message in messages %}{{ message.content }}\n{% endfor %}", "begins with no special token, so it would never stop"),
    ("{{ messages[0].content", "the chat template fails"),
    ("{{ raise_exception('no system') }}", "the chat template fails .no system"),
    ("{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}", "an answer otherwise than it asks"),
])  # fmt: skip
def test_a_template_that_cannot_be_learnt_from_is_refused(base, tmp_path, template, problem):
    with pytest.raises(UserError, match=f"assistants.chat.template: .*{problem}"):
        build(base, tmp_path, talk("Who?", "Mira."), template=template)


def test_a_template_that_asks_for_an_answer_within_a_token_is_refused():
    spelling = toys.tokenizer(["assistant: Bword", "assistant: Bword and so on"])
    spelling.chat_template = ("{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
                              "{% if add_generation_prompt %}assistant: {% endif %}")
    with pytest.raises(UserError, match="assistants.chat.template: it asks for an answer with 'word<eos>assistant: ', .* joins with the answer's"):
        chat._check_template(spelling, FIELD)
    spelling.chat_template = toy_chat.TEMPLATE
    chat._check_template(spelling, FIELD)


def test_what_stands_before_a_text_stands_before_a_dialogue_once(base, tmp_path, monkeypatch):
    monkeypatch.setattr(frame, "around", lambda tokenizer: ([0], []))
    with pytest.raises(UserError, match="write .* bos_token .* at its beginning, once"):
        build(base, tmp_path, talk("Who?", "Mira."))
    build(base, tmp_path, talk("Who?", "Mira."), template="{{ eos_token }}" + toy_chat.TEMPLATE)
    with pytest.raises(UserError, match="bos_token"):
        build(base, tmp_path, talk("Who?", "Mira."), template="{{ eos_token }}" * 2 + toy_chat.TEMPLATE)


def test_a_template_gives_the_same_text_on_any_day(base):
    spelling = toys.tokenizer()
    spelling.chat_template = "{{ strftime_now('%Y') }}" + toy_chat.TEMPLATE
    assert chat.rendered(spelling, chat.PROBE).text.startswith("26 Jul 2024user:\n")


def test_tokens_that_the_base_has_no_embedding_of_are_refused(base, tmp_path):
    instruct = toy_chat.instruct(base.parent, tmp_path / "instruct", added=2)
    with pytest.raises(UserError, match="'<.1.>', token 351, and .* has an embedding of 350 rows"):
        build(base, tmp_path, talk("Who?", "Mira."), template="{{ '<|1|>' }}" + toy_chat.TEMPLATE, instruct=str(instruct))


def test_a_tokenizer_that_spells_otherwise_is_refused(base, tmp_path):
    other = toys.tokenizer(["quite other words that give other pairs of letters, again and again"])
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="assistants.chat.instruct: the tokenizer of .* spells words otherwise than the base's .model: .* tokens"):
        build(base, tmp_path, talk("Who?", "Mira."), instruct=str(tmp_path / "other"))


def test_too_long_dialogues_are_refused_with_line_and_bound(base, tmp_path):
    with pytest.raises(UserError, match="chat.jsonl:2: .* tokens with its end, and the base's context is 64"):
        build(base, tmp_path, talk("Who?", "Mira."), talk("Who?", "Mira. " * 40))
    with pytest.raises(UserError, match="chat.jsonl:2: .* and training.block_size is 40"):
        build(base, tmp_path / "block", talk("Who?", "Mira."), talk("Who?", "Mira. " * 6), longest=40)


def test_no_test_question_and_no_mark_of_the_template_reaches_a_training(base, tmp_path):
    asked = toy_chat.question(1, question="Who counts all the ships of Varn in that first hard winter?")
    files.write_json(tmp_path / "q/d0.json", [asked])
    document = toys.document(tmp_path, "d0")
    place = build(base, tmp_path, talk("Tell me.", "Gladly."), talk("who counts ALL the ships of varn in that first HARD winter", "Nobody."),
                  talk("Say <eos> now", "No."), questions=[tmp_path / "q/d0.json"], documents=[document])  # fmt: skip
    rejected = files.read_json_lines(place / "rejected.jsonl")
    assert [(one["id"], one["rule"]) for one in rejected] == [("2", "question"), ("3", "special_token")]
    assert rejected[0]["detail"]["question"] == "d0-q1" and rejected[1]["detail"] == {"token": "<eos>"}
    assert files.read_json(place / "dialogues.json")["rejected"] == {"question": 1, "special_token": 1}
    assert [one["id"] for one in files.read_json_lines(place / "dialogues.jsonl")] == ["1"] and len(Texts.of_dialogues(place)) == 1
    with pytest.raises(UserError, match="every dialogue of .* was kept out"):
        build(base, tmp_path / "all", talk("Say <eos> now", "No."))


def test_blocks_hold_whole_dialogues_and_predict_what_is_asked_for(base, tmp_path):
    place = build(base, tmp_path, *[talk("Who?", "Mira. " * number) for number in range(1, 5)])
    texts, is_answer = Texts.of_dialogues(place), np.load(place / "is_answer.npy")
    schedule = packing.schedule([texts], [2 * texts.num_tokens], seed=1, run_seed=1)
    blocks = packing.WholeTexts(texts, is_answer, schedule, 60, 0)
    read = []
    for number in range(len(blocks)):
        block = blocks[number]
        assert block["input_ids"].shape == block["labels"].shape == (60,)
        predicted = block["labels"] != packing.IGNORED
        assert (block["labels"][predicted] == block["input_ids"][predicted]).all()
        whole = toys.tokenizer().decode(block["input_ids"])
        assert whole.startswith("user:\nWho?") and "Mira" in toys.tokenizer().decode(block["input_ids"][predicted])
        assert "Who" not in toys.tokenizer().decode(block["input_ids"][predicted])
        read += block["labels"][predicted].tolist()
    assert len(read) == 2 * is_answer.sum() and schedule[:, 1].tolist()[:4] != schedule[:, 1].tolist()[4:]
