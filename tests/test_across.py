"""Passages about two documents: which pairs there are, what a model is shown of both, and that a takedown of either knows the pair."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import test_impact
from index_server import IndexServer
from openai_server import Server
from test_impact import CALL, KELL, TEXTS, VARN, _job, ask, broken, project  # noqa: F401  (a fixture)

from closedbook import layout, params
from closedbook.generation.strategies import across
from closedbook.lineage import impact
from closedbook.lineage.takedown import certify, held
from closedbook.lineage.takedown.certify import offsets_of
from closedbook.lineage.tracing import passage as tracing
from closedbook.llm import prompts
from closedbook.records import Document, EntityList, Pair, Pairs, Passage, Passages
from closedbook.spending import asking, forecast
from closedbook.stages import pairs, passages, tokens
from closedbook.util import files
from closedbook.workflow import recipes

FIRST, SECOND = KELL, VARN
assert FIRST < SECOND


def listed(**entities):
    return {name: EntityList(document=name, summary="s", entities=its, made_by="llm", why=None, maker="m", call=None) for name, its in entities.items()}


def document(name, text="A text."):
    return Document(id=name, title=f"The {name}", author=None, year=None, text=text)


LISTS = listed(a=["Mira Oldan", "the Lamp", "Varn"], b=["lamp", "MIRA  OLDAN"], c=["Varn", "A lamp", "Kell"], d=["Zell"])


def found(lists=LISTS, least=1, most=9):
    return [(pair.first, pair.second, pair.shared) for pair in across.pairs(lists, least, most)]


def test_pairs_share_names_whatever_their_case_and_article_and_rare_ones_count_more():
    assert found() == [("a", "b", ["Mira Oldan", "the Lamp"]), ("a", "c", ["the Lamp", "Varn"]), ("b", "c", ["lamp"])]
    assert found(least=2) == found()[:2] and found(least=3) == []
    rare = listed(a=["x", "rare"], b=["x"], c=["x"], e=["rare"], f=["x"])
    assert found(rare)[0] == ("a", "e", ["rare"]), "one that two name, before one that four do"


def test_what_many_documents_name_joins_none():
    many = listed(**{f"d{number:02}": ["everywhere", f"own {number // 2}"] for number in range(12)})
    assert found(many) == [(f"d{number:02}", f"d{number + 1:02}", [f"own {number // 2}"]) for number in range(0, 12, 2)]


def test_more_pairs_are_a_superset_and_each_document_has_its_own_worthiest():
    star = listed(hub=[f"n{number}" for number in range(8)], **{f"s{number}": [f"n{number}"] for number in range(8)})
    few, many = ({pair[:2] for pair in found(star, most=most)} for most in (1, 3))
    assert few == many == {("hub", f"s{number}") for number in range(8)}, "each of the others has but this one"
    full = listed(**{name: ["x", "y"] for name in "abcde"})
    small, large = (found(full, most=most) for most in (1, 2))
    assert len(small) < len(large) < 10 and [pair for pair in large if pair in small] == small


def built(folder, lists, settings):
    """What the stage says, and of each document its pairs."""
    for name, its in lists.items():
        document(name).write(folder / f"documents/{name}.json")
        its.write(folder / f"entities/{name}.json")
    made = pairs.job(documents=sorted(folder.glob("documents/*")), entities=sorted(folder.glob("entities/*")), folder=folder / "pairs",
                     params=params.typed(settings), limits=params.load().limits)  # fmt: skip
    return made, {name: Pairs.read(folder / f"pairs/{name}.json").pairs for name in lists}


def test_names_that_an_embedder_finds_alike_join_documents_and_it_is_asked_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    lists = listed(a=["Mira Oldan", "the Lamp"], b=["Oldan Mira", "Lamp"], c=["The Tower"])
    with IndexServer() as server:
        for alike in (0.9, 0.99):
            settings = {"shared": 2, "pairs": 9, "embedder": {"model": "openai/toy", "api_base": server.url}, "alike": alike}
            made, read = built(tmp_path, lists, {"passages": {"across": settings}, "bound": dict.fromkeys(lists)})
            assert made == {"pairs": 1} and [(pair.beside.id, pair.shared) for pair in read["a"]] == [("b", ["Mira Oldan / Oldan Mira", "the Lamp"])]
        assert server.requests == 3 and set(server.embedded) == {"mira oldan", "oldan mira", "lamp", "tower"}
    assert built(tmp_path, lists, {"passages": {"across": {"shared": 2, "pairs": 9}}, "bound": dict.fromkeys(lists)})[0] == {"pairs": 0}


def test_a_name_is_taken_for_the_nearest_that_stands_for_itself():
    turn = np.radians([0, 20, 40, 55])
    rows = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    assert pairs.alike(list("abcd"), rows, np.cos(np.radians(25))) == {"a": "a", "b": "a", "c": "c", "d": "c"}
    assert pairs.alike(list("abcd"), rows, 1.0) == dict(zip("abcd", "abcd", strict=True)) and pairs.alike([], rows[:0], 0.5) == {}


def test_documents_of_different_seeds_make_no_pair(tmp_path):
    settings = {"passages": {"across": {"shared": 1, "pairs": 9}}, "bound": {"a": 1, "b": 2, "c": 1, "d": 2}}
    made, read = built(tmp_path, LISTS, settings)
    assert made == {"pairs": 1} and {name: len(its) for name, its in read.items()} == {"a": 1, "b": 0, "c": 0, "d": 0}
    assert read["a"][0].beside == document("c") and read["a"][0].shared == ["the Lamp", "Varn"]


def test_the_stage_is_planned_where_an_arm_asks_for_it_and_no_judge_sees_half_a_pair():
    shipped = params.load()
    arm = params.Arm(strategy={"across": 1, "qa": 1}, corpus_tokens="all", epochs=1)
    chosen = shipped.model_copy(update={"arms": {"mine": arm}, "judge": shipped.judge.model_copy(update={"model": "openai/x"})})
    assert recipes.pairs(shipped, {"a": None}) == {} and recipes.pairs(chosen, {"a": None})["pairs"]["params"]["bound"] == {"a": None}
    assert recipes.judged_strategies(chosen) == ["qa"]


def test_a_forecast_knows_the_pairs_or_how_many_there_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shipped = params.load()
    settings = shipped.passages.model_copy(update={"across": params.Across(shared=1, pairs=3, samples=2)})
    chosen = shipped.model_copy(update={"llm": shipped.llm.model_copy(update={"model": "openai/toy"}), "passages": settings})
    unknown = asking._passages(chosen, document("a"), "across", None, is_made=False)
    assert unknown.is_bound and unknown.open == {"across": 6} and unknown.written == {"across": 6}
    here = Pairs(document="a", pairs=[Pair(beside=document("b"), shared=["x"])])
    known = asking._passages(chosen, document("a"), "across", here, is_made=False)
    assert not known.is_bound and known.open == {"across": 2}
    finding = settings.across.model_copy(update={"embedder": params.Endpoint(model="openai/finds", api_base=None)})
    finds = chosen.model_copy(update={"passages": settings.model_copy(update={"across": finding})})
    for asked, named in ((chosen, []), (finds, ["passages.across.embedder (openai/finds)"])):
        notes = forecast._others(SimpleNamespace(params=asked, recipes={"pairs": {}}))
        assert [name in " ".join(notes) for name in named] == [True] * len(named) and len(notes) == len(named)


def test_a_model_is_shown_both_and_the_passage_names_both(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    one, other = document("a", "Mira Oldan kept the lamp.\n\nShe died."), document("b", "Mira Oldan left.\n\nNobody knows why.")
    one.write(tmp_path / "a.json")
    Pairs(document="a", pairs=[Pair(beside=other, shared=["Mira Oldan", "the lamp"])]).write(tmp_path / "pairs.json")
    with Server() as server:
        recipe = {"seed": 1, "strategy": "across", "llm": {"model": "openai/toy", "api_base": server.url, "temperature": 0.5, "max_tokens": 100},
                  "passages": {"attempts": 1, "across": {"shared": 1, "pairs": 1, "samples": 2}}}
        given = {"document": tmp_path / "a.json", "entities": [], "pairs": [tmp_path / "pairs.json"], "params": params.typed(recipe)}
        asyncio.run(passages.job(**given, output=tmp_path / "out.json", limits=params.load().limits))
        shown = server.requests[0]["messages"][1]["content"]
    assert prompts.fenced(one) in shown and prompts.fenced(other) in shown and "Both speak of: Mira Oldan; the lamp." in shown
    made = Passages.read(tmp_path / "out.json").passages
    assert [(each.document, each.beside, each.entities) for each in made] == [("a", "b", ["Mira Oldan", "the lamp"])] * 2 and len({each.id for each in made}) == 2
    name, fields = prompts.parse(shown)
    assert name == "across" and fields["other"] == "The b" and other.text in fields["beside"]


@pytest.fixture
def paired(project):  # noqa: F811
    """The same project with pairs, and a corpus that holds a passage about both documents."""
    _pairs(TEXTS)
    return project


def _pairs(documents):
    texts = {name: Document.read(layout.document(name)) for name in documents}
    for name in documents:
        others = [Pair(beside=texts[SECOND], shared=["A", "B"])] if name == FIRST and SECOND in texts else []
        Pairs(document=name, pairs=others).write(layout.pairs(name))
    inputs = [str(place(name)) for name in documents for place in (layout.document, layout.entities)]
    _job("pairs/pairs", inputs, [str(layout.pairs(name)) for name in documents])
    for name in documents:
        made = [Passage(id=f"{name}/across/b{number}", document=name, strategy="across", kind="across", entities=["A", "B"], sample=number, writer="llm",
                        beside=pair.beside.id, text=f"Beside each other ({number}): {' '.join(TEXTS.values())}", call={**CALL, "key": f"b{number}", "prompt": "across", "prompt_sha256": "0" * 64})
                for number, pair in enumerate(Pairs.read(layout.pairs(name)).pairs)]  # fmt: skip
        Passages(document=name, strategy="across", passages=made, dropped=[]).write(layout.passages("across", name))
        _job(f"passages/across/{name}", [str(layout.document(name)), str(layout.pairs(name))], [str(layout.passages("across", name))])


def test_trace_names_both_documents(paired):
    identity = f"{FIRST}/across/b0"
    told = tracing.origin(identity, tracing.history([identity]))
    assert (told["document"]["id"], told["beside"]["id"], told["passage"]["beside"]) == (FIRST, SECOND, SECOND)


def test_an_index_and_a_corpus_know_the_other_document(paired, tmp_path):
    rows = list(tokens._rows(Passages.read(layout.passages("across", FIRST)).passages, [3], params.load().corpora.filters))
    assert [row["beside"] for row in rows] == [SECOND]
    rows = files.read_json_lines("results/corpora/entigraph-30/passages.jsonl")
    files.write_json_lines("results/corpora/entigraph-30/passages.jsonl", [*rows[:-1], {**rows[0], "document": FIRST, "beside": SECOND}])
    ((_, why),) = certify._in_corpora(SimpleNamespace(document=SECOND))
    assert f"to {offsets_of(Path('results/corpora/entigraph-30'))[len(rows)] - 1}" in why, "the last one, which is the other document's as well"
    assert held._rows(Path("results/corpora/entigraph-30"), SECOND).tolist() == [row["document"] == SECOND for row in rows[:-1]] + [True]


def test_impact_counts_passages_in_which_another_document_is_set_beside_it(paired):
    answer = ask(SECOND)
    assert answer["beside"] == 1 and f"passages/across/{FIRST}" in answer["unplanned"], "no arm here asks for pairs any more"
    assert f"beside another document in {1} of that one's passages" in "\n".join(impact.lines(answer))
    assert ask(FIRST)["beside"] == 0 and ask(FIRST)["passages"]["across"] == {"across": 1}


def test_a_document_that_is_taken_out_takes_its_pairs_with_it(paired):
    kept = layout.passages("across", FIRST).read_bytes()
    ask(SECOND)
    for path in [path for folder in ("results", ".closedbook") for path in Path(folder).rglob("*.json") if SECOND in str(path)]:
        path.unlink()
    for path in ("texts/varn.md", "texts/questions.jsonl"):
        Path(path).unlink()
    test_impact._arm([FIRST])
    assert str(layout.passages("across", FIRST)) in broken(SECOND), "the passage about both is found where pairs were not made anew"
    _pairs([FIRST])
    ask(SECOND, redact=True)
    assert not broken(SECOND)
    files.write_text("copy.json", kept.decode())
    assert "copy.json" in broken(SECOND), "planted: a copy of it elsewhere"
