"""Comparison: paired differences, their intervals and tests against numbers worked out by hand, and what may not be compared."""

import itertools
import json
import math

import numpy as np
import pytest
import toys
from toy_scores import CLOSED, HOSTILE, OPEN, scored, scores_in

from closedbook import cli
from closedbook.analysis.compare import answers, overview, resampling, words
from closedbook.evaluation import clustered
from closedbook.util import files
from closedbook.util.errors import UserError


def compare(folder, a, b, task=None, split="all"):
    scores = sorted((folder / "scores").glob("*.json"))
    return words.compare(a, b, task=task, split=split, tasks=[CLOSED], scores=scores, questions=folder / "questions")


def test_clustered_error_by_hand():
    # mean 0.5; the sums of what is left are 1 and −1: √(2/1 · (1 + 1)) / 4 = 0.5
    assert clustered.stderr([1, 1, 0, 0], ["a", "a", "b", "b"]) == 0.5
    assert clustered.stderr([1, 0, 1, 0], ["a", "a", "b", "b"]) == 0.0
    assert clustered.stderr([1, 0], ["a", "a"]) is None
    values = [0.0, 1.0, 1.0, 0.0, 1.0]  # each its own cluster: the ordinary standard error
    assert math.isclose(clustered.stderr(values, list("abcde")), np.std(values, ddof=1) / math.sqrt(5))


def test_difference_and_flips_by_hand(tmp_path):
    scored(tmp_path, "raw", [1, 0, 0, 0, 0, 0, 0, 1])
    scored(tmp_path, "entigraph", [0, 1, 1, 1, 1, 1, 0, 1])
    found = compare(tmp_path, "raw", "entigraph")
    assert (found["accuracy_a"], found["accuracy_b"], found["difference"]) == (0.25, 0.75, 0.5)
    (pair,) = found["seeds"]
    assert [flip["id"] for flip in pair["won"]] == ["q1", "q2", "q3", "q4", "q5"] and [flip["id"] for flip in pair["lost"]] == ["q0"]
    assert (pair["p"], pair["n_differing"]) == (None, 3), "d0 is won and lost once: of three documents no p falls below 0.25"
    # differences by document: d0 (−1, 1), d1 (1, 1), d2 (1, 0), d3 (1, 0), mean 0.5: the sums of what is left are −1, 1, 0, 0
    assert math.isclose(found["stderr"], math.sqrt(4 / 3 * 2) / 8)
    assert pair["won"][0] | {"question": HOSTILE, "answer_a": "wrong", "answer_b": "right"} == pair["won"][0]


def test_p_of_the_sign_flips_by_hand():
    assert resampling.p([1] * 6) == 2 / 2**6  # all alike, either way
    assert resampling.p([2, 1, 1, 1, 1, -1]) == pytest.approx(2 * (1 + 5) / 2**6)  # 5 or more: none, or one that counts once, has a minus
    assert resampling.p([1, -1] * 3) == 1.0 and resampling.p([4, -1, -1, -1, -1, 0, 1, 0]) == 1.0


def test_p_is_that_of_all_signs_counted_one_by_one():
    draws = np.random.default_rng(3)
    for _ in range(20):
        differences = draws.integers(-4, 5, 9)
        flipped = np.array(list(itertools.product((1, -1), repeat=9))) @ differences
        assert resampling.p(differences.tolist()) == pytest.approx(np.mean(np.abs(flipped) >= abs(differences.sum())), rel=1e-12)


@pytest.mark.parametrize("differences", [[], [0] * 100, [9] * 5, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]])
def test_on_too_few_documents_there_is_no_p(differences):
    assert resampling.p(differences) is None


def test_equals_are_told_apart_no_more_often_than_p_says():
    """Also the planted fault: the same flips as if each were a document of its own, as McNemar's test takes them."""
    draws, by_document, by_question = np.random.default_rng(4), 0, 0
    for _ in range(400):
        luck = draws.normal(0, 0.25, 20)  # of a document, which all of its ten questions share
        differences = (draws.random((20, 10)) < 0.5 + luck[:, None]).astype(int) - (draws.random((20, 10)) < 0.5)
        by_document += (resampling.p(differences.sum(axis=1).tolist()) or 1) <= 0.05
        by_question += resampling.p(differences.ravel().tolist()) <= 0.05
    assert by_document / 400 < 0.08 and by_question / 400 > 0.12


