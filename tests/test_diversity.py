"""Diversity: repeated text against varied text, at one length, of the right corpus and in its order."""

import pytest
import toys

from closedbook.analysis import diversity
from closedbook.util import files

SENTENCE = "The keeper of Varn counts the ships by their lamps."  # 10 words


def different(number, start=0):
    return " ".join(f"w{start + place}" for place in range(number))


def corpora(folder, **texts):
    """One corpus per strategy of these texts: what measure is given."""
    paths = {strategy: toys.passages(folder, "varn", listed, strategy) for strategy, listed in texts.items()}
    return [toys.corpus(folder, strategy, [path]) for strategy, path in paths.items()], [*paths.values()]


def measured(folder, **texts):
    found = diversity.measure(*corpora(folder, **texts))
    return found["lengths"], {row["strategy"]: row["measured"] for row in found["strategies"]}


def test_by_hand():
    assert diversity.distinct("a b c d a b c d a".split()) == 4 / 6
    assert diversity.distinct(["a"]) == 1.0
    assert diversity.compression_ratio(["ä" * 3000]) > 100, "of bytes, as UTF-8"


def test_one_sentence_again_and_again_is_told_from_words_that_are_all_different(tmp_path):
    lengths, found = measured(tmp_path, rephrase=[SENTENCE] * 30, entigraph=[different(300)])
    (repeated,), (varied,) = found["rephrase"], found["entigraph"]
    assert lengths == [300] and repeated["distinct_4"] == 10 / 297 and varied["distinct_4"] == 1.0
    assert repeated["compression_ratio"] > 10 > 4 > varied["compression_ratio"]


def test_a_longer_text_of_the_same_manner_is_no_more_repetitive(tmp_path):
    """Whole, the longer one would look the worse: five times as long, of words that come again five times."""
    manner = [different(20, start=20 * number) for number in range(10)]
    lengths, found = measured(tmp_path, rephrase=manner, entigraph=manner * 5)
    assert lengths == [200] and found["rephrase"] == found["entigraph"]
    whole = " ".join(manner * 5).split()
    assert diversity.distinct(whole) < found["rephrase"][0]["distinct_4"]
    assert diversity.compression_ratio(whole) > 2 * found["rephrase"][0]["compression_ratio"]


def test_the_documents_are_too_short_for_what_was_written(tmp_path):
    lengths, found = measured(tmp_path, raw=[different(40)], rephrase=[different(90)], entigraph=[different(60)])
    assert lengths == [40, 60] and found["raw"][1] is None
    assert all(found["rephrase"]) and all(found["entigraph"])


def test_documents_alone_have_one_length(tmp_path):
    assert measured(tmp_path, raw=[different(40)])[0] == [40]


def test_no_more_is_read_than_the_bound_and_in_the_order_of_the_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(diversity, "MAX_WORDS", 12)
    texts = [f"{number} " * 5 for number in range(5)]
    folders, paths = corpora(tmp_path, entigraph=texts)
    rows = files.read_json_lines(folders[0] / "passages.jsonl")
    files.write_json_lines(folders[0] / "passages.jsonl", [rows[place] for place in (3, 0, 4, 1)])  # the last one had no place
    corpus = diversity._largest(folders)[0]
    assert diversity._text(corpus, paths).split() == ["3"] * 5 + ["0"] * 5 + ["4"] * 2


@pytest.mark.parametrize("seeds, chosen", [((None, None), "large"), ((1, 2), "small")])
def test_the_largest_corpus_speaks_for_a_strategy_and_of_its_seeds_the_first(tmp_path, seeds, chosen):
    """Two corpora of two sizes, or of one size for two seeds, the first one's first."""
    for size, seed in zip((50, 80), seeds):
        name = "large" if size == 80 else "small"
        path = toys.passages(tmp_path / name, name, [different(size)])
        facts = files.read_json(place := toys.corpus(tmp_path, name, [path]) / "corpus.json")
        files.write_json(place, facts | {"size": "all" if seed else size})
    folders, paths = [tmp_path / "corpora" / name for name in ("small", "large")], sorted(tmp_path.glob("*/entigraph/*.json"))
    (row,) = diversity.measure(folders, paths)["strategies"]
    assert row["words"] == {"large": 80, "small": 50}[chosen]
