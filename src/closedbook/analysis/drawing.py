"""What the report's plots have in common: a fixed size and style, colours, labels at the ends of lines, a logarithmic axis."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from closedbook.analysis import table
from closedbook.generation.strategies import STRATEGIES
from closedbook.util import files

INK, GREY = "#202124", "#6b7075"
OKABE_ITO = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PALETTE = (*OKABE_ITO, "#7A0F3C", "#9ACD32", "#5B1FA8", "#7B4B1E", "#F0308C", "#1A3CF0", "#D516E0", "#244800", "#F2003C")
"""the strategies', then those of mixtures, which stand apart from them and from grey as well as these from each other"""
MARKERS = (*"so^Dv<>P*Xhpd8H", "$Z$")
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
    """(colour, marker) of the base, of released and of API models, of every strategy, and of the mixtures among these lines in alphabetical order."""
    names = [*STRATEGIES, *sorted({*lines} - {*STRATEGIES, *table.UNTAUGHT})]
    return {"base": (GREY, ""), "released": (INK, ""), "api_model": (INK, ""), **dict(zip(names, zip(cycle(PALETTE), cycle(MARKERS))))}


@contextmanager
def panels(path: Path, widths: tuple[float, ...] = (1,), inches: tuple[float, float] = INCHES):
    """Empty axes side by side with one y axis, as wide as `widths` says, in matplotlib's own defaults, whatever this machine's are; saved
    to `path` when the block ends well. `inches`: the picture's width and height."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=inches, dpi=DPI, layout="constrained")
        yield figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)[0]
        with files.whole_file(path, "wb") as handle:
            figure.savefig(handle, format="png", metadata={"Software": None})


def label(axes, x: float, y: float, text: str, colour: str, margin: bool = False):
    """Write `text` to the right of a place in the data, or, where it is for the `margin`, of the axes at this height."""
    from matplotlib.patheffects import withStroke

    return axes.annotate(
        text, (1.0 if margin else x, y), xycoords=axes.get_yaxis_transform() if margin else "data", xytext=(9, 0),
        textcoords="offset points", va="center", color=colour, fontweight="normal" if margin else "bold",
        path_effects=[withStroke(linewidth=3, foreground="white")], zorder=4,
    )  # fmt: skip


def led_label(axes, x: float, y: float, text: str, colour: str):
    """Write `text` to the right of the axes, with a line that leads to its place in the data: for more labels than find room among the data."""
    line = {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "alpha": 0.6, "shrinkA": 1, "shrinkB": 5, "relpos": (0, 0.5)}
    return axes.annotate(text, (x, y), xytext=(1.04, y), textcoords=axes.get_yaxis_transform(), va="center", color=colour, fontsize=10, fontweight="bold",
                         arrowprops=line, annotation_clip=False, zorder=4)  # fmt: skip


def keep_apart(labels: list) -> None:
    """Move labels up where they would touch one below, and all of them down where that leads out of the axes; done last, when everything else has
    its place."""
    figure, axes = labels[0].figure, labels[0].axes
    figure.draw_without_rendering()
    own = {one: one.get_window_extent() for one in labels}
    placed, settled = {}, {}
    for one in sorted(own, key=lambda one: own[one].y0):
        box = own[one]
        while touched := [other for other in placed.values() if box.overlaps(other)]:
            box = own[one].translated(0, max(other.y1 for other in touched) + 1 - own[one].y0)
        placed[one] = box
    for one, box in sorted(placed.items(), key=lambda pair: -pair[1].y1):
        above = [other.y0 - 1 for other in settled.values() if box.x0 < other.x1 and other.x0 < box.x1]
        settled[one] = box.translated(0, min(0, min([max(axes.bbox.y1, own[one].y1), *above]) - box.y1))
        _move_up(one, settled[one].y0 - own[one].y0)


def _move_up(label, pixels: float) -> None:
    if label.anncoords == "offset points":
        label.xyann = (label.xyann[0], pixels * 72 / label.figure.dpi)
    else:
        x, y = label.anncoords.transform(label.xyann)
        label.xyann = tuple(label.anncoords.inverted().transform((x, y + pixels)))


def log_axis(axes, values: list[float], label: str, room: tuple[float, float]) -> None:
    """A logarithmic x axis around these values, with `room`, shares of their span, to the left and to the right of them. A single value is its only
    tick."""
    from math import log10

    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    first, last = log10(min(values)), log10(max(values))
    span = max(last - first, 0.5)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (first - room[0] * span), 10 ** (last + room[1] * span))
    axes.xaxis.set_major_locator(FixedLocator(values[:1]) if first == last else LogLocator(subs=(1, 3) if span > 0.8 else (1, 2, 3, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.set_xlabel(label)


def _short(number: float) -> str:
    """20000 as "20k"."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


def by(rows: list[dict], key: str) -> dict[str, list[dict]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return dict(groups)


def title(axes, text: str, below: str | None = None) -> None:
    """What y is, to be read without turning one's head; `below` it, smaller, how to read the picture."""
    axes.set_title(text, loc="left", fontsize="medium", color=GREY, pad=25 if below else 10)
    if below:
        places = {"xycoords": "axes fraction", "xytext": (0, 10), "textcoords": "offset points"}
        line = axes.annotate(below, (0, 1), **places, fontsize="small", color=GREY)
        line.set_in_layout(False)  # it may be longer than a narrow panel is wide


def nothing(axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=axes.transAxes)