def test_a_p_stands_where_models_differ_on_enough_documents_and_else_the_reason(tmp_path):
    scored(tmp_path, "raw", [0] * 12, documents=6)
    scored(tmp_path, "entigraph", [1] * 12, documents=6)
    found = compare(tmp_path, "raw", "entigraph")
    assert found["seeds"][0]["p"] == 2 / 2**6 and "sign-flip p by document = 0.031" in "\n".join(words.lines(found))
    scored(tmp_path, "entigraph", [0, 1, 1, 1, 1, 1] * 2, documents=6)
    shown = "\n".join(words.lines(found := compare(tmp_path, "raw", "entigraph")))
    assert found["seeds"][0]["p"] is None and "no p: they differ on 5 documents" in shown and "p by document" not in shown


def test_interval_covers_as_often_as_it_says(monkeypatch):
    """Of 400 sets of 40 documents whose true mean is known, nearly 95% of the intervals hold it."""
    monkeypatch.setattr(resampling, "RESAMPLES", 1000)
    draws, covered = np.random.default_rng(0), 0
    for number in range(400):
        of_documents = draws.normal(0.1, 0.2, 40)
        values = np.repeat(of_documents, 5) + draws.normal(0, 0.3, 200)
        low, high = resampling.interval(resampling.means(values.reshape(40, 5).sum(1, keepdims=True), np.full(40, 5), number, "test")[:, 0])
        covered += low <= 0.1 <= high
    assert 0.90 <= covered / 400 <= 0.97  # a little less than 95%: the fewer the documents, the more the percentiles flatter


def test_interval_that_took_questions_as_independent_would_be_too_narrow():
    """The planted fault: the same values, each question its own cluster."""
    of_documents, widths = np.repeat(np.random.default_rng(1).normal(0, 1, 20), 10), []
    for size in (10, 1):
        sums = of_documents.reshape(-1, size).sum(1, keepdims=True)
        low, high = resampling.interval(resampling.means(sums, np.full(len(sums), size), 1, "test")[:, 0])
        widths.append(high - low)
    assert widths[0] > 2 * widths[1]


def test_one_draw_serves_all_columns_and_the_seed_decides_it():
    sums, counts = np.array([[1.0, 2.0], [3.0, 6.0], [0.0, 0.0]]), np.array([2, 3, 1])
    first = resampling.means(sums, counts, 1, "x")
    assert first.shape == (resampling.RESAMPLES, 2) and np.allclose(first[:, 1], 2 * first[:, 0])
    assert (first == resampling.means(sums, counts, 1, "x")).all() and (first != resampling.means(sums, counts, 2, "x")).any()


def test_one_document_has_no_interval(tmp_path):
    for arm, right in (("raw", [1, 0, 0]), ("entigraph", [1, 1, 0])):
        scored(tmp_path, arm, right, documents=1)
    found = compare(tmp_path, "raw", "entigraph")
    assert (found["interval"], found["stderr"], found["over"]) == (None, None, None)
    assert "one document: no interval" in "\n".join(words.lines(found))


def test_seeds_are_paired_and_spread(tmp_path):
    for seed, raw, entigraph in ((1, [0, 0, 0, 0], [1, 1, 0, 0]), (2, [1, 0, 0, 0], [1, 1, 1, 1]), (3, [0, 0, 0, 0], None)):
        scored(tmp_path, "raw", raw, seed=seed)
        if entigraph:
            scored(tmp_path, "entigraph", entigraph, seed=seed)
    found = compare(tmp_path, "raw", "entigraph")
    assert [(pair["seed_a"], pair["seed_b"], pair["difference"]) for pair in found["seeds"]] == [(1, 1, 0.5), (2, 2, 0.75)]
    assert found["difference"] == 0.625 and math.isclose(found["spread"], 0.25 / math.sqrt(2))
    assert found["left_out"] == {"raw": [3], "entigraph": []}
    shown = "\n".join(words.lines(found))
    assert "raw's seeds 3 have no partner" in shown and "seed 2: questions that entigraph won: 3," in shown
    assert found["over"] == "seeds and questions" and f"± {found['stderr']:.3f} over seeds and questions" in shown


