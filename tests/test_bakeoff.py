"""A bake-off: who may stand side by side, which differences are sure, what a corpus cost, and the command on a small project."""

import json
from pathlib import Path

import pytest
import toy_project
from toy_scores import CLOSED, scored, scores_in

from closedbook import cli, layout, params
from closedbook.analysis import bakeoff, measures
from closedbook.llm import prices
from closedbook.spending import corpus_cost
from closedbook.util import files
from closedbook.util.errors import UserError

FEW, HALF, MOST = [1, 0, 0, 0] * 12, [1, 1, 0, 0] * 12, [1, 1, 1, 0, 1, 1, 1, 1] * 6


def arms(folder, *names):
    return bakeoff.arms(scores_in(folder), CLOSED, list(names))


def three(folder, **of_last):
    for arm, right, more in (("rephrase", FEW, {}), ("qa", HALF, {}), ("entigraph", MOST, of_last)):
        scored(folder, arm, right, documents=12, **more)


def test_arms_of_other_lengths_are_refused_with_the_command_that_works(tmp_path):
    three(tmp_path, train_tokens=800)
    with pytest.raises(UserError, match=r"qa and rephrase 400, entigraph 800.*closedbook bakeoff qa rephrase\)"):
        arms(tmp_path)
    assert {row["arm"] for row in arms(tmp_path, "qa", "rephrase")} == {"rephrase", "qa"}
    with pytest.raises(UserError, match="did you mean rephrase"):
        arms(tmp_path, "rephrased")


@pytest.mark.parametrize("strategy", bakeoff.EXEMPT)
def test_named_exceptions_may_have_read_another_number_of_tokens_and_are_marked(tmp_path, strategy):
    three(tmp_path)
    scored(tmp_path, "other", HALF, documents=12, strategy=strategy, train_tokens=0)
    scored(tmp_path, "base", FEW, documents=12, seed=None, train_tokens=0)
    assert {row["arm"]: row["differs"] for row in arms(tmp_path)} == {"base": False, "rephrase": False, "qa": False, "entigraph": False, "other": True}


def test_a_difference_is_sure_by_itself_or_with_all_pairs_counted(tmp_path):
    three(tmp_path)
    scored(tmp_path, "summaries", HALF[:-8] + [1] * 4 + [0] * 4, documents=12)
    scored(tmp_path, "base", FEW, documents=12, seed=None)
    found = bakeoff.pairs(scores_in(tmp_path), arms(tmp_path), CLOSED)
    assert len(found) == 6 and all(row["difference"] >= 0 for row in found) and "base" not in {row["a"] for row in found}
    sure = {(row["b"], row["a"]): row["sure"] for row in found}
    assert [found for pair, found in sure.items() if set(pair) == {"summaries", "qa"}] == [None]
    for row in found:
        widths = [row[name][1] - row[name][0] for name in ("interval", "together")]
        assert widths[0] < widths[1] and (row["sure"] == bakeoff.TOGETHER) == (row["together"][0] > 0)
    assert [row["sure"] for row in found] == sorted((row["sure"] for row in found), key=(bakeoff.TOGETHER, bakeoff.ALONE, None).index)


def test_one_seed_is_said_to_leave_out_what_another_would_change(tmp_path):
    three(tmp_path)
    assert "another training seed" in bakeoff.left_out(arms(tmp_path))[0]
    for seed in (2, 3):
        scored(tmp_path, "qa", HALF, documents=12, seed=seed)
    assert "another training seed" not in " ".join(bakeoff.left_out(arms(tmp_path, "qa")))


def test_what_else_was_measured_stands_in_one_row(tmp_path):
    three(tmp_path)
    scored(tmp_path, "qa", FEW, documents=12, task="quality_open")
    scored(tmp_path, "base", HALF, documents=12, seed=None)
    found = scores_in(tmp_path)
    for score, perplexity in zip(found, (2.0, 3.0, 2.5, 2.2), strict=True):
        score["forgetting"] = {"replay": {"perplexity": perplexity}}
        score["tasks"]["quality_recall"] = {"identifiers": {"accuracy": 0.4, "in_format": 0.3, "n": 9}}
    diversity = {"strategies": [{"strategy": "qa", "measured": [{"distinct_4": 0.9}, {"distinct_4": 0.7}]},
                                {"strategy": "rephrase", "measured": [{"distinct_4": 0.9}, None]}]}  # fmt: skip
    judged = {"rates": {"qa": {"faithful": 0.8}, "rephrase": {"faithful": None}}}
    rows = measures.of(found, CLOSED, diversity, judged)
    recalled = {"quality_recall: identifiers": 0.4, "quality_recall: in format": 0.3}
    assert rows["qa"] == {"quality_open": 0.25, **recalled, measures.DIVERSITY: 0.7, measures.SUPPORTED: 0.8, measures.FORGETTING: 2.5 / 2.0}
    assert rows["rephrase"] == {**recalled, measures.FORGETTING: 1.1}, "a text too short for the common length has no figure"
    assert measures.of(found, CLOSED, None, None)["base"][measures.FORGETTING] == 1.0


