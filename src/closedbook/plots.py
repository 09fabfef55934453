"""The report's two plots. The same numbers give the same bytes: no date, no machine's own matplotlib settings, a fixed size."""

from pathlib import Path
from statistics import fmean

from closedbook import curve, table
from closedbook.drawing import GREY, INK, axes_of, by, label_ends, log_tokens, looks, nothing, title

CHANCE = 0.25


def accuracy(path: Path, *, rows: list[dict], fits: dict[str, dict], paper: bool, otherwise: str | None) -> None:
    """Accuracy against distinct tokens: a line a strategy through its arms, with bars of one standard error; small points are single seeds.

    Rows are table.rows of one task, `fits` curve.fit by strategy: what more than two arms have been fitted is dotted. The base and readers
    are levels, and with `paper` the paper's own curve is dashed. Where no arm has an accuracy, the picture says `otherwise`.
    """
    points = [row for row in rows if row["strategy"] not in table.UNTAUGHT]
    levels = [row for row in rows if row["strategy"] in table.UNTAUGHT]
    with axes_of(path) as axes:
        if not points:
            nothing(axes, otherwise)
            return
        tokens = [point["corpus_tokens"] for point in points]
        log_tokens(axes, tokens)
        low, high = _limits(rows, [curve.paper(end) for end in (min(tokens), max(tokens))] if paper else [])
        axes.set_ylim(low, high)
        title(axes, f"accuracy with {table.at_hand(rows[0])}")
        axes.axhline(CHANCE, color=GREY, linestyle=":", linewidth=1.2)
        look = looks(row["strategy"] for row in rows)
        for row in levels:
            axes.axhspan(*_bar(row), color=look[row["strategy"]][0], alpha=0.13, linewidth=0)
            axes.axhline(row["accuracy"], color=look[row["strategy"]][0], linestyle="--", linewidth=1.4)
        ends = [_line(axes, strategy, runs, fits[strategy]["log_linear"], *look[strategy]) for strategy, runs in by(points, "strategy").items()]
        ends += [_paper(axes, min(tokens), max(tokens))] if paper else []
        gap = 0.055 * (high - low)
        label_ends(axes, ends, gap)
        margin = [(1.0, row["accuracy"], row["arm"], look[row["strategy"]][0]) for row in levels] + [(1.0, CHANCE, "chance", GREY)]
        label_ends(axes, margin, gap, transform=axes.get_yaxis_transform())


def losses(path: Path, *, curves: list[dict]) -> None:
    """Training loss against step: each step faint, its running mean clear, a colour a strategy, its smaller arms lighter.

    Curves: {"arm", "strategy", "steps": [int], "losses": [float]}, one a run, a strategy's largest arm last.
    """
    import numpy as np

    with axes_of(path) as axes:
        if not curves:
            nothing(axes, "no runs: no losses")
            return
        ends = {}
        shades = _shades(curves)
        look = looks(curve["strategy"] for curve in curves)
        for curve in curves:
            (colour, _), shade = look[curve["strategy"]], shades[curve["arm"]]
            width = max(1, len(curve["steps"]) // 20)
            mean = np.convolve(curve["losses"], np.ones(width) / width, mode="valid")
            steps = curve["steps"][(width - 1) // 2 :][: len(mean)]
            axes.plot(curve["steps"], curve["losses"], color=colour, alpha=0.18 * shade, linewidth=0.8)
            axes.plot(steps, mean, color=colour, alpha=shade, linewidth=1.8)
            ends[curve["strategy"]] = (curve["steps"][-1], mean[-1], curve["strategy"], colour)
        axes.set_xlabel("training step")
        title(axes, "training loss, nats a token")
        axes.margins(x=0.02)
        low, high = axes.get_ylim()
        label_ends(axes, list(ends.values()), 0.055 * (high - low))


def _line(axes, strategy: str, rows: list[dict], fitted: dict, colour: str, marker: str) -> tuple:
    """Draw one strategy and return its label: (x, y, text, colour) at its largest arm."""
    arms = list(by(rows, "arm").values())
    tokens, means = [runs[0]["corpus_tokens"] for runs in arms], [runs[0]["accuracy_mean"] for runs in arms]
    axes.errorbar(
        tokens, means, [fmean(run["stderr"] or 0 for run in runs) for runs in arms], fmt=marker, color=colour, markersize=8,
        markeredgecolor="white", markeredgewidth=0.6, elinewidth=1.6, capsize=2.5, zorder=3,
    )  # fmt: skip
    axes.plot(tokens, means, color=colour, linewidth=1.8, zorder=2)
    _seeds(axes, [run for runs in arms if len(runs) > 1 for run in runs], colour)
    if len(arms) > 2 and fitted["parameters"]:
        ends = [min(tokens), max(tokens)]
        axes.plot(ends, [curve.line(fitted, end) for end in ends], color=colour, linestyle=":", linewidth=1.4, alpha=0.8, zorder=2)
    return (tokens[-1], means[-1], strategy, colour)


def _seeds(axes, rows: list[dict], colour: str) -> None:
    """Single runs as small points, beside the mean that they belong to."""
    from matplotlib.transforms import offset_copy

    beside = offset_copy(axes.transData, axes.figure, x=-8, units="points")
    tokens, accuracies = [row["corpus_tokens"] for row in rows], [row["accuracy"] for row in rows]
    axes.plot(tokens, accuracies, "o", color=colour, alpha=0.55, markersize=4, markeredgewidth=0, transform=beside, zorder=2)


def _paper(axes, first: int, last: int) -> tuple:
    """Draw the paper's own curve between two numbers of tokens and return its label."""
    import numpy as np

    tokens = np.geomspace(first, last, 200)
    axes.plot(tokens, curve.paper(tokens), color=INK, linestyle="--", linewidth=1.2, alpha=0.7, zorder=1)
    return (last, curve.paper(last), "paper’s fit", INK)


def _limits(rows: list[dict], others: list[float]) -> tuple[float, float]:
    ends = [CHANCE, *others, *(end for row in rows for end in _bar(row))]
    return max(0.0, min(ends) - 0.06), min(1.02, max(ends) + 0.06)


def _bar(row: dict) -> tuple[float, float]:
    """One standard error below and above; a single question has none."""
    return row["accuracy"] - (row["stderr"] or 0), row["accuracy"] + (row["stderr"] or 0)


def _shades(curves: list[dict]) -> dict[str, float]:
    """Arm -> opacity: the last arm of a strategy is solid, those before it lighter."""
    shades = {}
    for rows in by(curves, "strategy").values():
        arms = list(by(rows, "arm"))
        shades.update({arm: 0.45 + 0.55 * (place + 1) / len(arms) for place, arm in enumerate(arms)})
    return shades