def test_a_difference_of_one_seed_says_that_it_is_over_questions_only(tmp_path):
    scored(tmp_path, "base", [0, 0, 0, 1], seed=None)
    scored(tmp_path, "raw", [1, 0, 0, 1])
    shown = "\n".join(words.lines(compare(tmp_path, "base", "raw")))
    assert "difference  +0.250 ± 0.250 over questions only  95% interval -0.546 to +1.046" in shown  # t of 3 degrees: 3.182


def test_the_base_is_compared_with_each_seed(tmp_path):
    scored(tmp_path, "base", [0, 0, 0, 1], seed=None)
    for seed in (1, 2):
        scored(tmp_path, "raw", [1, 0, 0, 1], seed=seed)
    assert [(pair["seed_a"], pair["seed_b"]) for pair in compare(tmp_path, "base", "raw")["seeds"]] == [(None, 1), (None, 2)]
    assert compare(tmp_path, "raw", "base")["difference"] == -0.25


@pytest.mark.parametrize("changes, message", [
    ({"version": 2.0}, r"versions of quality_closed_text \(raw-s1: 1.0, entigraph-s1: 2.0\)"),
    ({"questions": "cd" * 32}, "other questions"),
    ({"seed": 7}, r"seeds \[1\] and entigraph from \[7\].*training.seeds"),
    ({"task": "quality_cot"}, "no common task: raw under quality_closed_text; entigraph under quality_cot"),
])  # fmt: skip
def test_what_does_not_compare_is_refused(tmp_path, changes, message):
    scored(tmp_path, "raw", [1, 0, 0, 1])
    scored(tmp_path, "entigraph", [1, 0, 1, 1], **changes)
    with pytest.raises(UserError, match=message):
        compare(tmp_path, "raw", "entigraph")


def test_a_run_is_compared_as_an_arm_is_and_without_the_other_runs_of_its_own(tmp_path):
    for seed in (1, 2):
        scored(tmp_path, "raw", [1, 0, 0, seed - 1], seed=seed)
        scored(tmp_path, "entigraph", [1, 0, 1, 1], seed=seed)
    found = compare(tmp_path, "raw-s2", "entigraph")
    assert [(pair["seed_a"], pair["seed_b"], pair["difference"]) for pair in found["seeds"]] == [(2, 2, 0.25)] and found["left_out"]["entigraph"] == [1]
    with pytest.raises(UserError, match="compared seed by seed"):
        compare(tmp_path, "raw-s1", "raw-s2")


@pytest.mark.parametrize("options, message", [
    ({"b": "entigraf"}, "'entigraf' is no arm with a score; did you mean entigraph?"),
    ({"task": "quality_rag"}, "raw has no score under quality_rag; it has those under: quality_closed_text"),
    ({"b": "raw"}, "two different arms"),
])  # fmt: skip
def test_names_that_mean_nothing(tmp_path, options, message):
    for arm in ("raw", "entigraph"):
        scored(tmp_path, arm, [1, 0, 0, 1])
    with pytest.raises(UserError, match=message):
        compare(tmp_path, **{"a": "raw", "b": "entigraph", **options})


def test_split_takes_its_documents_only_and_none_is_refused(tmp_path):
    scored(tmp_path, "raw", [1, 0, 0, 0, 1, 0, 0, 0])
    scored(tmp_path, "entigraph", [0, 1, 0, 0, 0, 1, 0, 1])
    validation, test = (compare(tmp_path, "raw", "entigraph", split=split) for split in ("validation", "test"))
    assert (validation["n"], validation["difference"], test["n"], test["difference"]) == (2, -1.0, 6, 0.5)
    for arm in ("raw", "entigraph"):
        rows = files.read_json_lines(tmp_path / f"scores/{arm}-s1.samples.jsonl")
        files.write_json_lines(tmp_path / f"scores/{arm}-s1.samples.jsonl", [row | {"split": "test"} for row in rows])
    with pytest.raises(UserError, match="no question to compare them on"):
        compare(tmp_path, "raw", "entigraph", split="validation")


