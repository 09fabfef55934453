"""The plot of accuracy: what is drawn where, read off the figure before it becomes a picture."""

from itertools import combinations
from statistics import fmean, stdev

import pytest
from matplotlib.text import Text

from closedbook.analysis import curve, plots, table
from closedbook.analysis.drawing import keep_apart, label, panels

BASE = ("base", "base", 0, 0, [0.26])


def rows(*arms):
    """table.rows of (arm, strategy, corpus_tokens, train_tokens, accuracies by seed), in its order."""
    return [
        {"arm": arm, "strategy": strategy, "corpus_tokens": corpus, "train_tokens": train, "seed": seed, "task": "t", "accuracy": accuracy,
         "stderr": 0.02 * seed, "chance": 0.25, "accuracy_mean": fmean(seeds), "accuracy_stderr": 0.02,
         "accuracy_sd": stdev(seeds) if len(seeds) > 1 else None, "accuracy_low": fmean(seeds) - 0.04, "accuracy_high": fmean(seeds) + 0.05,
         "accuracy_over": "seeds and questions" if len(seeds) > 1 else "questions only"}
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
        fits = {strategy: curve.fit([(tokens, arms[-1][0]["accuracy_mean"])]) for (strategy, tokens), arms in table.by_size(listed).items()}
        plots.accuracy(tmp_path / "accuracy.png", rows=listed, fits=fits, paper=False, otherwise=None)
        return figures[-1].axes

    return draw


def points(axes, colour):
    """(x, y) of what is drawn in bold markers of a colour, from left to right."""
    return sorted(pair for bars in axes.containers if bars[0].get_color() == colour for pair in zip(*bars[0].get_data()))


def bars_of(axes, colour):
    """{x: (low, high, whether its marker is hollow)} of the error bars of a colour."""
    return {segment[0][0]: (segment[0][1], segment[1][1], bars[0].get_markerfacecolor() == "white")
            for bars in axes.containers if bars[0].get_color() == colour for segment in bars[2][0].get_segments()}


RAW, REPHRASE, ENTIGRAPH = (plots.looks([])[name][0] for name in ("raw", "rephrase", "entigraph"))


def test_arms_that_read_one_text_more_or_less_often_are_drawn_apart(drawn):
    arms = [("once", "raw", 6000, 6000, [0.27]), ("raw", "raw", 6000, 384_000, [0.30, 0.32]), ("half", "entigraph", 9000, 9000, [0.5])]
    epochs, tokens = drawn(rows(BASE, *arms))
    assert points(epochs, RAW) == [(1, 0.27), (64, 0.31)] and points(tokens, RAW) == [(6000, 0.31)]
    assert points(epochs, ENTIGRAPH) == [] and points(tokens, ENTIGRAPH) == [(9000, 0.5)]
    assert [tick.get_text() for tick in epochs.get_xticklabels()] == ["1", "64"] and epochs.get_ylim() == tokens.get_ylim()
    assert len(drawn(rows(BASE, *arms[1:]))) == 1, "one arm needs no panel"


def test_arms_of_one_size_and_one_length_all_stand_there(drawn):
    (axes,) = drawn(rows(BASE, ("plain", "raw", 6000, 9000, [0.3]), ("spoken", "raw", 6000, 9000, [0.4])))
    assert points(axes, RAW) == [(6000, 0.3), (6000, 0.4)] and {"plain", "raw"} <= {*said(axes)}
    epochs, tokens = drawn(rows(BASE, ("once", "raw", 6000, 6000, [0.2]), ("plain", "raw", 6000, 9000, [0.3]), ("spoken", "raw", 6000, 9000, [0.4])))
    assert points(epochs, RAW) == [(1, 0.2), (1.5, 0.3), (1.5, 0.4)] and points(tokens, RAW) == [(6000, 0.3), (6000, 0.4)]


def test_one_size_is_one_tick(drawn):
    (axes,) = drawn(rows(BASE, ("raw", "raw", 6146, 9000, [0.3]), ("entigraph", "entigraph", 6146, 9000, [0.4])))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["6.15k"]
    (axes,) = drawn(rows(BASE, ("half", "raw", 6146, 9000, [0.3]), ("raw", "raw", 20_000, 20_000, [0.4])))
    assert len(axes.get_xticklabels()) > 1


def test_several_seeds_at_one_size_and_one_at_another(drawn):
    """Each seed has books of its own, so its corpus may have another size: the first seed's is the arm's."""
    listed = rows(("half", "entigraph", 2000, 4000, [0.4]), ("all", "entigraph", 4000, 4000, [0.5, 0.6, 0.7]))
    listed[-1]["corpus_tokens"] = 3900
    (axes,) = drawn(listed)
    assert points(axes, ENTIGRAPH) == [(2000, 0.4), (4000, pytest.approx(0.6))]
    assert bars_of(axes, ENTIGRAPH) == {2000: (pytest.approx(0.36), pytest.approx(0.45), True),
                                        4000: (pytest.approx(0.56), pytest.approx(0.65), False)}, "the arm's own interval"  # fmt: skip


def said(axes):
    return [one.get_text() for one in axes.texts]


def test_the_picture_says_what_its_bars_are_over(drawn):
    half, whole = ("half", "entigraph", 2000, 4000, [0.4]), ("all", "entigraph", 4000, 4000, [0.5, 0.6])
    assert "bars: 95% interval over seeds and questions; hollow: one seed, over questions only" in said(drawn(rows(BASE, half, whole))[0])
    assert "bars: 95% interval over seeds and questions" in said(drawn(rows(BASE, whole))[0])
    assert "bars and bands: 95% interval over questions only, of one seed" in said(drawn(rows(BASE, half))[0])


def test_a_single_document_has_a_point_and_no_bar(drawn):
    (row,) = rows(("half", "entigraph", 2000, 4000, [0.4]))
    (axes,) = drawn([{**row, "accuracy_low": None, "accuracy_high": None, "accuracy_over": None}])
    assert bars_of(axes, ENTIGRAPH) == {2000: (0.4, 0.4, True)}


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


@pytest.mark.parametrize("number", [3, 24])
def test_the_labels_of_many_arms_of_one_size_stay_apart_and_within_the_picture(tmp_path, monkeypatch, number):
    arms = rows(*((f"qa-with-a-long-name-{place}", "qa", 80_000, 80_000, [0.3 + place / 100]) for place in range(number)))
    drawn = []
    monkeypatch.setattr(plots, "keep_apart", lambda labels: (keep_apart(labels), drawn.append(labels)))
    plots.bakeoff(tmp_path / "bakeoff.png", rows=arms, usd=[0.1 * (place + 1) for place in range(number)])
    assert len(drawn) == 2
    for labels in drawn:
        boxes = [Text.get_window_extent(one) for one in labels]  # without the lines that lead to them
        assert len(boxes) == number and not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
        assert all(labels[0].figure.bbox.y0 <= box.y0 and box.y1 <= labels[0].figure.bbox.y1 and box.x1 <= labels[0].figure.bbox.x1 for box in boxes)
