"""The curve: fits that find what was planted, and words where there is too little to fit."""

import math

import numpy as np
import pytest

from closedbook.analysis import curve

SIZES = [0.05e6, 0.3e6, 1e6, 3e6, 8e6, 20e6, 50e6, 120e6, 250e6, 455e6, 700e6, 1200e6]

PLANTED = {"c": 0.645456, "a1": 0.138352, "r1": 0.9989, "a2": 0.084705, "r2": 0.8961, "a3": 0.03932, "r3": 0.0546}


def values(fit):
    return {name: parameter["value"] for name, parameter in fit["parameters"].items()}


def test_a_line_finds_what_was_planted_and_its_interval_is_that_of_the_textbook():
    fit = curve.fit([(1e5, 0.3), (1e6, 0.5), (1e7, 0.75)])["log_linear"]
    # slope 0.225, intercept 0.525 − 6·0.225; the residuals 1/120, −1/60, 1/120 leave s² = 1/2400, and t(0.975, 1) = 12.706
    assert values(fit) == pytest.approx({"a": -0.825 - 1 / 120, "b": 0.225})
    assert fit["residuals"] == pytest.approx([1 / 120, -1 / 60, 1 / 120])
    low, high = fit["parameters"]["b"]["interval"]
    assert (high - low) / 2 == pytest.approx(12.7062 * math.sqrt(1 / 2400 / 2), rel=1e-4)
    assert fit["why"] is None


def test_points_may_come_in_any_order_and_the_line_is_drawn_through_them():
    fit = curve.fit([(1e7, 0.7), (1e5, 0.3), (1e6, 0.5)])["log_linear"]
    assert curve.line(fit, 1e8) == pytest.approx(0.9) and fit["residuals"] == pytest.approx([0, 0, 0])


@pytest.mark.parametrize("points, why", [
    ([], "there are none"),
    ([(1e5, 0.3)], "there is one"),
    ([(1e5, 0.3), (1e5, 0.4)], "there is one"),
])  # fmt: skip
def test_too_few_sizes_for_a_line_are_said(points, why):
    fit = curve.fit(points)["log_linear"]
    assert fit["parameters"] is None and fit["residuals"] is None and why in fit["why"]


def test_two_points_give_a_line_without_an_interval():
    fit = curve.fit([(1e5, 0.3), (1e6, 0.5)])["log_linear"]
    assert values(fit) == pytest.approx({"a": -0.7, "b": 0.2})
    assert all(parameter["interval"] is None for parameter in fit["parameters"].values()) and "nothing to judge it by" in fit["why"]


def test_the_mixture_finds_the_papers_own_curve():
    fit = curve.fit([(tokens, curve.paper(tokens)) for tokens in SIZES])["mixture"]
    assert values(fit) == pytest.approx(PLANTED, rel=1e-6)
    assert max(map(abs, fit["residuals"])) < 1e-9


def test_intervals_of_the_mixture_mostly_hold_what_was_planted_under_noise():
    held = 0
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(0, 0.003, len(SIZES))
        fit = curve.fit([(tokens, curve.paper(tokens) + one) for tokens, one in zip(SIZES, noise)])["mixture"]
        intervals = [(fit["parameters"][name]["interval"], planted) for name, planted in PLANTED.items()]
        held += sum(interval[0] < planted < interval[1] for interval, planted in intervals if interval)
    assert 0.85 <= held / 70 < 1


def test_the_mixture_is_left_alone_with_no_more_points_than_parameters():
    seven = [(tokens, curve.paper(tokens)) for tokens in SIZES[:7]]
    assert curve.fit(seven)["mixture"]["parameters"] is None
    assert "7 parameters need more than 7 points, and there are 7" == curve.fit(seven)["mixture"]["why"]
    assert curve.fit([])["mixture"]["why"].endswith("there are none")
    assert curve.fit([(tokens, curve.paper(tokens)) for tokens in SIZES[:8]])["mixture"]["parameters"]


def test_what_does_not_depend_on_tokens_is_fitted_without_a_crash():
    fit = curve.fit([(tokens, 0.4) for tokens in SIZES])
    assert values(fit["log_linear"])["b"] == pytest.approx(0) and max(map(abs, fit["mixture"]["residuals"])) < 1e-3


def test_the_papers_curve_in_its_own_numbers():
    assert curve.paper(0) == pytest.approx(0.383079)
    assert curve.paper(455e6) == pytest.approx((64.5456 - 13.8352 * 0.9989**455) / 100, abs=1e-6)
