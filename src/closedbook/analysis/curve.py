"""The curve: how accuracy grows with tokens under a strategy, as a line in their logarithm and as a mixture of exponentials."""

import math
import warnings

import numpy as np

from closedbook.analysis import certainty

NUM_EXPONENTIALS = 3
NUM_PARAMETERS = 1 + 2 * NUM_EXPONENTIALS
BOUNDS = ([-np.inf, *[0] * NUM_EXPONENTIALS, *[-np.inf] * NUM_EXPONENTIALS], np.inf)
"""of the limit, the heights and the logarithms of the rates: no exponential takes accuracy away as tokens grow"""
FORMS = {"log_linear": "a + b·log10(tokens)", "mixture": "c − a1·r1^x − a2·r2^x − a3·r3^x, x in millions of tokens"}


def paper(tokens: float) -> float:
    """Accuracy (0 to 1) at so many tokens on the curve that Yang et al. 2025 (arXiv 2409.07431) fitted to EntiGraph with Llama 3 8B on
    QuALITY: y = 64.5456 − 13.8352·0.9989^x − 8.4705·0.8961^x − 3.932·0.0546^x per cent, x in millions of tokens."""
    x = tokens / 1e6
    return (64.5456 - 13.8352 * 0.9989**x - 8.4705 * 0.8961**x - 3.932 * 0.0546**x) / 100


def fit(points: list[tuple[float, float]]) -> dict:
    """{"points", "log_linear", "mixture"} of (tokens, accuracy), one point per arm.

    A fit is {"form", "parameters": {name: {"value", "interval"}}, "residuals" (observed − fitted, a point each), "why"}. Parameters and
    residuals are None where too few points or none decide them, an interval (95%, Student's t) where nothing is left over to judge by;
    "why" says it in words.
    """
    points = sorted(points)
    tokens, accuracies = np.array(points, float).reshape(-1, 2).T
    fits = {"log_linear": _log_linear(tokens, accuracies), "mixture": _mixture(tokens / 1e6, accuracies)}
    return _formed([{"tokens": x, "accuracy": y} for x, y in points], fits)


def unfitted(why: str) -> dict:
    """As fit, of arms that give no points, for a reason in words."""
    return _formed([], dict.fromkeys(FORMS, _none(why)))


def line(fitted: dict, tokens: float) -> float:
    """Accuracy on a log-linear fit."""
    a, b = (fitted["parameters"][name]["value"] for name in "ab")
    return a + b * math.log10(tokens)


def _formed(points: list[dict], fits: dict[str, dict]) -> dict:
    return {"points": points, **{name: {"form": form, **fits[name]} for name, form in FORMS.items()}}


def _log_linear(tokens: np.ndarray, accuracies: np.ndarray) -> dict:
    num_sizes = len(set(tokens.tolist()))
    if num_sizes < 2:
        return _none(f"a line needs arms of at least two sizes, and there {'is one' if num_sizes else 'are none'}")
    design = np.stack([np.ones(len(tokens)), np.log10(tokens)], axis=1)
    values = np.linalg.lstsq(design, accuracies, rcond=None)[0]
    residuals = accuracies - design @ values
    left_over = len(tokens) - 2
    if not left_over:
        return _fitted(dict(zip("ab", values)), dict.fromkeys("ab"), residuals, "two points decide a line and leave nothing to judge it by")
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * (residuals @ residuals) / left_over)
    return _fitted(dict(zip("ab", values)), dict(zip("ab", _intervals(values, errors, left_over))), residuals, None)


def _mixture(millions: np.ndarray, accuracies: np.ndarray) -> dict:
    """Fitted with the rates as r = exp(−exp(l)), so that every l means a rate between 0 and 1."""
    from scipy.optimize import OptimizeWarning, curve_fit

    left_over = len(millions) - NUM_PARAMETERS
    if left_over < 1:
        there = {0: "are none", 1: "is 1"}.get(len(millions), f"are {len(millions)}")
        return _none(f"{NUM_PARAMETERS} parameters need more than {NUM_PARAMETERS} points, and there {there}")
    start = _start(millions, accuracies)
    try:
        with warnings.catch_warnings(action="ignore", category=OptimizeWarning), np.errstate(over="ignore"):  # `why` says both
            values, covariance = curve_fit(_exponentials, millions, accuracies, p0=start, bounds=BOUNDS, max_nfev=20_000)
    except RuntimeError as error:  # which is how scipy says that it found no optimum
        return _none(f"the fit did not converge ({error})")
    return _by_name(values, covariance, left_over, accuracies - _exponentials(millions, *values))


def _exponentials(x: np.ndarray, limit: float, *shape: float) -> np.ndarray:
    heights, logs = shape[:NUM_EXPONENTIALS], shape[NUM_EXPONENTIALS:]
    return limit - sum(height * np.exp(-np.exp(log) * x) for height, log in zip(heights, logs))


def _start(x: np.ndarray, y: np.ndarray) -> list[float]:
    """Equal heights, and one exponential each that has fallen by e at the start, the middle and the end of the points' logarithms."""
    height = (y.max() - y.min()) / NUM_EXPONENTIALS
    return [y.max(), *[max(height, 1e-6)] * NUM_EXPONENTIALS, *-np.linspace(np.log(x.max()), np.log(x.min()), NUM_EXPONENTIALS)]


def _by_name(values: np.ndarray, covariance: np.ndarray, left_over: int, residuals: np.ndarray) -> dict:
    """The limit, and height and rate of each exponential, the slowest first."""
    k = NUM_EXPONENTIALS
    intervals = _intervals(values, np.sqrt(np.diag(covariance)), left_over)
    found, around = {"c": values[0]}, {"c": intervals[0]}
    for number, place in enumerate(np.argsort(values[1 + k :]), 1):
        found |= {f"a{number}": values[1 + place], f"r{number}": _rate(values[1 + k + place])}
        ends = intervals[1 + k + place]
        around |= {f"a{number}": intervals[1 + place], f"r{number}": ends and [_rate(end) for end in reversed(ends)]}
    return _fitted(found, around, residuals, None if all(around.values()) else "the points do not decide every parameter")


def _rate(log: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(-np.exp(log)))


def _intervals(values: np.ndarray, errors: np.ndarray, left_over: int) -> list[list[float] | None]:
    width = certainty.t(left_over)
    ends = [[float(value - width * error), float(value + width * error)] for value, error in zip(values, errors)]
    return [pair if all(map(math.isfinite, pair)) else None for pair in ends]


def _fitted(values: dict, intervals: dict, residuals: np.ndarray, why: str | None) -> dict:
    parameters = {name: {"value": float(value), "interval": intervals[name]} for name, value in values.items()}
    return {"parameters": parameters, "residuals": [float(residual) for residual in residuals], "why": why}


def _none(why: str) -> dict:
    return {"parameters": None, "residuals": None, "why": why}
