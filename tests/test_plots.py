"""The plot of accuracy: what is drawn where, read off the figure before it becomes a picture."""

from statistics import fmean, stdev

import pytest

from closedbook import plots, report
from closedbook.drawing import keep_apart, label, panels

BASE = ("base", "base", 0, 0, [0.26])


def rows(*arms):
    """table.rows of (arm, strategy, corpus_tokens, train_tokens, accuracies by seed), in its order."""
    return [
        {"arm": arm, "strategy": strategy, "corpus_tokens": corpus, "train_tokens": train, "seed": seed, "task": "t", "accuracy": accuracy,
         "stderr": 0.02 * seed, "accuracy_mean": fmean(seeds), "accuracy_stderr": 0.02, "accuracy_sd": stdev(seeds) if len(seeds) > 1 else None}
        for arm, strategy, corpus, train, seeds in arms
        for seed, accuracy in enumerate(seeds, 1)
    ]  # fmt: skip


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws rows, and gives the panels from left to right."""
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *given, **options: figures.append(figure) or save(figure, *given, **options))

    def draw(listed):
        plots.accuracy(tmp_path / "accuracy.png", rows=listed, fits=report._fits(listed), paper=False, otherwise=None)
        return figures[-1].axes

    return draw


def points(axes, colour):
    """(x, y) of what is drawn in bold markers of a colour."""
    return [pair for bars in axes.containers if bars[0].get_color() == colour for pair in zip(*bars[0].get_data())]


def bar(axes, colour):
    """Half of the length of the last error bar of a colour."""
    (bars,) = [bars for bars in axes.containers if bars[0].get_color() == colour]
    (_, low), (_, high) = bars[2][0].get_segments()[-1]
    return (high - low) / 2


RAW, REPHRASE, ENTIGRAPH = (plots.looks([])[name][0] for name in ("raw", "rephrase", "entigraph"))


def test_arms_that_read_one_text_more_or_less_often_are_drawn_apart(drawn):
    arms = [("once", "raw", 6000, 6000, [0.27]), ("raw", "raw", 6000, 384_000, [0.30, 0.32]), ("half", "entigraph", 9000, 9000, [0.5])]
    epochs, tokens = drawn(rows(BASE, *arms))
    assert points(epochs, RAW) == [(1, 0.27), (64, 0.31)] and points(tokens, RAW) == [(6000, 0.31)]
    assert points(epochs, ENTIGRAPH) == [] and points(tokens, ENTIGRAPH) == [(9000, 0.5)]
    assert [tick.get_text() for tick in epochs.get_xticklabels()] == ["1", "64"] and epochs.get_ylim() == tokens.get_ylim()
    assert len(drawn(rows(BASE, *arms[1:]))) == 1, "one arm needs no panel"


def test_a_size_of_which_there_are_several_trainings_is_one_point_of_a_fit():
    (line,) = report._fits(rows(*((f"raw-{epochs}", "raw", 6000, 6000 * epochs, [0.3]) for epochs in range(1, 10)))).values()
    assert line["points"] == [{"tokens": 6000, "accuracy": 0.3}]
    assert line["log_linear"]["parameters"] is None is line["mixture"]["parameters"]


def test_several_seeds_at_one_size_and_one_at_another(drawn):
    """Each seed has books of its own, so its corpus may have another size: the first seed's is the arm's."""
    listed = rows(("half", "entigraph", 2000, 4000, [0.4]), ("all", "entigraph", 4000, 4000, [0.5, 0.6, 0.7]))
    listed[-1]["corpus_tokens"] = 3900
    (axes,) = drawn(listed)
    assert points(axes, ENTIGRAPH) == [(2000, 0.4), (4000, pytest.approx(0.6))]
    assert bar(axes, ENTIGRAPH) == pytest.approx(0.02), "that of all questions together, and no mean of the runs' errors"
    assert plots._error([{**run, "accuracy_stderr": 0.01} for run in listed]) == 0.01


def test_labels_are_moved_only_where_they_would_touch(tmp_path):
    with panels(tmp_path / "labels.png") as (axes,):
        axes.set_xlim(0, 10)
        below, above, far = (label(axes, x, y, "entigraph", "#000000") for x, y in ((1, 0.50), (1.2, 0.51), (7, 0.505)))
        keep_apart([above, far, below])
        boxes = [one.get_window_extent() for one in (below, above)]
    assert not boxes[0].overlaps(boxes[1]) and boxes[1].y0 > boxes[0].y1
    assert [one.xyann[1] for one in (below, far)] == [0, 0]


def test_the_same_rows_give_the_same_bytes(drawn, tmp_path):
    listed = rows(BASE, ("once", "raw", 6000, 6000, [0.27]), ("raw", "raw", 6000, 384_000, [0.30, 0.32]))
    drawn(listed)
    first = (tmp_path / "accuracy.png").read_bytes()
    drawn(listed)
    assert (tmp_path / "accuracy.png").read_bytes() == first
