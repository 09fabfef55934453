"""The report's two plots. The same numbers give the same bytes: no date, no machine's own matplotlib settings, a fixed size."""

from pathlib import Path

from closedbook.analysis import certainty, curve, table
from closedbook.analysis.drawing import GREY, INCHES, INK, by, keep_apart, label, led_label, log_axis, looks, nothing, panels, title

HELD_OUT = {"passages": ("o--", "circles"), "replay": ("s:", "squares")}
"""how the losses on what no training reads are drawn, and what that is called"""
APART = 1.03
"""how much further along a logarithmic axis the next one of several at one place is drawn"""
LETTER, LINE, MARGINS = 0.085, 0.19, 1.6
"""inches: the width of a label's letter, the height of a label, and what axes need around them"""
NARROW = 0.4
"""width of the panel of epochs, of that beside it"""


def accuracy(path: Path, *, rows: list[dict], fits: dict[str, dict], paper: bool, otherwise: str | None) -> None:
    """Accuracy against distinct tokens: one line per strategy through its arms, with their 95% intervals; small points are single seeds.

    Rows are table.rows of one task, `fits` curve.fit by strategy: what more than two sizes have been fitted is dotted. Arms of one seed,
    whose intervals are over questions only, are hollow. The base and API models are levels, and with `paper` the paper's own curve is dashed.
    Arms that read one corpus more or less often (`repeated`) have a narrow panel to the left, against epochs, and of them only the longest
    trained are in the other: all of one length, those beside the line by their own names. Where no arm has an accuracy, the picture says `otherwise`.
    """
    sizes, again = table.by_size(rows), repeated(rows)
    with panels(path, (NARROW, 1) if again else (1,)) as axes:
        if not sizes:
            nothing(axes[0], otherwise)
            return
        look = looks(row["strategy"] for row in rows)
        tokens = [tokens for _, tokens in sizes]
        axes[0].set_ylim(*_limits(rows, [curve.paper(end) for end in (min(tokens), max(tokens))] if paper else []))
        title(axes[0], f"{table.book(rows[0])} accuracy", _over(rows))
        for panel in axes:
            _levels(panel, rows, look)
        labels = _epochs(axes[0], again, look) if again else []
        labels += _curves(axes[-1], sizes, fits, look)
        labels += [_paper(axes[-1], min(tokens), max(tokens))] if paper else []
        labels += [label(axes[-1], 0, row["accuracy"], row["arm"], look[row["strategy"]][0], margin=True) for row in _untaught(rows)]
        keep_apart([*labels, label(axes[-1], 0, rows[0]["chance"], "chance", GREY, margin=True)])


def bakeoff(path: Path, *, rows: list[dict], usd: list[float | None]) -> None:
    """Accuracy with 95% intervals, a point per arm, over corpus tokens and over what the corpus cost.

    `rows` are the first of each arm, as bakeoff.arms gives them, and `usd` their dollars; the panel of dollars is there where any cost some. What has
    no place in a panel is a level in it: the base, API models, and what cost nothing. Arms of one place stand side by side around it.
    """
    taught = [(row, dollars) for row, dollars in zip(rows, usd, strict=True) if row["strategy"] not in table.UNTAUGHT]
    places = {"corpus tokens": [(row["corpus_tokens"], row) for row, _ in taught if row["corpus_tokens"]],
              "US dollars": [(dollars, row) for row, dollars in taught if dollars]}  # fmt: skip
    shown = {name: points for name, points in places.items() if points}
    longest = max((len(row["arm"]) for row in rows), default=0)
    inches = (INCHES[0] + len(shown) * longest * LETTER, max(INCHES[1], MARGINS + len(rows) * LINE))
    with panels(path, (1,) * max(1, len(shown)), inches) as axes:
        if not shown:
            nothing(axes[0], "no arm here was trained")
            return
        look = looks(row["strategy"] for row in rows)
        axes[0].set_ylim(*_limits(rows, []))
        title(axes[0], f"{table.book(rows[0])} accuracy", _over(rows))
        for panel, (name, points) in zip(axes, shown.items(), strict=True):
            log_axis(panel, [place for place, _ in points], name, room=(0.15, 0.15))
            panel.axhline(rows[0]["chance"], color=GREY, linestyle=":", linewidth=1.2)
            labels = [_point(panel, place, row, look[row["strategy"]]) for place, row in _side_by_side(points)]
            placed = [row["arm"] for _, row in points]
            keep_apart(labels + [_level(panel, row, look) for row in rows if row["arm"] not in placed])


