"""strategies: what each asks for, in which order, and what a mixture of them is called and shares."""

import pytest

from closedbook import params
from closedbook.generation.strategies import STRATEGIES, active_reading, centrality, focal, mixture
from closedbook.records import Document, EntityList, Pair, Pairs
from closedbook.util.errors import UserError

DOCUMENT = Document(id="doc-1", title="T", author=None, year=None, text="x")
ENTITIES = EntityList(document="doc-1", summary="s", entities=[f"e{i}" for i in range(8)], made_by="llm", why=None, maker="m", call=None)
TALE = """Mira Oldan kept the lamp with Tomas Reed. Oldan trusted Reed.

Mira Oldan and Tomas Reed sailed to Varn. Mira Oldan came back. The lamp was out.

Anna Kell lived in Zell. Nobody else went there."""
CAST = ["Anna Kell", "Zell", "Mira Oldan", "Tomas Reed", "the lamp", "Varn", "Nobody Known"]


PAIRED = Pairs(document="doc-1", pairs=[Pair(beside=Document(id=f"doc-{number}", title=f"D{number}", author=None, year=None, text="y"), shared=["e1", "e2"])
                                        for number in (2, 3)])  # fmt: skip


def wanted(strategy, seed=1, document=DOCUMENT, entities=None, **changes):
    entities = entities or (PAIRED if strategy == "across" else ENTITIES)
    settings = params.load().passages
    section = getattr(settings, strategy).model_copy(update=changes)
    return STRATEGIES[strategy].wanted(document, entities, settings.model_copy(update={strategy: section}), seed)


def ranked(order="ranked", **changes):
    document = Document(id="tale-1", title="Tale", author=None, year=None, text=TALE)
    listed = EntityList(document="tale-1", summary="s", entities=CAST, made_by="llm", why=None, maker="m", call=None)
    return [each.entities for each in wanted("entigraph", document=document, entities=listed, order=order, summary=False, **changes)]


def test_entigraph_asks_for_all_pairs_and_a_seeded_choice_of_triplets():
    asked = wanted("entigraph", pairs="all", triplets=10, summary=True)
    kinds = [each.kind for each in asked]
    assert kinds.count("summary") == 1 and kinds.count("pair") == 28 and kinds.count("triplet") == 10
    assert len({each.entities for each in asked}) == 39
    assert [each for each in asked if each.kind == "triplet"] != [each for each in wanted("entigraph", seed=2, triplets=10) if each.kind == "triplet"]


def test_ranked_pairs_begin_with_those_that_the_document_sets_side_by_side():
    pairs = ranked(singles=0, pairs="all", triplets=0)
    assert pairs[0] == ("Mira Oldan", "Tomas Reed") and {"Nobody Known"} <= set(pairs[-1])
    place = {pair: number for number, pair in enumerate(pairs)}
    assert place["Mira Oldan", "Varn"] < place["Anna Kell", "Varn"], "two that meet, before two that never do"
    assert ranked(singles=0, pairs=0, triplets=1) == [("Mira Oldan", "Tomas Reed", "the lamp")]
    assert {*ranked(singles=2, pairs=0, triplets=0)} == {("Mira Oldan",), ("Tomas Reed",)}


def test_meetings_are_counted_by_paragraph_and_by_sentence_under_full_name_or_surname():
    met = centrality.meetings(TALE, CAST)
    assert met["Mira Oldan", "Tomas Reed"] == 2 + 3 and met["Anna Kell", "Zell"] == 1 + 1 and met["Mira Oldan", "the lamp"] == 2 + 1
    assert ("Anna Kell", "Mira Oldan") not in met


def test_harmonic_pairs_begin_with_those_through_whom_the_others_are_near():
    chain = Document(id="tale-1", title="Tale", author=None, year=None, text="A met B. A met B.\n\nB met C.\n\nC met D.\n\nE met F. E met F. E met F.")
    listed = EntityList(document="tale-1", summary="s", entities=["A", "B", "C", "D", "E", "F"], made_by="llm", why=None, maker="m", call=None)
    first = {order: wanted("entigraph", document=chain, entities=listed, order=order, summary=False, pairs=1, triplets=0)[0].entities
             for order in ("ranked", "harmonic")}
    assert first == {"ranked": ("E", "F"), "harmonic": ("A", "B")}, "PageRank sees a pair by itself, the other how near all else is"
    pairs = ranked("harmonic", singles=0, pairs="all", triplets=0)
    assert pairs[0] == ("Mira Oldan", "Tomas Reed") and {"Nobody Known"} <= set(pairs[-1])


@pytest.mark.parametrize("order", ["ranked", "harmonic"])
def test_all_orders_ask_for_the_same_passages_where_all_are_asked_for(order):
    assert {*wanted("entigraph", order=order, triplets=0)} == {*wanted("entigraph", order="seeded", triplets=0)}
    assert wanted("entigraph", order=order, pairs=9) == wanted("entigraph", order="seeded", pairs=9), "nothing is named: all are alike"


