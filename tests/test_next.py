"""What the next dollars bring: by hand on planted lines, and the words where the curve can't tell."""

import json
import math
from pathlib import Path

import pytest
import toys
from toy_scores import scored

from closedbook import cli, layout
from closedbook.analysis import curve
from closedbook.spending import next as following
from closedbook.util import files


def line(*points):
    return curve.fit([*points])["log_linear"]


RISING = line((1e5, 0.30), (1e6, 0.51), (1e7, 0.70))


def test_a_gain_is_the_lines_slope_times_how_much_larger_the_corpus_gets():
    found = following.step(1_000_000, 1e-5, 90.0, RISING)  # 9 million tokens more: ten times as many
    assert found["tokens"] == pytest.approx(9e6) and found["gain"] == pytest.approx(0.2) and found["why"] is None
    assert found["interval"] == pytest.approx(RISING["parameters"]["b"]["interval"])
    half = following.step(1_000_000, 1e-5, 10.0, RISING)
    assert half["gain"] == pytest.approx(0.2 * math.log10(2)) and half["interval"][1] == pytest.approx(found["interval"][1] * math.log10(2))


@pytest.mark.parametrize("fitted, usd, each, why", [
    (RISING, 91.0, 1e-5, "nothing says that its line goes on"),
    (RISING, 10.0, 0.0, "cost nothing"),
    (RISING, 10.0, None, "is not known"),
    (line((1e5, 0.3)), 10.0, 1e-5, "a line needs arms of at least two sizes"),
    (line((1e5, 0.3), (1e6, 0.5)), 10.0, 1e-5, "two points decide a line"),
    (line((1e5, 0.3), (1e6, 0.5), (1e7, 0.3)), 10.0, 1e-5, "may not rise at all"),
])  # fmt: skip
def test_where_the_curve_cant_tell_it_says_why(fitted, usd, each, why):
    assert why in following.step(1_000_000, each, usd, fitted)["why"]


def test_the_command_prints_each_strategy_with_gains_or_reasons(tmp_path, monkeypatch, capsys):
    root = Path.cwd()
    for name in ("evals", "src", "params.yaml"):
        (tmp_path / name).symlink_to(root / name)
    monkeypatch.chdir(tmp_path)
    sizes = {"entigraph-50k": (50_000, 5), "entigraph-100k": (100_000, 6), "entigraph": (200_000, 7), "rephrase": (200_000, 5)}
    for arm, (tokens, right) in sizes.items():
        strategy = arm.partition("-")[0]
        scored(tmp_path / "results", arm, ([1] * right + [0] * (12 - right)) * 12, documents=12, strategy=strategy, tokens=tokens)
        files.write_json(layout.run_facts(f"{arm}-s1"), {"corpus": arm})
        files.write_json_lines(layout.CORPORA / arm / "passages.jsonl", [{"id": f"d/{strategy}/0", "document": "d", "strategy": strategy}])
        toys.passages(layout.PASSAGES, "d", ["a"], strategy)
        path = layout.passages(strategy, "d")
        made = files.read_json(path)
        made["passages"][0]["call"] = {"key": "k", "usage": {"prompt_tokens": 10, "completion_tokens": 5}, "cost_usd": 2.0}
        files.write_json(path, made)
    assert cli.main(["next"]) == 0
    shown = capsys.readouterr().out
    assert "+10 dollars" in shown and "nothing says that its line goes on" in shown and "a line needs arms of at least two sizes" in shown
    assert cli.main(["next", "2", "--json"]) == 0
    best, other = json.loads(capsys.readouterr().out)["strategies"]
    assert best["strategy"] == "entigraph" and other["next"][0]["gain"] is None
    assert best["usd_per_million"] == pytest.approx(10.0) and best["next"][0]["gain"] == pytest.approx(1 / 12, abs=1e-6)
    assert cli.main(["next", "1", "--price", "openai/none-such"]) == 2 and "LiteLLM knows no price" in capsys.readouterr().err