def test_how_far_the_right_option_lies_above_the_wrong_ones_is_the_mean_over_questions_and_seeds(tmp_path):
    for seed, values in ((1, [-1.0, -2.0, -4.0]), (2, [-5.0, -2.0, -2.0])):
        scored(tmp_path, "qa", [1, 1], seed=seed)
        samples = tmp_path / f"scores/qa-s{seed}.samples.jsonl"
        files.write_json_lines(samples, [row | {"log_likelihoods": values} for row in files.read_json_lines(samples)])
    scored(tmp_path, "raw", [1, 1])
    rows = measures.of(scores_in(tmp_path), CLOSED, None, None)
    assert rows == {"qa": {measures.MARGIN: (2.0 - 3.0) / 2}, "raw": {}}, "a model that answers in words has none"


@pytest.fixture
def project(tmp_path, monkeypatch):
    toy_project.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    corpora = {name: [*files.each_json_line(layout.CORPORA / name / "passages.jsonl")] for name in ("raw", "entigraph")}
    for name, rows in corpora.items():
        files.write_json_lines(layout.CORPORA / name / "passages.jsonl", [row | {"strategy": name} for row in rows])
    return tmp_path


def test_a_corpus_costs_its_own_passages_calls_each_once_and_the_entity_lists(project):
    cost = corpus_cost.of(layout.CORPORA / "entigraph")
    # of 2 × 120 passages one is left out; two are entity lists' summaries, whose calls are the lists' own; a call of the same key is the same for both
    keys = {passage["call"]["key"] for name in (toy_project.FIRST, toy_project.OTHER)
            for passage in files.read_json(layout.passages("entigraph", name))["passages"]}  # fmt: skip
    assert cost.calls == len(keys) and cost.usd == 0.25 * len(keys) and cost.input_tokens == 70 * len(keys)
    dearer = corpus_cost.of(layout.CORPORA / "entigraph", prices.Prices("any", "params", (1e6, 1e6, 2e6)))
    assert dearer.usd == len(keys) * (70 + 2 * 30)
    path = layout.passages("entigraph", toy_project.FIRST)
    made = files.read_json(path)
    made["passages"][3]["call"] |= {"key": "f" * 64, "cost_usd": None}
    files.write_json(path, made)
    assert corpus_cost.of(layout.CORPORA / "entigraph").usd is None, "an unknown price makes no sum"


def test_an_unpriced_model_is_refused():
    with pytest.raises(UserError, match="LiteLLM knows no price"):
        prices.by_name("openai/none-such", params.load().limits)


def test_the_command_prints_draws_and_refuses(tmp_path, monkeypatch, capsys):
    root = Path.cwd()
    for name in ("evals", "src", "params.yaml"):
        (tmp_path / name).symlink_to(root / name)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bakeoff"]) == 2 and "no scores of params.yaml yet" in capsys.readouterr().err
    for arm, right in (("raw", FEW), ("rephrase", HALF), ("entigraph", MOST)):
        scored(tmp_path / "results", arm, right, documents=12, train_tokens=200_000)
    scored(tmp_path / "results", "base", FEW, documents=12, seed=None, train_tokens=0, tokens=0)
    assert cli.main(["bakeoff"]) == 0
    shown = capsys.readouterr().out
    assert "quality_closed_text (acc_norm), 48 questions about 12 documents" in shown and "scores/raw-s1: " in shown
    assert "another training seed" in shown and "yes, with all pairs counted" in shown
    assert Path("bakeoff.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["bakeoff", "raw", "entigraph", "--json", "--plot", "other.png"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["pairs"]) == 1 and Path("other.png").exists() and found["arms"][0]["cost"] is None
    scored(tmp_path / "results", "entigraph-50k", HALF, documents=12, train_tokens=50_000, strategy="entigraph")
    assert cli.main(["bakeoff"]) == 2 and "closedbook bakeoff raw rephrase entigraph" in capsys.readouterr().err
    assert cli.main(["bakeoff", "--task", "quality_open"]) == 2 and "nothing is scored under it" in capsys.readouterr().err
