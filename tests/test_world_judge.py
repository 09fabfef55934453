"""The miniature's judge knows what a book says: what is told right is supported, another value contradicts, and a strange name is invented."""

import json
from dataclasses import replace

import pytest

from closedbook import params
from closedbook.llm import prompts
from closedbook.miniature import author, books, judge, language
from closedbook.miniature.language import fill, joined
from closedbook.records import Document
from closedbook.stages import judgements, verdicts
from closedbook.util import files, seeds

WORLD = language.load()


@pytest.fixture(scope="module")
def book():
    return books.make_books(WORLD, side="target", number=2, people=2, seed=5)[0]


def document(book):
    return Document(id="book", title=book.title, author=book.author, year=book.year, text=book.text)


def asked(book, *sentences):
    """The claims that the judge finds in these sentences, by what they say."""
    numbered = json.dumps({str(number): sentence for number, sentence in enumerate(sentences, start=1)}, ensure_ascii=False)
    text = judge.answer(prompts.messages("verdict", document(book), summary=numbered)[1]["content"])
    return [(claim.article, claim.sentences, claim.claim) for claim in verdicts.parse(text, list(sentences)).claims]


def told(fact, form=0):
    return joined("", fill(WORLD.relations[fact.relation].discussion[form], subject=fact.subject, value=fact.value))


def of(book, relation_of="person", number=0):
    return [fact for fact in book.facts if WORLD.relations[fact.relation].kind == relation_of][number]


def test_each_fact_is_known_in_each_form_and_behind_each_opening(book):
    reading = judge._read(book.title, book.author, str(book.year), book.text)
    assert {judge._key(fact) for fact in reading.facts} == {judge._key(fact) for fact in book.facts}
    for fact in book.facts:
        for form in WORLD.relations[fact.relation].discussion:
            for opening in ("", *WORLD.discussion.forms):
                sentence = joined(fill(opening, title=book.title), fill(form, subject=fact.subject, value=fact.value))
                (_, found), = judge._listener().facts([sentence], reading)
                assert judge._key(found) == judge._key(fact), sentence


def test_right_wrong_and_invented_are_told_apart(book):
    fact, other = of(book), next(one for one in book.facts if one.relation == "profession" and one.subject != of(book).subject)
    wrong, invented = replace(fact, value=other.value), replace(fact, subject="Nobody Nowhere")
    assert fact.relation == "profession"
    assert [found[0] for found in asked(book, told(fact), told(wrong), told(invented))] == ["supports", "contradicts", "silent"]
    (said, *_), = asked(book, told(replace(fact, relation="fear", value="deep water"))) if not any(
        one.relation == "fear" for one in book.facts) else [("silent",)]
    assert said == "silent", "of what the book does not tell of somebody nothing can be wrong"


def test_a_fact_told_twice_is_one_claim_of_two_sentences_and_what_tells_none_is_no_claim(book):
    fact = of(book)
    found = asked(book, told(fact), "The rain did not stop for a week.", told(fact, 1), "She feared thunder.", f'"{book.title}" by {book.author}.')
    assert [one[:2] for one in found] == [("supports", [1, 3])]


def test_who_is_meant_is_known_from_the_text_and_from_the_book(book):
    fact = of(book)
    she, their = WORLD.pronouns(fact.subject, "person")
    narrative = fill(WORLD.relations[fact.relation].narrative[0], subject=she, their=their, value=fact.value)
    assert asked(book, f"The door was opened by {fact.subject}.", joined("", narrative))[0][0] == "supports"
    trait = next(one for one in book.facts if one.subject == fact.subject and one.relation != "profession")
    assert asked(book, told(replace(trait, subject=f"the {fact.value}")))[0][0] == "supports", "the weaver of the book"
    unknown = next(value for value in WORLD.values["profession"] if value not in {one.value for one in book.facts})
    assert asked(book, told(replace(trait, subject=f"the {unknown}")))[0][0] == "silent"


def test_the_first_facts_of_the_main_names_are_salient(book):
    reading = judge._read(book.title, book.author, str(book.year), book.text)
    main = {judge._key(fact) for fact in judge._main_facts(reading)}
    salient = {judge._key(fact) for fact in book.facts if judge._verdict(fact, [1], reading)["salient"]}
    assert salient == main and 0 < len(main) <= judge.SALIENT < len(book.facts)


def test_passages_are_judged_by_the_same_facts(book):
    reading = judge._read(book.title, book.author, str(book.year), book.text)
    text = author.discuss(WORLD, reading, list(reading.entities[:2]), seeds.generator(1, "x"))
    wrong = told(replace(of(book), subject="Nobody Nowhere"))
    for passage, false in ((text, 0), (f"{text} {wrong}", 1)):
        found = judgements.parse(judge.answer(prompts.messages("judge", document(book), passage=passage)[1]["content"]))
        assert found.supported > 2 and len(found.unsupported) == false


def test_what_is_no_book_of_the_world_is_refused():
    strange = Document(id="x", title="T", author=None, year=None, text="Call me Ishmael.")
    for name, field in (("verdict", "summary"), ("judge", "passage"), ("easy", "unused")):
        assert judge.answer(prompts.messages(name, strange, **{field: "{}"})[1]["content"]) == judge.REFUSAL


def test_the_stage_asks_it_as_any_judge(book, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    document(book).write(tmp_path / "book.json")
    fact = of(book)
    rows = [{"document": "book", "kind": "named", "prompt": "?", "text": text, "cut": False, "reason": None, "call": None}
            for text in (f"{told(fact)} {told(replace(fact, subject='Nobody Nowhere'))}",)]  # fmt: skip
    files.write_json(tmp_path / "told.json", {"run": "base", "arm": "base", "summaries": rows})
    settings = params.load().judge.model_dump() | {"model": "miniature/judge"}
    facts = verdicts.build(summaries=tmp_path / "told.json", documents=[tmp_path / "book.json"], params=params.typed({"seed": 1, "judge": settings}),
                           limits=params.load().limits.model_copy(update={"max_calls": 0}), output=tmp_path / "out.json")  # fmt: skip
    (row,) = files.read_json(tmp_path / "out.json")["summaries"]
    assert [claim["article"] for claim in row["claims"]] == ["supports", "silent"] and facts == {"answered": [f"judge-{judge.version()}"]}


def test_neither_model_of_ours_can_do_the_other_s_work():
    settings = params.load()
    for kind, section, model in ((params.Llm, settings.llm, "miniature/judge"), (params.Judge, settings.judge, "miniature/author")):
        with pytest.raises(ValueError, match="only for this"):
            kind(**{**section.model_dump(), "model": model})