@pytest.mark.parametrize("strategy, small, large", [
    ("entigraph", {"pairs": 5, "triplets": 7}, {"pairs": 9, "triplets": "all"}),
    ("entigraph", {"pairs": 5, "triplets": 0}, {"pairs": 5, "triplets": 3, "singles": "all"}),
    ("entigraph", {"pairs": 5, "triplets": 7, "order": "ranked"}, {"pairs": 9, "triplets": "all", "order": "ranked"}),
    ("entigraph", {"pairs": 5, "triplets": 7, "order": "harmonic"}, {"pairs": 9, "triplets": "all", "order": "harmonic"}),
    ("rephrase", {"samples": 2}, {"samples": 3}),
    ("rephrase", {"styles": ["hard"]}, {"styles": ["qa", "hard"]}),
    ("summaries", {"kinds": ["facts"], "samples": 1}, {"kinds": ["notes", "facts"], "samples": 2}),
    ("summaries", {"kinds": ["facts"], "samples": 2}, {"kinds": ["facts"], "samples": 2, "paraphrases": 1}),
    ("summaries", {"kinds": ["facts"], "samples": 2, "paraphrases": 1}, {"kinds": ["facts"], "samples": 3, "paraphrases": 2}),
    ("spa", {"samples": 1}, {"samples": 2}),
    ("identifiers", {"samples": 1}, {"samples": 2}),
    ("across", {"samples": 1}, {"samples": 2}),
    ("focal", {"proposals": 1, "questions": 2, "samples": 1}, {"proposals": 2, "questions": 2, "samples": 1}),
    ("focal", {"proposals": 2, "questions": 2, "samples": 1}, {"proposals": 2, "questions": 12, "samples": 1}),
    ("focal", {"proposals": 2, "questions": 2, "samples": 1}, {"proposals": 2, "questions": 2, "samples": 2}),
    ("qa", {"kinds": ["recall"], "samples": 2}, {"kinds": ["recall", "reasons"], "samples": 2}),
    ("active_reading", {"proposals": 1, "ways": 2, "samples": 1}, {"proposals": 2, "ways": 2, "samples": 1}),
    ("active_reading", {"proposals": 2, "ways": 2, "samples": 1}, {"proposals": 2, "ways": 3, "samples": 1}),
    ("active_reading", {"proposals": 2, "ways": 2, "samples": 1}, {"proposals": 2, "ways": 2, "samples": 3}),
])  # fmt: skip
def test_asking_for_more_extends_what_is_there(strategy, small, large):
    few, many = ({each.passage_id("doc-1", strategy) for each in everything(wanted(strategy, **size))} for size in (small, large))
    assert few < many


def everything(asked):
    """What is asked for, and what is because of it, where the answer to sample N proposes ways and asks questions of its own."""
    following = [new for each in asked if each.then for new in each.then(ANSWERS[each.kind].format(f"{each.kind} {each.sample}"))]
    return [*asked, *(everything(following) if following else [])]


PAIRS = "\n\n".join(f"Question: Who was {number} of {{0}}?\nAnswer: Mira." for number in range(15))
ANSWERS = {"ways": "\n".join(f"{number}. Way {number} of {{0}}" for number in range(1, 11)), "recall": PAIRS, "reasons": PAIRS}


@pytest.mark.parametrize("answer, questions", [
    ("Question: Who  kept\tthe lamp?\nAnswer: Mira.\n\nQuestion: Why?\nAnswer: Because.", ["Who kept the lamp?", "Why?"]),
    ("**Question 1:** Who kept it?\n**Answer:** Mira.\n\nQuestion 2. Who kept it?\nAnswer: She.", ["Who kept it?", "Who kept it?"]),
    ("Question: " + "Who kept the lamp? " * 40 + "\nAnswer: Mira.\nQuestion: Why?", ["Why?"]),
    ("The question is open. Answer: Mira.", []),
])  # fmt: skip
def test_the_questions_of_an_answer_are_those_of_its_pairs(answer, questions):
    assert focal.asked(answer) == list(dict.fromkeys(questions))


def test_each_question_is_in_view_of_a_rewriting_and_the_ways_take_turns():
    rewritten = [each for each in everything(wanted("focal", proposals=2, questions=12, samples=1)) if each.kind == "focal"]
    assert len({each.question for each in rewritten}) == len(rewritten) == 2 * 2 * 12
    assert {each.way for each in rewritten} == {f"Way {number} of ways {sample}" for number in range(1, 11) for sample in range(2)}
    assert [each.way for each in rewritten[:12]].count("Way 1 of ways 0") == 2, "after the last way the first one again"
    at_most = [each for first in wanted("focal", proposals=1, questions=3, samples=2) for asking in first.at_most for each in asking.at_most]
    assert len(at_most) == 2 * 3 * 2, "what a forecast counts before anything is answered"


