"""Cards hold what the lineage records, in Markdown and YAML that no title can break."""

from argparse import Namespace
from pathlib import Path

import pytest
import toy_history

from closedbook.lineage import cards, licences, published
from closedbook.lineage.history import History
from closedbook.util import files


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(published, "history", History.here)
    toy_history.write()
    files.write_text("params.yaml", "toy\n")
    toy_history.commit("2026-01-02T03:04:05+00:00", "params.yaml")
    return cards.answer(Namespace(folder=Path("cards")))["cards"]


def test_there_is_a_card_for_each_run_and_each_strategy(written):
    assert written == [f"cards/{name}/README.md" for name in ("runs/entigraph-s1", "runs/raw-s1", "passages/entigraph", "passages/raw")]


def test_the_hub_reads_the_heading(written):
    from huggingface_hub import DatasetCard, ModelCard

    model = ModelCard.load("cards/runs/raw-s1/README.md").data
    assert (model.base_model, model.datasets, model.license) == ("org/base", ["passages-raw"], None)
    assert [(one.metric_type, one.metric_value, one.task_name) for one in model.eval_results] == [
        ("accuracy", 0.5, "closed_text"), ("accuracy_stderr", 0.05, "closed_text")]  # fmt: skip
    assert DatasetCard.load("cards/passages/raw/README.md").data.pretty_name == "Passages: raw"


def test_a_model_card_says_training_scores_sources_and_what_cannot_be_proved(written):
    text = Path("cards/runs/entigraph-s1/README.md").read_text()
    for said in ("0.500 ± 0.050", "| training.learning\\_rate | 0.01 |", "| openai/big | big-0001 | 1 |",
                 "Mira \\| Oldan | 1931 | not stated", "- Made up, \\*all\\* of it.",
                 "a provider's model that is not pinned", "- no licence is known of 2 documents", "7" * 64, published.project().commit):  # fmt: skip
        assert said in text, said
    assert "openai/big" not in Path("cards/runs/raw-s1/README.md").read_text(), "raw is written by no model"


def test_a_hostile_title_is_one_cell_of_text(written):
    from markdown_it import MarkdownIt

    for path in written:
        tokens = MarkdownIt("commonmark").enable("table").parse(Path(path).read_text().split("\n---\n", 1)[1])
        cells = [token for token in tokens if token.type == "inline" and "Ahab" in token.content]
        assert [token.children[0].content for token in cells] == [" ".join(toy_history.HOSTILE.split())] * 2
        assert {child.type for token in cells for child in token.children} == {"text"}, "a link, code or a tag"
        assert not [token for token in tokens if token.type.startswith("html")]


@pytest.mark.parametrize(("text", "shown"), [("1. one", "1\\. one"), ("- a", "\\- a"), ("0.281", "0.281"), ("a\n\n# b", "a \\# b"),
                                             (1234, "1234"), ("www.x.example", "www\\.x.example"), ("\\<b>", "\\\\\\<b\\>"), ("a\x1b[2Jb", "a\\\\x1b\\[2Jb")])  # fmt: skip
def test_text_in_markdown_shows_itself(text, shown):
    assert cards.markdown(text) == shown


def test_the_same_lineage_gives_the_same_cards(written):
    before = {path: Path(path).read_bytes() for path in written}
    cards.answer(Namespace(folder=Path("cards")))
    assert before == {path: Path(path).read_bytes() for path in written}


ONE = {"assistant": "chat-s1", "run": "raw-s1", "base": {"model": "org/base", "revision": "f" * 40}, "num_parameters": 9, "run_sha256": "7" * 64,
       "sha256": {"model.safetensors": "8" * 64}, "instruct": toy_history.HOSTILE, "revision": None}  # fmt: skip
READ = {"path": "chat.jsonl", "num_dialogues": 1200, "num_rejected": 3, "rejected": {"question": 3, "special_token": 0}}
SAID = {
    "vector": ({"strength": 0.5, "tried": [{"strength": 0.5, "validation": {"accuracy": 0.25, "n": 8}}]}, "was added 0.5 times", "Strength 0.5: 0.250 of 8"),
    "sft": ({"dialogues": "chat", "epochs": 2, "loss": "all", "num_steps": 7, "first_loss": 4.0, "last_loss": 1.0}, "on 1,200 dialogues of chat.jsonl",
            "3 dialogues were kept out, 3 of them for a test question"),
    "merged": ({"dialogues": "chat", "dialogue_tokens": 5000}, "pretraining itself (5,000 tokens of them)", "3 dialogues were kept out, 3 of them for a test question"),
}  # fmt: skip


@pytest.mark.parametrize("method", SAID)
def test_an_assistant_s_card_says_how_it_learnt_to_talk_and_its_scores(written, method):
    facts, *said = SAID[method]
    place = Path("results/assistants/chat-s1/assistant.json")
    toy_history._job("assistants/chat-s1", ["results/runs/raw-s1/model.safetensors"], {str(place): ONE | {"method": method} | facts}, {"torch": "2.13.0"})
    files.write_json("results/tokens/dialogues/chat/dialogues.json", READ)
    score = files.read_json("results/scores/raw-s1.json")
    score["tasks"]["closed_text"]["accuracy"] = 0.375
    toy_history._job("scores/chat-s1", [str(place)], {"results/scores/chat-s1.json": score}, {"torch": "2.13.0"})
    assert "cards/assistants/chat-s1/README.md" in cards.answer(Namespace(folder=Path("cards")))["cards"]
    text = Path("cards/assistants/chat-s1/README.md").read_text()
    for line in (*said, "| chat-s1 | closed\\_text | 0.375 ± 0.050 | 8 |", "| raw-s1 | closed\\_text | 0.500", "snakemake --cores all results/assistants/chat-s1/"):
        assert line in " ".join(text.split()) or line in text, line
    assert "<img" not in text.replace("\\<img", "") and "Mira \\| Oldan" in text


def test_licences_are_the_hub_s_and_none_is_claimed_that_a_document_does_not_state():
    spelt = {"CC BY-SA 4.0": "cc-by-sa-4.0", "MIT License": "mit", "https://creativecommons.org/licenses/by-nc/4.0/legalcode": "cc-by-nc-4.0",
             "https://creativecommons.org/publicdomain/zero/1.0/": "cc0-1.0", "Apache-2.0": "apache-2.0", "CC BY": None, "ours": None}  # fmt: skip
    assert {text: licences.hub_id(text) for text in spelt} == spelt
    assert licences.heading(["CC BY 4.0", "cc-by-4.0"]) == {"license": "cc-by-4.0"}
    assert licences.heading(["MIT", "ours", "CC0-1.0"]) == {"license": ["cc0-1.0", "mit", "other"], "license_name": "ours"}
    assert licences.heading(["MIT", None]) == licences.heading([]) == {}