def test_questions_that_are_gone_are_said(tmp_path):
    scored(tmp_path, "raw", [1, 0])
    scored(tmp_path, "entigraph", [0, 1])
    for path in (tmp_path / "questions").iterdir():
        files.write_json(path, [])
    with pytest.raises(UserError, match="no longer holds the question q1"):
        compare(tmp_path, "raw", "entigraph")


def test_an_answer_in_no_valid_form_is_none(tmp_path):
    scored(tmp_path, "raw", [0, 0])
    scored(tmp_path, "entigraph", [1, 0])
    rows = files.read_json_lines(tmp_path / "scores/raw-s1.samples.jsonl")
    files.write_json_lines(tmp_path / "scores/raw-s1.samples.jsonl", [row | {"chosen": None} for row in rows])
    found = compare(tmp_path, "raw", "entigraph")
    assert found["seeds"][0]["won"][0]["answer_a"] is None and "    raw: no answer" in words.lines(found)


def two_by_two(folder, base_closed, base_open, arm_closed, arm_open, documents=4):
    for task, base, arm in ((CLOSED, base_closed, arm_closed), (OPEN, base_open, arm_open)):
        scored(folder, "base", base, seed=None, task=task, documents=documents)
        scored(folder, "entigraph", arm, task=task, documents=documents)


def test_share_of_the_gain_by_hand(tmp_path):
    two_by_two(tmp_path, [0, 0, 0, 0] * 5, [1, 1, 1, 1] * 4 + [0, 0, 0, 0], [1, 1, 1, 0] * 4 + [0, 0, 0, 0], [1] * 20)
    (table,) = overview.shares(scores_in(tmp_path))
    assert table["accuracy"] == {"base": {"closed": 0.0, "with_text": 0.8}, "arm": {"closed": 0.6, "with_text": 1.0}}
    assert math.isclose(table["share"], 0.75) and table["why"] is None
    # won − s·text by document: (4 − 4s) of three and −4s of one, of mean (3 − 4s) and error 1 whatever s: 3 − 4s = ± t of 3 degrees
    assert table["interval"] == pytest.approx([(3 - 3.182446) / 4, (3 + 3.182446) / 4], abs=1e-6)
    assert "won 75% of the base's open-book gain" in words.in_words(table)
    assert "95% interval over questions only" in words.in_words(table)
    assert compare(tmp_path, "base", "entigraph")["shares"] == [table]
    for task in (CLOSED, OPEN):
        scored(tmp_path, "api-gpt", [1] * 20, seed=None, task=task, strategy="api_model")
    assert overview.shares(scores_in(tmp_path)) == [table] and compare(tmp_path, "base", "api-gpt")["shares"] == []


def test_the_share_of_several_seeds_draws_seeds_too(tmp_path):
    gained, learnt = [1] * 19 + [0], [1, 1, 1, 1, 0] * 4
    two_by_two(tmp_path, [0] * 20, gained, learnt, [1] * 20)
    (alone,) = overview.shares(scores_in(tmp_path))
    scored(tmp_path, "entigraph", [1, 0, 0, 0, 0] * 4, task=CLOSED, seed=2)
    scored(tmp_path, "entigraph", [1] * 20, task=OPEN, seed=2)
    (both,) = overview.shares(scores_in(tmp_path))
    widths = [high - low for low, high in (alone["interval"], both["interval"])]
    assert both["over"] == "seeds and questions" and math.isclose(both["share"], 10 / 19) and widths[1] > 5 * widths[0]


def test_a_share_on_which_all_documents_agree(tmp_path):
    two_by_two(tmp_path, [0] * 12, [1, 1, 1, 1] * 3, [1] * 4 + [0] * 8, [1] * 12)
    (table,) = overview.shares(scores_in(tmp_path))
    assert table["interval"] == pytest.approx([1 / 3, 1 / 3])


