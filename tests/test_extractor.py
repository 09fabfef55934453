import importlib.util
import json
from pathlib import Path

import pytest

from closedbook.generation.extractive import extractor, reading
from closedbook.records import Document
from closedbook.util.errors import UserError

SHARED = Path(__file__).parents[2] / "shared" / "quality"
STORY = """Captain Mara Voss kept the lighthouse of Ostford. Voss trusted the machine in the cellar.

"The machine is broken!" cried Otto Drake. "The machine was never whole," Voss said.

Then Drake ran to Ostford. The keepers of Ostford feared the machine. They wanted freedom, and freedom came late to Ostford."""


def document(text: str, title: str = "The Salt Light") -> Document:
    return Document(id="toy", title=title, author="Ann Lee", year=1950, text=text)


def extract(text: str, most: int = 20, model: str = "blank"):
    return extractor.extract(document=document(text), max_entities=most, spacy_model=model)


def test_names_things_and_concepts_are_found_by_their_fullest_names():
    _, names = extract(STORY)
    assert {"Captain Mara Voss", "Otto Drake", "Ostford", "machine", "freedom"} <= set(names)
    assert "Voss" not in names and "Drake" not in names


def test_what_is_named_often_and_widely_comes_first():
    _, names = extract(STORY)
    assert names.index("Ostford") < names.index("cellar") and names.index("machine") < names.index("cellar")


def test_no_two_alike_and_no_more_than_asked_for():
    _, names = extract(STORY, most=4)
    assert len(names) == 4 == len({name.lower() for name in names})


def test_generic_nouns_and_sentence_openings_are_no_entities():
    _, names = extract("Nothing moved. Nothing spoke. Suddenly the time came. Suddenly the time went. The way was a long way.")
    assert not {"Nothing", "Suddenly", "time", "way"} & set(names)


def test_the_summary_is_one_paragraph_that_names_the_title_and_quotes_the_text():
    summary, _ = extract(STORY)
    assert '"The Salt Light"' in summary and "\n" not in summary
    assert "Captain Mara Voss kept the lighthouse of Ostford." in summary


def test_same_document_same_list():
    assert extract(STORY) == extract(STORY)


@pytest.mark.parametrize("text", ["Word", "😀", "😀 Mara Voss 😀 saw the sea.", "The Salt Light", "- a list\n- of two", "?! ..."])
def test_next_to_nothing_is_not_an_error(text):
    summary, names = extract(text)
    assert summary.startswith('"The Salt Light"') and len(names) < 5


def test_a_missing_model_names_the_setting_and_the_command():
    with pytest.raises(UserError, match=r"spacy\.model.*python -m spacy download en_no_such_model"):
        extract(STORY, model="en_no_such_model")


def test_a_pipelines_own_entities_take_the_rules_place(tmp_path):
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(
        [{"label": "OBJECT", "pattern": "machine in the cellar"}, {"label": "GPE", "pattern": "Ostford"}, {"label": "DATE", "pattern": "late"}]
    )
    nlp.to_disk(tmp_path / "model")
    _, names = extract(STORY, model=str(tmp_path / "model"))
    assert {"machine in the cellar", "Ostford"} <= set(names)
    assert "Otto Drake" not in names and "late" not in names


def test_a_pipelines_own_noun_chunks_become_phrases():
    import spacy
    from spacy.tokens import Doc

    words, pos = ["The", "old", "machines", "hummed", "."], ["DET", "ADJ", "NOUN", "VERB", "PUNCT"]
    doc = Doc(spacy.blank("en").vocab, words, pos=pos, heads=[2, 2, 3, 3, 3], deps=["det", "amod", "nsubj", "ROOT", "punct"])
    [mention] = extractor._trained_phrases([doc])
    assert (mention.name, mention.kind, mention.places) == ("old machines", "phrase", [0])


def test_version_says_model_and_spacy():
    import spacy

    assert extractor.version("blank") == f"blank en, spaCy {spacy.__version__}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Stop!" he said. He ran.', ['"Stop!" he said.', "He ran."]),
        ('"Stop!" Harold Tate said. He ran.', ['"Stop!" Harold Tate said.', "He ran."]),
        ('He said, "Stop." Then he ran.', ['He said, "Stop."', "Then he ran."]),
        ('"Go. Run!" "No."', ['"Go.', 'Run!"', '"No."']),
        ("Mr. Tate left ... slowly. (He fell.) Then", ["Mr. Tate left ... slowly.", "(He fell.)", "Then"]),
        ("“Stop!” ‘Why?’", ["“Stop!”", "‘Why?’"]),
    ],
)
def test_a_closing_quotation_mark_stays_with_its_sentence(text, expected):
    assert [sentence.text for sentence in reading.sentences(document(text))] == expected


def test_sentences_hold_every_word_but_title_and_headings():
    text = "The Salt Light Mara left Kal-Jmar—alone.\n\nPART TWO\n\nBy ANN LEE\n\nShe came back."
    assert [sentence.text for sentence in reading.sentences(document(text))] == ["Mara left Kal-Jmar—alone.", "She came back."]


def test_a_first_sentence_that_begins_with_the_titles_words_stays_whole():
    assert reading.paragraphs(document("Light was all she saw.", title="Light")) == ["Light was all she saw."]


@pytest.mark.skipif(not SHARED.exists(), reason="needs the real articles and reference lists in ../shared/quality")
def test_real_articles_give_the_entities_that_a_person_would_list():
    spec = importlib.util.spec_from_file_location("score_entities", SHARED / "score_entities.py")
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    rows = {row["article_id"]: row for row in map(json.loads, (SHARED / "QuALITY.sample.htmlstripped.dev").open(encoding="utf-8"))}
    scores = []
    for path in sorted((SHARED / "gold_entities").glob("*.json")):
        row = rows[path.stem]
        text = "\n\n".join(" ".join(part.split()) for part in row["article"].split("\n \n"))
        _, names = extractor.extract(document=document(text, row["title"]), max_entities=45, spacy_model="blank")
        scores.append(scorer.score(json.loads(path.read_text(encoding="utf-8")), names))
    mean = {key: sum(score[key] for score in scores) / len(scores) for key in ("recall", "recall_central", "precision")}
    assert mean["recall"] >= 0.58 and mean["recall_central"] >= 0.80 and mean["precision"] >= 0.48
