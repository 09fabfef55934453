"""An assistant is scored in its chat template: the prompt in the user's turn, the answer where the template has one."""

from types import SimpleNamespace

import pytest
import toy_chat
import toys

from closedbook import models
from closedbook.evaluation import harness, instructions
from closedbook.models import chat
from closedbook.stages import scores
from closedbook.util import files
from closedbook.util.errors import UserError

SPACED = ("{% for m in messages %}{% if m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}{% else %}{{ m.content + '\\nAnswer:' }}{% endif %}"
          "{% endfor %}")  # fmt: skip


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    """A folder, without the training that makes one."""
    base = toys.base(tmp_path_factory.mktemp("base"), context=16_384)
    folder = toy_chat.instruct(base.parent, tmp_path_factory.mktemp("chat") / "chat-s1")
    said = {"assistant": "chat-s1", "name": "chat", "run": "raw-s1", "arm": "raw", "method": "vector", "strength": 0.5, "tried": [{}], "seed": 1,
            "corpus_tokens": 10, "train_tokens": 20, "held_out_sha256": None, "base": files.read_json(base)}  # fmt: skip
    files.write_json(folder / "assistant.json", said)
    return folder


def score(folder, model, rows, **changes):
    files.write_json(folder / "questions.json", rows)
    scores.build(model=model, questions=[folder / "questions.json"], documents=[], retrieved=[], replay=[], output=folder / "score.json",
                 samples=folder / "samples.jsonl", params=SimpleNamespace(scores=toy_chat.settings(**changes)))  # fmt: skip
    return files.read_json(folder / "score.json"), files.read_json_lines(folder / "samples.jsonl")