def _point(axes, place: float, row: dict, look: tuple[str, str]):
    """Draw an arm, and return its label."""
    colour, marker = look
    _line(axes, [place], [[row]], "", colour, marker)
    return led_label(axes, place, row["accuracy_mean"], row["arm"], colour)


def _side_by_side(points: list[tuple[float, dict]]) -> list[tuple[float, dict]]:
    """Those of one place moved apart, so that no bar hides another."""
    found = []
    for place in dict.fromkeys(place for place, _ in points):
        here = [row for own, row in points if own == place]
        found += [(place * APART ** (number - (len(here) - 1) / 2), row) for number, row in enumerate(here)]
    return found


def _level(axes, row: dict, look: dict):
    """Draw the accuracy of what has no place on the x axis, and return its label."""
    colour = look[row["strategy"]][0]
    axes.axhline(row["accuracy_mean"], color=colour, linestyle="--", linewidth=1.4)
    return label(axes, 0, row["accuracy_mean"], row["arm"], colour, margin=True)


def repeated(rows: list[dict]) -> dict[tuple[str, int], list[list[dict]]]:
    """Of table.by_size, the sizes whose arms differ in how often they read the same."""
    return {size: arms for size, arms in table.by_size(rows).items() if len({runs[0]["train_tokens"] for runs in arms}) > 1}


def losses(path: Path, *, curves: list[dict]) -> None:
    """Training loss against step: each step faint, its running mean clear, one colour per strategy, its smaller arms lighter.

    Curves: {"arm", "strategy", "steps": [int], "losses": [float], "held_out": {name: ([step], [loss])}}, one a run, a strategy's largest arm last.
    """
    import numpy as np

    with panels(path) as (axes,):
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
            for name, measured in curve["held_out"].items():
                axes.plot(*measured, HELD_OUT[name][0], color=colour, alpha=shade, linewidth=1.2, markersize=3)
            ends[curve["strategy"]] = (curve["steps"][-1], mean[-1], curve["strategy"], colour)
        axes.set_xlabel("training step")
        measured = sorted({name for curve in curves for name in curve["held_out"]})
        told = ", ".join(f"{HELD_OUT[name][1]}: {name}" for name in measured)
        title(axes, "training loss, nats a token", f"on what is held out, {told}" if told else None)
        axes.margins(x=0.02)
        keep_apart([label(axes, *end) for end in ends.values()])


def _levels(axes, rows: list[dict], look: dict) -> None:
    """Chance, and the accuracies of models that were not trained here."""
    axes.axhline(rows[0]["chance"], color=GREY, linestyle=":", linewidth=1.2)
    for row in _untaught(rows):
        axes.axhspan(*_bar(row)[::2], color=look[row["strategy"]][0], alpha=0.13, linewidth=0)
        axes.axhline(row["accuracy"], color=look[row["strategy"]][0], linestyle="--", linewidth=1.4)


def _epochs(axes, again: dict, look: dict) -> list:
    """Draw a line for each corpus that was read more or less often, and return the labels."""
    lines = {size: [runs[0]["train_tokens"] / runs[0]["corpus_tokens"] for runs in arms] for size, arms in again.items()}
    ticks = sorted({epochs for line in lines.values() for epochs in line})
    log_axis(axes, ticks, "epochs", room=(0.18, 0.68))
    axes.set_xticks(ticks, [f"{round(epochs, epochs < 3):g}" for epochs in ticks])
    return [_line(axes, lines[size], arms, size[0], *look[size[0]]) for size, arms in again.items()]