def test_share_of_nothing_is_not_defined(tmp_path):
    two_by_two(tmp_path, [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1])
    (table,) = overview.shares(scores_in(tmp_path))
    assert table["share"] is None and table["interval"] is None and table["gain_with_text_interval"][0] < 0
    assert "is not defined: the base may gain nothing from the text" in words.in_words(table)


def test_share_over_one_document_is_not_defined(tmp_path):
    two_by_two(tmp_path, [0, 0], [1, 1], [1, 0], [1, 1], documents=1)
    (table,) = overview.shares(scores_in(tmp_path))
    assert table["share"] is None and "one document" in table["why"]


def test_no_table_without_an_open_book_task(tmp_path):
    scored(tmp_path, "base", [0, 0], seed=None)
    scored(tmp_path, "entigraph", [1, 0])
    assert overview.shares(scores_in(tmp_path)) == []


def test_the_report_compares_each_arm_with_the_base_and_the_largest_plain_one(tmp_path):
    scored(tmp_path, "base", [0, 0], seed=None)
    arms = (("raw", "raw", 10), ("rephrase", "rephrase", 90), ("rephrase-half", "rephrase", 45), ("qa", "qa+active_reading", 99))
    for arm, strategy, tokens in arms:
        scored(tmp_path, arm, [1, 0], strategy=strategy, tokens=tokens)
    scored(tmp_path, "api-large", [1, 1], seed=None, strategy="api_model", tokens=0)
    found = overview.comparisons(scores_in(tmp_path), CLOSED)
    assert [(one["a"], one["b"]) for one in found] == [
        *(("base", arm) for arm in ("api-large", "qa", "raw", "rephrase-half", "rephrase")),
        *(("rephrase", arm) for arm in ("api-large", "qa", "raw", "rephrase-half")),
    ]
    assert overview.comparisons(scores_in(tmp_path), "quality_rag") == []


def test_of_equally_large_plain_arms_the_longest_trained_is_the_reference_and_a_control_is_none(tmp_path):
    scored(tmp_path, "raw-short", [1, 0], strategy="raw", tokens=10, train_tokens=20)
    for seed, tokens in ((1, 10), (2, 9)):  # each seed has books of its own, and the first one's size is the arm's
        scored(tmp_path, "raw", [1, 0], strategy="raw", tokens=tokens, seed=seed)
    scored(tmp_path, "raw-long-ago", [1, 0], strategy="raw", tokens=10, train_tokens=10)
    scored(tmp_path, "control", [1, 1], strategy="rephrase_named", tokens=90)
    assert {one["a"] for one in overview.comparisons(scores_in(tmp_path), CLOSED)} == {"raw"}


def test_the_command_prints_what_no_terminal_obeys_and_json(tmp_path, monkeypatch, capsys):
    scored(tmp_path / "results", "raw", [0] * 12)
    scored(tmp_path / "results", "entigraph", [1] * 12)
    files.write_text(tmp_path / "params.yaml", open("params.yaml", encoding="utf-8").read())
    monkeypatch.chdir(tmp_path)
    for arm in ("raw", "entigraph"):
        toys.receipt(f"scores/{arm}-s1", [], [f"results/scores/{arm}-s1.json", f"results/scores/{arm}-s1.samples.jsonl"])
    files.write_text(tmp_path / "results/scores/mine.json", "my own")
    assert cli.main(["compare", "raw", "entigraph"]) == 0
    shown = capsys.readouterr().out
    assert "difference  +1.000 ± 0.000" in shown and "and 2 more: --json lists all" in shown
    assert "\x1b" not in shown and "\\x1b[31m" in shown
    assert cli.main(["compare", "raw", "entigraph", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["seeds"][0]["won"]) == 12
    assert cli.main(["compare", "raw", "entigraphs"]) == 2
    assert "did you mean entigraph?" in capsys.readouterr().err


def test_answers_of_one_arm_come_seed_by_seed(tmp_path):
    for seed in (2, 1):
        scored(tmp_path, "raw", [1, 0], seed=seed)
    (found,) = answers.read(scores_in(tmp_path)[::-1], ["raw"], CLOSED)
    assert list(found.by_seed) == [1, 2]
