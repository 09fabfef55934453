"""The report's two plots. The same numbers give the same bytes: no date, no machine's own matplotlib settings, a fixed size."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import fmean

from closedbook import curve, files, table
from closedbook.strategies import STRATEGIES

CHANCE = 0.25
INK, GREY = "#202124", "#6b7075"
OKABE_ITO = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PALETTE = (*OKABE_ITO, "#7A0F3C", "#9ACD32", "#5B1FA8", "#7B4B1E", "#F0308C")
"""the strategies', then those of mixtures, which stand apart from them and from grey as well as these from each other"""
MARKERS = "so^Dv<>P*Xhp"
INCHES, DPI = (6.4, 4.1), 200
STYLE = {
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": "#b4b8bc",
    "axes.labelcolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#eceef0",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.minor.bottom": False,
    "ytick.left": False,
}


def looks(lines: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(colour, marker) of the base and of readers, of every strategy, and of the mixtures among these lines in alphabetical order."""
    names = [*STRATEGIES, *sorted({*lines} - {*STRATEGIES, *table.UNTAUGHT})]
    return {"base": (GREY, ""), "reader": (INK, ""), **dict(zip(names, zip(cycle(PALETTE), cycle(MARKERS))))}


def accuracy(path: Path, *, rows: list[dict], fits: dict[str, dict], paper: bool, otherwise: str | None) -> None:
    """Accuracy against distinct tokens: a line a strategy through its arms, with bars of one standard error; small points are single seeds.

    Rows are table.rows of one task, `fits` curve.fit by strategy: what more than two arms have been fitted is dotted. The base and readers
    are levels, and with `paper` the paper's own curve is dashed. Where no arm has an accuracy, the picture says `otherwise`.
    """
    points = [row for row in rows if row["strategy"] not in table.UNTAUGHT]
    levels = [row for row in rows if row["strategy"] in table.UNTAUGHT]
    with _axes(path) as axes:
        if not points:
            _nothing(axes, otherwise)
            return
        tokens = [point["corpus_tokens"] for point in points]
        _log_tokens(axes, tokens)
        low, high = _limits(rows, [curve.paper(end) for end in (min(tokens), max(tokens))] if paper else [])
        axes.set_ylim(low, high)
        _title(axes, "accuracy with the book closed")
        axes.axhline(CHANCE, color=GREY, linestyle=":", linewidth=1.2)
        look = looks(row["strategy"] for row in rows)
        for row in levels:
            axes.axhspan(*_bar(row), color=look[row["strategy"]][0], alpha=0.13, linewidth=0)
            axes.axhline(row["accuracy"], color=look[row["strategy"]][0], linestyle="--", linewidth=1.4)
        ends = [_line(axes, strategy, runs, fits[strategy]["log_linear"], *look[strategy]) for strategy, runs in _by(points, "strategy").items()]
        ends += [_paper(axes, min(tokens), max(tokens))] if paper else []
        gap = 0.055 * (high - low)
        _label_ends(axes, ends, gap)
        margin = [(1.0, row["accuracy"], row["arm"], look[row["strategy"]][0]) for row in levels] + [(1.0, CHANCE, "chance", GREY)]
        _label_ends(axes, margin, gap, transform=axes.get_yaxis_transform())


def losses(path: Path, *, curves: list[dict]) -> None:
    """Training loss against step: each step faint, its running mean clear, a colour a strategy, its smaller arms lighter.

    Curves: {"arm", "strategy", "steps": [int], "losses": [float]}, one a run, a strategy's largest arm last.
    """
    import numpy as np

    with _axes(path) as axes:
        if not curves:
            _nothing(axes, "no runs: no losses")
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
        _title(axes, "training loss, nats a token")
        axes.margins(x=0.02)
        low, high = axes.get_ylim()
        _label_ends(axes, list(ends.values()), 0.055 * (high - low))


@contextmanager
def _axes(path: Path):
    """Empty axes in matplotlib's own defaults, whatever this machine's are; saved to `path` when the block ends well."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
        yield figure.add_subplot()
        with files.whole_file(path, "wb") as handle:
            figure.savefig(handle, format="png", metadata={"Software": None})


def _line(axes, strategy: str, rows: list[dict], fitted: dict, colour: str, marker: str) -> tuple:
    """Draw one strategy and return its label: (x, y, text, colour) at its largest arm."""
    arms = list(_by(rows, "arm").values())
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


def _label_ends(axes, labels: list[tuple], gap: float, transform=None) -> None:
    """Write each (x, y, text, colour) to the right of its place, moved up where it would touch the one below."""
    from matplotlib.patheffects import withStroke

    previous = float("-inf")
    for x, y, text, colour in sorted(labels, key=lambda label: label[1]):
        previous = max(y, previous + gap)
        axes.annotate(
            text, (x, previous), xycoords=transform or "data", xytext=(9, 0), textcoords="offset points", va="center", color=colour,
            fontweight="normal" if transform else "bold", path_effects=[withStroke(linewidth=3, foreground="white")], zorder=4,
        )


def _log_tokens(axes, tokens: list[int]) -> None:
    """A logarithmic x axis around these values, with room to the right of the last for its label."""
    from math import log10

    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    first, last = log10(min(tokens)), log10(max(tokens))
    span = max(last - first, 0.5)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (first - 0.08 * span), 10 ** (last + 0.26 * span))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if span > 0.8 else (1, 2, 3, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.set_xlabel("corpus tokens: distinct tokens to learn from (logarithmic)")


def _short(tokens: float) -> str:
    """20000 as "20k"."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:g}{unit}"
    return f"{tokens:g}"


def _limits(rows: list[dict], others: list[float]) -> tuple[float, float]:
    ends = [CHANCE, *others, *(end for row in rows for end in _bar(row))]
    return max(0.0, min(ends) - 0.06), min(1.02, max(ends) + 0.06)


def _bar(row: dict) -> tuple[float, float]:
    """One standard error below and above; a single question has none."""
    return row["accuracy"] - (row["stderr"] or 0), row["accuracy"] + (row["stderr"] or 0)


def _shades(curves: list[dict]) -> dict[str, float]:
    """Arm -> opacity: the last arm of a strategy is solid, those before it lighter."""
    shades = {}
    for rows in _by(curves, "strategy").values():
        arms = list(_by(rows, "arm"))
        shades.update({arm: 0.45 + 0.55 * (place + 1) / len(arms) for place, arm in enumerate(arms)})
    return shades


def _by(rows: list[dict], key: str) -> dict[str, list[dict]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return dict(groups)


def _title(axes, text: str) -> None:
    """What y is, to be read without turning one's head."""
    axes.set_title(text, loc="left", fontsize="medium", color=GREY, pad=10)


def _nothing(axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=axes.transAxes)
