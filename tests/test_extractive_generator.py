import json
from itertools import combinations
from pathlib import Path

import pytest

from closedbook.generation.extractive import extractor
from closedbook.generation.extractive.generator import Generator
from closedbook.records import Document

REAL = Path(__file__).parents[2] / "shared" / "quality" / "QuALITY.sample.htmlstripped.dev"
STORY = """Captain Harold Tate came to Ostford. He carried a brass key. Tate hid the key in the old mill.

Ivy Moor met the captain at the mill. She was afraid of water. "You must not go," Tate said. "I must," she answered. Harold Tate and Ivy Moor crossed the river.

The miller saw a light. He ran. Otto was tall, and he laughed; it was late."""


def generator(text: str = STORY) -> Generator:
    return Generator(Document(id="toy", title="The Salt Light", author="Ann Lee", year=1950, text=text))


def resolved(text: str) -> list[str]:
    return generator(text).resolution.texts


def test_a_pair_names_title_and_byline_then_each_and_where_they_meet():
    lines = generator().relate(entities=("Captain Harold Tate", "Ivy Moor"), seed=1).split("\n")
    assert '"The Salt Light" by Ann Lee, 1950' in lines[0]
    assert "Captain Harold Tate" in lines[1] and "Ivy Moor" in lines[3]
    assert "crossed the river" in lines[6] and all("The Salt Light" in line for line in lines[1::2])


def test_things_that_never_meet_are_told_where_they_stand_nearest():
    text = generator().relate(entities=("brass key", "river"), seed=1)
    last = text.split("\n")[-1]
    assert "brass key" in last and "river" in last


def test_every_tuple_of_entities_has_a_passage_of_its_own():
    names = ["Captain Harold Tate", "Ivy Moor", "Ostford", "brass key", "mill", "river", "miller"]
    tuples = [*((name,) for name in names), *combinations(names, 2), *combinations(names, 3)]
    w = generator()
    passages = [w.relate(entities=entities, seed=1) for entities in tuples]
    assert None not in passages and len(set(passages)) == len(tuples)


def test_an_entity_without_a_sentence_has_no_passage():
    assert generator().relate(entities=("Ivy Moor", "dragon"), seed=1) is None
    assert generator().relate(entities=("😀",), seed=1) is None


def test_passages_are_bounded():
    long = "\n\n".join(f"Harold Tate counted {number} boats near Ostford in the rain that day." for number in range(200))
    assert 300 < len(generator(long).relate(entities=("Harold Tate", "Ostford"), seed=1).split()) < 460


def test_same_seed_same_passage_another_seed_another():
    long = "\n\n".join(f"Harold Tate counted {number} boats near Ostford in the rain that day." for number in range(200))
    one, again, other = (generator(long).relate(entities=("Harold Tate", "Ostford"), seed=seed) for seed in (1, 1, 2))
    assert one == again != other


def test_quotations_that_a_sentence_shares_are_closed():
    text = generator('"We saw the mill. We left it," said Tom Bell.').relate(entities=("mill",), seed=1)
    assert text.endswith('\n"We saw the mill."')


def test_sure_references_become_names():
    assert resolved("Harold Tate came in. He sat down. Tate slept.") == [
        "Harold Tate came in.",
        "Harold Tate sat down.",
        "Harold Tate slept.",
    ]
    assert resolved("Captain Ivy Moor left. The crew slept. Nobody saw the captain.")[2] == "Nobody saw Captain Ivy Moor."
    assert resolved("Ivy Moor worked as a baker. Rain fell. The baker sang.")[2] == "Ivy Moor sang."


@pytest.mark.parametrize(
    "text",
    [
        "Harold Tate met Robert Bell. He sat down.",  # either of two
        "Harold Tate saw the guard. He sat down.",  # somebody unnamed
        "Harold Tate came in.\n\nHe sat down.",  # another paragraph
        "Harold Tate came in. She sat down.",  # another gender
        'Harold Tate came in. "He sat down."',  # within speech
        "They looked at Harold Tate. He sat down.",  # not the one who acts
        "Captain Ivy Moor left. Every captain sleeps. The captain sat down.",  # captains in general
        "Harold Tate met Robert Tate. Tate sat down.",  # two of one surname
        "Harold Tate met Ma Tate. Harold Tate slept. Ma Tate sat down.",  # a title that makes another person
    ],
)
def test_unsure_references_stay(text):
    assert [t for t in resolved(text) if "sat down" in t][0] in text


def test_what_was_resolved_and_what_was_left_is_counted():
    text = "Captain Harold Tate came in. He sat down. Robert Bell met the captain. He sat down. \"He did,\" said Tate."
    assert generator(text).resolution.counts == {
        "pronoun": {"seen": 2, "resolved": 1, "left": 1}, "office": {"seen": 1, "resolved": 1, "left": 0},
        "short name": {"seen": 1, "resolved": 1, "left": 0}}


def test_who_is_only_the_object_of_a_verb_is_not_who_acts_next():
    assert resolved("Harold Tate left. To help Harold Tate escape is hard. He is a lawyer.")[2] == "He is a lawyer."


def test_a_passage_counts_resolved_references_as_mentions():
    assert "carried a brass key" in generator().relate(entities=("Captain Harold Tate",), seed=1)


@pytest.mark.parametrize("style", ["easy", "medium", "hard"])
def test_rephrasings_tell_the_whole_document_and_differ(style):
    w = generator()
    samples = [w.rephrase(style=style, sample=sample, seed=1) for sample in range(6)]
    assert len(set(samples)) > 3 and samples[0] == generator().rephrase(style=style, sample=0, seed=1)
    for sample in samples:
        assert sample.count("\n\n") == 3 and "The Salt Light" in sample
        assert all(word in sample for word in ("Ostford", "crossed the river", "You must not go", "laughed"))


def test_each_style_does_what_it_says():
    text = "The light was very dim; he couldn't see. It rained. It was late. The road, of course, was wet, and she turned back."
    w = generator(text)
    told = {style: {w.rephrase(style=style, sample=sample, seed=1) for sample in range(20)} for style in ("easy", "medium", "hard")}
    assert any("was very dim. He could not see." in sample and "was wet. She turned back." in sample for sample in told["easy"])
    assert any("dim; he could not see." in sample for sample in told["medium"])
    assert any("was dim; he" in sample and "It rained; it was late." in sample and "The road was wet" in sample for sample in told["hard"])


@pytest.mark.parametrize("text", ["Word", "😀", "One sentence about Mara and the lantern.", "The Salt Light"])
def test_next_to_nothing_is_told_again(text):
    w = generator(text)
    assert all(w.rephrase(style=style, sample=0, seed=1).strip() for style in ("easy", "medium", "hard"))


@pytest.mark.skipif(not REAL.exists(), reason="needs the real articles in ../shared/quality")
def test_real_articles_give_distinct_passages():
    rows = {row["article_id"]: row for row in map(json.loads, REAL.open(encoding="utf-8"))}
    assert len(rows) == 10
    for row in rows.values():
        document = Document(id=row["article_id"], title=row["title"], author=None, year=None, text=row["article"].replace("\n \n", "\n\n"))
        _, names = extractor.extract(document=document, max_entities=12, spacy_model="blank")
        w = Generator(document)
        passages = [w.relate(entities=pair, seed=1) for pair in combinations(names, 2)]
        passages += [w.rephrase(style=style, sample=sample, seed=1) for style in ("easy", "medium", "hard") for sample in range(3)]
        assert None not in passages and len(set(passages)) == len(passages) == 66 + 9