def test_each_kind_has_a_prompt_and_ids_of_old_stay():
    for strategy, module in {**STRATEGIES, "imported": STRATEGIES["raw"]}.items():  # imported has what it is given
        kinds = {each.kind for each in everything(wanted(strategy) if strategy not in ("raw", "imported") else module.wanted(DOCUMENT, ENTITIES, None, 1))}
        assert kinds <= {*module.PROMPTS, "document", "summary"}, strategy
        if strategy in ("spa", "active_reading", "focal", "identifiers"):
            assert kinds == {*module.PROMPTS}
    (first, *_) = wanted("rephrase", styles=["easy"], samples=1)
    assert first.passage_id("doc-1", "rephrase") == "doc-1/rephrase/ae6516441112"


@pytest.mark.parametrize("answer, ways", [
    ("1. Tell who met whom.\n 2) List  the ships.\n3: And why.", ["Tell who met whom.", "List the ships.", "And why."]),
    ("Here they are:\n\n1. One way\n2. Other way\n2. Other way\nGood luck!", ["One way", "Other way"]),
    ("1. Only one way.", []),
    ("- A way\n- Another way", []),
    ("1. Fine.\n2. " + "Mira kept the lamp. " * 40, []),
    ("", []),
])  # fmt: skip
def test_a_proposal_is_a_numbered_list_or_nothing(answer, ways):
    assert active_reading.proposed(answer) == ways


def test_a_mixture_has_one_name_however_it_is_written():
    assert mixture.label("qa") == "qa" and mixture.names("qa") == ["qa"]
    for written in ({"qa": 1, "active_reading": 1}, {"active_reading": 0.5, "qa": 0.5}):
        assert mixture.label(written) == "qa+active_reading" and mixture.names(written) == ["qa", "active_reading"]
    assert mixture.label({"entigraph": 0.1, "qa": 0.7}) == mixture.label({"qa": 7, "entigraph": 1}) == "entigraph:1+qa:7"


def test_shares_are_those_of_strategies_and_of_spas_kinds_alike():
    assert mixture.shares("entigraph") == {"entigraph": 1} and mixture.shares({"qa": 1.5, "raw": 0.5}) == {"raw": 1, "qa": 3}
    shares = mixture.shares({"spa": 2, "qa": 1})
    assert shares.pop("qa") * 2 == sum(shares.values()) and set(shares.values()) == {2} and len(shares) == 7


def loaded(strategy, model=None, **sections):
    shipped = params.load()
    arm = params.Arm(strategy=strategy, corpus_tokens="all", epochs=1)
    changed = {name: getattr(shipped.passages, name).model_copy(update=values) for name, values in sections.items()}
    return shipped.model_copy(update={"arms": {"mine": arm}, "llm": shipped.llm.model_copy(update={"model": model}),
                                      "passages": shipped.passages.model_copy(update=changed)})


@pytest.mark.parametrize("strategy, sections, words", [
    ("spa", {}, r"arms\.mine\.strategy: spa \(key_concepts.*needs a language model"),
    ({"raw": 1, "active_reading": 1}, {}, r"arms\.mine\.strategy: active_reading"),
    ("qa", {}, r"qa \(recall, reasons\) needs a language model, and llm\.model is null: name one, or take another"),
    ("rephrase", {"rephrase": {"styles": ["easy", "qa"]}}, r"rephrase \(qa\).*or leave them out of passages\.rephrase\.styles"),
    ("summaries", {}, r"summaries \(concepts\).*passages\.summaries\.kinds"),
    ("summaries", {"summaries": {"kinds": ["facts"], "paraphrases": 2}}, r"summaries \(restated\).*llm\.model is null: name one, or"),
])  # fmt: skip
def test_what_no_extractive_generator_can_write_is_refused_before_anything_runs(strategy, sections, words):
    with pytest.raises(UserError, match=words):
        mixture.check(loaded(strategy, **sections))
    mixture.check(loaded(strategy, model="openai/toy", **sections))


def test_what_the_scripted_generator_can_not_play_is_refused_too():
    with pytest.raises(UserError, match=r"arms\.mine\.strategy: across \(across\).*more than miniature/author can write: name another llm\.model"):
        mixture.check(loaded({"raw": 1, "across": 1}, model="miniature/author"))
    for strategy in STRATEGIES.keys() - {"across"}:
        mixture.check(loaded(strategy, model="miniature/author"))


def test_what_it_can_write_is_not():
    for strategy in ("raw", "rephrase", "entigraph", {"raw": 1, "entigraph": 2}):
        mixture.check(loaded(strategy))
    mixture.check(loaded("summaries", summaries={"kinds": ["notes", "facts"]}))