def _curves(axes, sizes: dict, fits: dict, look: dict) -> list:
    """Draw a line for each strategy through its sizes, and return the labels."""
    log_axis(axes, [tokens for _, tokens in sizes], "corpus tokens: distinct tokens to learn from", room=(0.08, 0.26))
    labels = []
    for strategy in dict.fromkeys(strategy for strategy, _ in sizes):
        longest = {tokens: arms[-1] for (one, tokens), arms in sizes.items() if one == strategy}
        beside = [(tokens, runs) for (one, tokens), arms in sizes.items() if one == strategy
                  for runs in arms[:-1] if runs[0]["train_tokens"] == arms[-1][0]["train_tokens"]]  # fmt: skip
        labels += [_line(axes, [tokens], [runs], runs[0]["arm"], *look[strategy]) for tokens, runs in beside]
        labels.append(_line(axes, [*longest], [*longest.values()], strategy, *look[strategy]))
        fitted = fits[strategy]["log_linear"]
        if len(longest) > 2 and fitted["parameters"]:
            ends = [min(longest), max(longest)]
            heights = [curve.line(fitted, end) for end in ends]
            axes.plot(ends, heights, color=look[strategy][0], linestyle=":", linewidth=1.4, alpha=0.8, zorder=2)
    return labels


def _line(axes, places: list[float], arms: list[list[dict]], name: str, colour: str, marker: str):
    """Draw arms at their places on the x axis, and return the label at the last one."""
    import numpy as np

    means = [runs[0]["accuracy_mean"] for runs in arms]
    for one_seed in (False, True):
        chosen = [(place, *_bar(runs[0])) for place, runs in zip(places, arms) if _one_seed(runs[0]) == one_seed]
        if chosen:
            where, low, mean, high = map(np.array, zip(*chosen))
            face, edge, width = ("white", colour, 1.6) if one_seed else (colour, "white", 0.6)
            axes.errorbar(
                where, mean, [mean - low, high - mean], marker=marker, linestyle="none", color=colour, markersize=8, markerfacecolor=face, markeredgecolor=edge,
                markeredgewidth=width, elinewidth=1.6, capsize=2.5, zorder=3,
            )  # fmt: skip
    axes.plot(places, means, color=colour, linewidth=1.8, zorder=2)
    seeds = [(place, run["accuracy"]) for place, runs in zip(places, arms) if len(runs) > 1 for run in runs]
    if seeds:
        _seeds(axes, seeds, colour)
    return label(axes, places[-1], means[-1], name, colour)


def _one_seed(row: dict) -> bool:
    """Whether its arm was trained from one seed: its interval, if it has one, is over questions only."""
    return row["accuracy_sd"] is None


def _over(rows: list[dict]) -> str:
    """What the bars are, for who sees the picture alone."""
    taught = {_one_seed(row) for row in rows if row["strategy"] not in table.UNTAUGHT}
    if taught == {True}:
        return "bars and bands: 95% interval over questions only, of one seed"
    return f"bars: 95% interval over {certainty.SEEDS}{'; hollow: one seed, over questions only' if True in taught else ''}"


def _seeds(axes, points: list[tuple[float, float]], colour: str) -> None:
    """Single runs as small points, beside the mean that they belong to."""
    from matplotlib.transforms import offset_copy

    beside = offset_copy(axes.transData, axes.figure, x=-8, units="points")
    axes.plot(*zip(*points), "o", color=colour, alpha=0.55, markersize=4, markeredgewidth=0, transform=beside, zorder=2)


def _paper(axes, first: int, last: int):
    """Draw the paper's own curve between two numbers of tokens, and return its label."""
    import numpy as np

    tokens = np.geomspace(first, last, 200)
    axes.plot(tokens, curve.paper(tokens), color=INK, linestyle="--", linewidth=1.2, alpha=0.7, zorder=1)
    return label(axes, last, curve.paper(last), "paper’s fit", INK)


def _untaught(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["strategy"] in table.UNTAUGHT]


def _limits(rows: list[dict], others: list[float]) -> tuple[float, float]:
    ends = [rows[0]["chance"], *others, *(end for row in rows for end in (row["accuracy"], *_bar(row)))]
    return max(0.0, min(ends) - 0.06), min(1.02, max(ends) + 0.06)


def _bar(row: dict) -> tuple[float, float, float]:
    """The lower end of its arm's interval, the mean, the upper end; a single document has no interval."""
    mean, low, high = (row[f"accuracy_{name}"] for name in ("mean", "low", "high"))
    return (mean, mean, mean) if low is None else (low, mean, high)


def _shades(curves: list[dict]) -> dict[str, float]:
    """Arm -> opacity: the last arm of a strategy is solid, those before it lighter."""
    shades = {}
    for rows in by(curves, "strategy").values():
        arms = list(by(rows, "arm"))
        shades.update({arm: 0.45 + 0.55 * (place + 1) / len(arms) for place, arm in enumerate(arms)})
    return shades
