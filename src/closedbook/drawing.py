"""What the report's plots have in common: a fixed size and style, colours, labels at the ends of lines, a logarithmic axis."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from closedbook import files, table
from closedbook.strategies import STRATEGIES

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


@contextmanager
def axes_of(path: Path):
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


def label_ends(axes, labels: list[tuple], gap: float, transform=None) -> None:
    """Write each (x, y, text, colour) to the right of its place, moved up where it would touch the one below."""
    from matplotlib.patheffects import withStroke

    previous = float("-inf")
    for x, y, text, colour in sorted(labels, key=lambda label: label[1]):
        previous = max(y, previous + gap)
        axes.annotate(
            text, (x, previous), xycoords=transform or "data", xytext=(9, 0), textcoords="offset points", va="center", color=colour,
            fontweight="normal" if transform else "bold", path_effects=[withStroke(linewidth=3, foreground="white")], zorder=4,
        )


def log_tokens(axes, tokens: list[int]) -> None:
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


def by(rows: list[dict], key: str) -> dict[str, list[dict]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return dict(groups)


def title(axes, text: str) -> None:
    """What y is, to be read without turning one's head."""
    axes.set_title(text, loc="left", fontsize="medium", color=GREY, pad=10)


def nothing(axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=axes.transAxes)
