"""The tasks of evals/instructions: what each rule accepts and refuses, which items there are, and that plain lm_eval runs them."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from closedbook.miniature import dialogues
from closedbook.util import files

FOLDER = Path(__file__).parent.parent / "evals/instructions"
rules = SimpleNamespace(**runpy.run_path(str(FOLDER / "rules.py")))
ITEMS = {name: files.read_json(FOLDER / f"{name}.json") for name in ("miniature", "english")}
KEPT = {
    "words": (2, "Two words", "Two"), "least_words": (2, "Two words", "Two"), "most_words": (2, "Two words", "Now three words"),
    "sentences": (2, 'One. He said "two."', "One. Two"), "lines": (2, "one\n\ntwo", "one"),
    "lines_begin": ("- ", "- one\n- two", "- one\ntwo"),
    "paragraphs": (2, "one\nline\n\ntwo", "one\ntwo"), "begins": ("As", "As it is", "as it is"), "ends": ("end.", "The end.", "The end"),
    "with": ("wall", "a wall", "a will"), "without": (",", "a wall", "a wall,"), "times": (["rain", 2], "Rain, and raining rain", "rain"),
    "capitals": (True, "A 1!", "A b"), "small_letters": (True, "a 1!", "a B"), "quoted": (True, '"one two"', '"one" two"'),
    "json": (["a", "b"], '{"b": 1, "a": {}}', '```{"b": 1, "a": 2}```'), "joined": (["and", 2], "one and two", "one and two and three"),
}  # fmt: skip
"""of each rule an argument, what keeps to it, and what does not"""


def test_every_rule_is_tried():
    assert KEPT.keys() == rules.RULES.keys()


@pytest.mark.parametrize("name", KEPT)
def test_a_rule_accepts_and_refuses(name):
    argument, kept, lost = KEPT[name]
    assert rules.broken(f"\n {kept} ", {name: argument}) == [], "spaces around it do not count"
    assert rules.broken(lost, {name: argument}) == rules.broken("  \n", {name: argument}) == [name]


@pytest.mark.parametrize("text", ["[1]", '"answer"', '{"other": 1}', '{"answer": 1', ""])
def test_what_is_no_object_of_these_keys_is_refused(text):
    assert rules.broken(text, {"json": ["answer"]}) == ["json"]


def test_a_response_follows_where_it_keeps_all_rules_and_is_right_in_whatever_form():
    doc = {"rules": json.dumps({"words": 1, "capitals": True}), "answer": "harp"}
    assert rules.score(doc, ["HARP"]) == {"followed": 1.0, "rules_kept": 1.0, "right": 1.0}
    assert rules.score(doc, ["A HARP"]) == {"followed": 0.0, "rules_kept": 0.5, "right": 1.0}
    assert rules.score(doc, ["drum"]) == {"followed": 0.0, "rules_kept": 0.5, "right": 0.0}
    assert "right" not in rules.score(doc | {"answer": None}, ["HARP"])


@pytest.mark.parametrize("wanted", [{}, {"word": 1}])
def test_an_item_that_no_rule_checks_is_refused(tmp_path, wanted):
    copy = tmp_path / "rules.py"
    copy.write_text((FOLDER / "rules.py").read_text())
    files.write_json(tmp_path / "mine.json", [{"id": "a", "prompt": "Say so.", "rules": wanted, "answer": None}])
    with pytest.raises(ValueError, match="mine.json: item a: rules"):
        runpy.run_path(str(copy))["load"](items="mine.json")


@pytest.mark.parametrize("name", ITEMS)
def test_items_differ_and_no_answer_keeps_to_all(name):
    items = ITEMS[name]
    assert len({item["id"] for item in items}) == len({item["prompt"] for item in items}) == len(items) >= 38
    for text in ("Yes", "I am not sure, but let me think about that. It depends."):
        assert sum(not rules.broken(text, item["rules"]) for item in items) < len(items) / 3


def test_the_miniatures_items_are_those_that_its_books_give_and_none_is_in_a_dialogue():
    own = dialogues.own_books()
    assert ITEMS["miniature"] == dialogues.items(own)
    assert all(any(reading.title in item["prompt"] for reading in own.held_out) for item in ITEMS["miniature"])


@pytest.mark.parametrize("name", ["instructions", "instructions_english"])
def test_lm_eval_asks_them_of_a_model_that_does_as_told_and_of_one_that_does_not(name):
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Canned(LM):
        """Says what is canned, and notes what it was asked."""

        def __init__(self, say):
            super().__init__()
            self.say, self.asked = say, []

        def generate_until(self, requests, **_):
            self.asked = [request.args[0] for request in requests]
            return [self.say(prompt) for prompt in self.asked]

        loglikelihood = loglikelihood_rolling = None

    manager = TaskManager(include_path=str(FOLDER), include_defaults=False)

    def followed(model):
        found = simple_evaluate(model=model, tasks=[name], task_manager=manager, log_samples=False)["results"][name]
        return found["followed,none"], found["rules_kept,none"]

    in_one_word = Canned(lambda prompt: "HARP" if "one word" in prompt else "")
    assert followed(in_one_word) == pytest.approx((8 / 88, 8 / 88) if name == "instructions" else (0, 0))
    assert in_one_word.asked == [item["prompt"] for item in ITEMS[name.replace("instructions_", "").replace("instructions", "miniature")]]
    assert followed(Canned(lambda prompt: "")) == (0, 0)
