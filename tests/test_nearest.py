"""The index of passages: the same as bm25s makes in memory, whatever is read at a time, and each passage found where it lies."""

import random
import threading

import numpy as np
import pytest
import toys

from closedbook.lineage.tracing import lying, nearest
from closedbook.records import Passages
from closedbook.util import files

HOSTILE = '"quoted"\n  },\n  {\n   "id": "tide/entigraph/9",\n   "kind": "none",\n "dropped": \u2028\U0001f642 \\n'


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn, words = random.Random(1), [f"word{number}" for number in range(60)]
    for name in ("lamp", "tide", "mill"):
        texts = [" ".join(drawn.choices(words, k=drawn.randint(0, 30))) for _ in range(40)] + [f"{HOSTILE} {name}"]
        path = toys.passages(tmp_path / "results/passages", name, texts).relative_to(tmp_path)
        record = files.read_json(path)
        proposal = record["passages"][0] | {"id": f"{name}/entigraph/ways", "kind": "ways"}
        files.write_json(path, record | {"dropped": [{"kind": "pair", "reason": HOSTILE}] * 2, "proposals": [proposal]})
        toys.receipt(f"passages/entigraph/{name}", [], [path])
    return sorted(tmp_path.glob("results/passages/*/*.json"))


def test_the_scores_are_those_of_bm25s_however_many_texts_are_read_at_a_time(written, tmp_path):
    import bm25s

    texts = nearest.words([one.text for path in written for one in Passages.read(path).passages])
    plain = bm25s.BM25(k1=nearest.K1, b=nearest.B, method="lucene")
    plain.index(texts, show_progress=False)
    for size in (1, 7, len(texts)):
        aside = tmp_path / f"aside{size}"
        aside.mkdir()
        ours = bm25s.BM25()
        ours.scores, ours.vocab_dict = nearest.scores((texts[at : at + size] for at in range(0, len(texts), size)), aside)
        ours.nonoccurrence_array = None
        for question in (["word1"], ["word3", "word59", "quoted"], ["lamp", "word2"]):
            assert np.allclose(ours.get_scores(question), plain.get_scores(question), atol=1e-6)


def test_every_passage_lies_where_the_index_says(written):
    index, at = nearest.index(), 0
    for path in written:
        made, counted = Passages.read(path), lying.counted(path)
        assert lying.within(path)[0] == [one.id for one in made.passages] and counted == {"kinds": {"pair": 20, "triplet": 21}, "num_dropped": 2}
        for one in made.passages:
            assert index.passage(at)["text"] == one.text and index.keys[at] == lying.keys([one.id])[0]
            at += 1
    assert len(index) == at


def test_only_what_may_be_found_is_and_rare_words_say_more(written):
    index = nearest.index()
    everything = index.nearest(["mill", "word1"], 5)
    assert index.passage(everything[0][0])["id"] == "mill/entigraph/40" and index.weight("mill") > index.weight("word1") > 0
    among = index.among(lying.keys(["lamp/entigraph/40"]))
    assert index.nearest(["mill", "word1"], 5, among) == [] and index.nearest(["lamp"], 5, among)[0][0] == int(np.flatnonzero(among)[0])
    assert index.nearest(["nowhere"], 5) == [] and index.weight("nowhere") > index.weight("mill")


def test_two_that_want_the_same_index_make_it_once(written, capsys):
    asking = [threading.Thread(target=nearest.index) for _ in range(3)]
    for each in asking:
        each.start()
    for each in asking:
        each.join(60)
    assert capsys.readouterr().err.count("indexing") == 1 and [path.name for path in nearest.INDEXES.iterdir()] == [nearest.where().name]
