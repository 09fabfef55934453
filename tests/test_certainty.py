"""Errors and intervals of means: by hand, and how often they hold what is true of made answers."""

import math

import numpy as np
import pytest
from simulated import answers

from closedbook.analysis import certainty

T = {1: 12.706205, 2: 4.302653, 3: 3.182446}
"""how many errors 95% lies within, by degrees of freedom, from a printed table"""


def half(sure):
    return (sure["interval"][1] - sure["interval"][0]) / 2


def test_one_seed_is_over_its_questions_only():
    values, documents = [1, 1, 0, 0, 1, 0, 0, 0], list("aabbccdd")  # sums of what is left: 1.25, −.75, .25, −.75
    sure = certainty.of(values, documents, [1] * 8)
    error = math.sqrt(4 / 3 * (1.25**2 + 0.75**2 + 0.25**2 + 0.75**2)) / 8
    assert sure["over"] == "questions only" and math.isclose(sure["stderr"], error)
    assert sure["interval"] == pytest.approx([0.375 - T[3] * error, 0.375 + T[3] * error])
    assert sure == certainty.of(values, documents, [None] * 8) == certainty.over_questions(0.375, sure["stderr"], 4)


def test_seeds_with_documents_of_their_own_are_the_clusters():
    documents, seeds = list("abcdef"), [1, 1, 2, 2, 3, 3]
    sure = certainty.of([0, 0, 0.5, 0.5, 1, 1], documents, seeds)  # means 0, .5, 1: of sd .5
    assert sure["over"] == "seeds and questions"
    assert math.isclose(sure["stderr"], 0.5 / math.sqrt(3)) and half(sure) == pytest.approx(T[2] * 0.5 / math.sqrt(3))
    alike = certainty.of([0, 1, 0, 1, 0, 1], documents, seeds)
    alone = certainty.of([0, 1, 0, 1, 0, 1], documents, [1] * 6)
    assert (alike["stderr"], alike["interval"]) == (alone["stderr"], alone["interval"]), "seeds alike by chance say no more than documents"


def test_seeds_that_share_documents_add_to_them():
    documents, seeds = list("abcabc"), [1, 1, 1, 2, 2, 2]
    sure = certainty.of([0, 0.3, 0.6, 0.2, 0.5, 0.8], documents, seeds)  # seeds' means .3, .5; documents' .1, .4, .7
    of_seeds, of_documents = 0.2 / math.sqrt(2) / math.sqrt(2), 0.3 / math.sqrt(3)
    assert math.isclose(sure["stderr"], math.hypot(of_seeds, of_documents))
    assert half(sure) == pytest.approx(math.hypot(T[1] * of_seeds, T[2] * of_documents))


def test_the_order_of_answers_and_the_names_of_seeds_do_not_matter():
    values, documents, seeds, _ = answers(np.random.default_rng(1), seeds=3, documents=5, questions=4, nested=False, sd_seed=0.2)
    shuffled = np.random.default_rng(2).permutation(len(values))
    other = certainty.of(*([column[at] for at in shuffled] for column in (values, documents, [f"s{seed}" for seed in seeds])))
    sure = certainty.of(values, documents, seeds)
    assert other["interval"] == pytest.approx(sure["interval"], rel=1e-12) and other["stderr"] == pytest.approx(sure["stderr"], rel=1e-12)


def test_one_document_says_nothing_of_others():
    assert certainty.of([1, 0, 1], ["a"] * 3, [1, 2, 3]) == {"stderr": None, "interval": None, "over": None}


def coverage(sd_seed, forget_seeds=False, **design):
    """Of 400 experiments, in how many the interval holds the truth."""
    draws, held = np.random.default_rng(7), 0
    for _ in range(400):
        values, documents, seeds, truth = answers(draws, questions=6, sd_seed=sd_seed, **design)
        low, high = certainty.of(values, documents, [None] * len(seeds) if forget_seeds else seeds)["interval"]
        held += low <= truth <= high
    return held / 400


@pytest.mark.parametrize("sd_seed", [0, 0.15, 0.4])
@pytest.mark.parametrize("design", [{"documents": 16, "nested": True}, {"documents": 48, "nested": False}])
def test_three_seeds_intervals_hold_the_truth_as_often_as_they_say(design, sd_seed):
    assert coverage(sd_seed, seeds=3, **design) >= 0.93


def test_one_seeds_interval_holds_what_is_true_of_its_model():
    assert 0.92 <= coverage(0, seeds=1, documents=20, nested=False) <= 0.98


def test_an_interval_over_questions_only_would_not_hold_what_is_true_of_other_seeds():
    """The planted fault: the same answers, as if one seed had given all."""
    assert coverage(0.4, forget_seeds=True, seeds=3, documents=16, nested=True) < 0.8
    assert coverage(0.4, forget_seeds=True, seeds=3, documents=48, nested=False) < 0.6