def log_likelihood(model, prompt, answer):
    import torch

    spelling, weights = models.tokenizer(model), models.model(model, "float32")
    ids, asked = spelling.encode(prompt + answer), len(spelling.encode(answer))
    with torch.no_grad():
        logits = weights(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(logits[place - 1, ids[place]].item() for place in range(len(ids) - asked, len(ids)))


@pytest.mark.parametrize("template, around", [(toy_chat.TEMPLATE, ("user:\n{}\nassistant:\n", "")), (SPACED, ("{}\nAnswer:", " "))])
def test_options_are_measured_where_the_template_has_the_answer(assistant, tmp_path, monkeypatch, template, around):
    spelling = models.tokenizer(assistant)
    spelling.chat_template = template
    monkeypatch.setattr(models, "tokenizer", lambda reference: spelling)
    assert chat.lead(spelling) == around[1]
    row = toy_chat.question(1)
    found, (answer,) = score(tmp_path, assistant, [row])
    prompt = around[0].format(f'In the context of "d0", {row["question"]}\nAnswer:')
    expected = [log_likelihood(assistant, prompt, around[1] + option) for option in row["options"]]
    assert answer["log_likelihoods"] == pytest.approx(expected, abs=1e-3)
    assert (found["run"], found["arm"], found["strategy"]) == ("chat-s1", "chat", "assistant")
    assert found["of"] == {"run": "raw-s1", "arm": "raw", "method": "vector", "strength": 0.5, "is_chosen": True}


@pytest.mark.parametrize("task, method", [("quality_rag", "loglikelihood"), ("quality_cot", "generate_until"), ("quality_rag_cot", "generate_until")])
def test_by_retrieval_and_by_chain_of_thought_it_is_asked_in_the_template_too(assistant, tmp_path, monkeypatch, task, method):
    from closedbook.evaluation.shown import Shown

    asked, ask = [], getattr(Shown, method)
    monkeypatch.setattr(Shown, method, lambda self, requests, **options: asked.extend(one.args[0] for one in requests) or ask(self, requests, **options))
    row, shown = toy_chat.question(1), "The keeper counts the ships."
    chunks = [{"document": "d0", "chunk": 0, "text": shown, "score": 1.0}]
    files.write_json_lines(tmp_path / "chunks.jsonl", [{"question": row["id"], "document": "d0", "chunks": chunks}])
    files.write_json(tmp_path / "questions.json", [row])
    cot = {"samples": 1, "temperature": 1.0, "max_tokens": 4}
    wanted = SimpleNamespace(scores=toy_chat.settings(tasks=[task], cot=cot), seed=1,
                             retrieval=SimpleNamespace(chunks=[1], order=["best_last"], temperature=[1.0]))  # fmt: skip
    scores.build(model=assistant, questions=[tmp_path / "questions.json"], documents=[], retrieved=[tmp_path / "chunks.jsonl"], replay=[],
                 output=tmp_path / "score.json", samples=tmp_path / "samples.jsonl", params=wanted)  # fmt: skip
    assert asked and all(prompt.startswith("user:\n") and prompt.endswith("\nassistant:\n") and row["question"] in prompt for prompt in asked)
    assert all((shown in prompt) == ("rag" in task) for prompt in asked)


def test_the_same_weights_as_a_run_are_asked_without_a_template(assistant, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(assistant, run)
    files.write_json(run / "run.json", files.read_json(run / "assistant.json"))
    (run / "assistant.json").unlink()
    row = toy_chat.question(1)
    (_, (plain,)), (_, (talked,)) = (score(tmp_path, model, [row]) for model in (run, assistant))
    prompt = f'In the context of "d0", {row["question"]}\nAnswer:'
    assert plain["log_likelihoods"] == pytest.approx([log_likelihood(run, prompt, f" {option}") for option in row["options"]], abs=1e-3)
    assert plain["log_likelihoods"] != talked["log_likelihoods"]


def test_what_a_template_sets_around_a_prompt_counts_in_the_context(assistant):
    lm = harness.loaded(assistant, toy_chat.settings())
    framed = models.tokenizer(assistant).encode("user:\nA prompt\nassistant:\n")
    assert harness._metadata(lm, assistant, {})["template_tokens"] == len(framed) - len(models.tokenizer(assistant).encode("A prompt"))


TASK = """task: obeys
custom_dataset: !function obeys.load
test_split: test
output_type: generate_until
doc_to_text: prompt
doc_to_target: ""
generation_kwargs: {max_gen_toks: 4, until: [], do_sample: false}
process_results: !function obeys.score
metric_list:
  - {metric: kept, aggregation: mean, higher_is_better: true}
  - {metric: aside, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
CODE = """def load(**_):
    import datasets
    return {"test": datasets.Dataset.from_list([{"prompt": "Say yes."}, {"prompt": "Say no."}])}


def score(doc, results):
    return {"kept": float(doc["prompt"] == "Say yes."), "aside": 0.25}
"""


def test_instructions_have_the_first_metric_that_their_task_lists(assistant, tmp_path, monkeypatch):
    files.write_text(tmp_path / "evals/obeys/obeys.yaml", TASK)
    files.write_text(tmp_path / "evals/obeys/obeys.py", CODE)
    monkeypatch.setattr(instructions, "EVALS", tmp_path / "evals")
    asked = []
    from closedbook.evaluation.shown import Shown

    generate = Shown.generate_until
    monkeypatch.setattr(Shown, "generate_until", lambda self, requests, **options: asked.extend(one.args[0] for one in requests) or generate(self, requests, **options))
    instructions.check_tasks(["obeys"])
    found, _ = score(tmp_path, assistant, [toy_chat.question(1)], instructions=["obeys"])
    measured = found["instructions"]["obeys"]
    assert (measured["metric"], measured["value"], measured["metrics"]["aside"]) == ("kept", 0.5, 0.25)
    assert asked == ["user:\nSay yes.\nassistant:\n", "user:\nSay no.\nassistant:\n"]


def test_libraries_and_data_that_are_not_here_are_named(monkeypatch):
    monkeypatch.setattr(instructions, "find_spec", lambda name: None if name == "langdetect" else object())
    with pytest.raises(UserError, match=r"scores.instructions: ifeval needs langdetect, .*install '?-e '.\[ifeval\]'"):
        instructions.check_tasks(["ifeval"])
    with pytest.raises(UserError, match="scores.instructions: 'ifevall' is not a task of lm_eval; did you mean"):
        instructions.check_tasks(["ifevall"])

    def offline(lm, tasks, folder):
        raise ConnectionError("Couldn't reach 'google/IFEval' on the Hub")

    monkeypatch.setattr(instructions.forgetting, "own_tasks", offline)
    with pytest.raises(UserError, match="the data of ifeval can't be had .Couldn't reach"):
        instructions.measure(None, ["ifeval"])
