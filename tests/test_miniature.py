import asyncio
import json
import re

import pytest
from toys import MINIATURE, TRAINING

from closedbook import llm, params
from closedbook.generation.filters.question import rule
from closedbook.generation.strategies import spa
from closedbook.generation.strategies.active_reading import proposed
from closedbook.generation.strategies.focal import asked
from closedbook.llm import prompts
from closedbook.llm.ledger import Ledger
from closedbook.miniature import author, base, language, teaching
from closedbook.miniature.books import make_books
from closedbook.miniature.books import rows as books_rows
from closedbook.miniature.language import Introduction
from closedbook.miniature.reader import Reader
from closedbook.records import Document
from closedbook.util import files, fingerprint, seeds
from closedbook.util.errors import UserError

WORLD = language.load()
WRONG_ARTICLE = re.compile(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]")
FIELDS = {
    "entities": {"max": 5},
    "easy": {},
    "medium": {},
    "hard": {},
    "named": {},
    **{name: {} for name in spa.PROMPTS},
    "qa": {},
    "notes": {},
    "concepts": {},
    "facts": {},
    "recall": {},
    "reasons": {},
    "restated": {},
    "identifiers": {},
    "apply": {"way": "Set side by side all that the book says of {0} and of {1}."},
    "focal": {"way": "Say who {1} is.", "question": "Of what importance is {0}, and why?"},
    "single": {"first": "{0}"},
    "pair": {"first": "{0}", "second": "{1}"},
    "triplet": {"first": "{0}", "second": "{1}", "third": "{2}"},
}


def rows(books=2, questions=12, seed=1, **settings):
    settings = MINIATURE.model_copy(update={"books": books, "questions": questions, **settings})
    return books_rows(path=language.WORLD, settings=settings, seed=seed, run_seed=1)


def targets(number, seed=1, people=2):
    return make_books(WORLD, side="target", number=number, people=people, seed=seeds.derive(seed, "target books", 1))


def read(book, text=None):
    return Reader(WORLD).read(title=book.title, author=book.author, year=str(book.year), text=text or book.text)


def ask(book, name, text=None, seed=1, **fields):
    document = Document(id="book", title=book.title, author=book.author, year=book.year, text=text or book.text)
    return author.answer(prompts.messages(name, document, **fields)[-1]["content"], seed)


def people_asked_for(book, name):
    people = [fact.subject for fact in book.facts if fact.relation == "profession"]
    return {field: str(value).format(*people) for field, value in FIELDS[name].items()}


def test_same_seed_same_books_and_more_books_begin_with_them():
    assert rows() == rows()
    assert rows(books=3)[:2] == rows()
    assert rows(seed=2) != rows()
    assert [question["question"] for question in rows(questions=5)[0]["questions"]] == [
        question["question"] for question in rows()[0]["questions"][:5]
    ]


def test_wrong_options_come_from_the_same_book_and_the_right_one_is_labelled():
    for row, book in zip(rows(), targets(2), strict=True):
        answers = {fact.value for fact in book.facts} | {fact.subject for fact in book.facts}
        for question in row["questions"]:
            assert len(set(question["options"])) == 4 and set(question["options"]) <= answers
            gold = question["options"][question["gold_label"] - 1]
            assert any(fact.value == gold and fact.subject in question["question"] for fact in book.facts)


def told_by(row):
    """What a book tells of, by its text alone."""
    facts = Reader(WORLD).read(title=row["title"], author=row["author"], year=str(row["year"]), text=row["article"]).facts
    return {WORLD.answer(fact) for fact in facts} | {fact.subject for fact in facts}


def right_options(row):
    return [question["options"][question["gold_label"] - 1] for question in row["questions"]]


def from_elsewhere(rows, number):
    """Questions that have not just `number` options that are not in their book, or the right one, or the same one twice."""
    told = [told_by(row) for row in rows]
    return [
        question
        for row, own in zip(rows, told, strict=True)
        for question in row["questions"]
        if len(strange := set(question["options"]) - own) != number
        or question["options"][question["gold_label"] - 1] in strange
        or not {option for option in strange if option[0].isupper()} <= set().union(*told)
        or len(set(question["options"])) < 4
    ]


@pytest.mark.parametrize("same_book", [0, 1, 2, 3])
def test_so_many_wrong_options_as_asked_for_come_from_other_books(same_book):
    made = rows(books=8, same_book=same_book)
    assert not from_elsewhere(made, 3 - same_book)
    assert list(map(right_options, made)) == list(map(right_options, rows(books=8))), "the same facts are asked for"
    planted = made[0]["questions"][0]
    planted["options"][planted["gold_label"] % 4] = planted["options"][planted["gold_label"] - 1]
    assert from_elsewhere(made, 3 - same_book) == [planted]


def test_a_paragraph_introduces_as_many_people_as_asked_for_and_all_facts_are_read():
    for people, book in [(people, book) for people in (1, 2) for book in targets(10, people=people)]:
        reading = read(book)
        introduced = [one for part in reading.paragraphs for one in part if isinstance(one, Introduction) and one.kind == "person"]
        assert [len(one.names) for one in introduced] == [people] * (4 // people)
        assert sorted(map(str, reading.facts)) == sorted(map(str, book.facts))


def some_lessons(number, **settings):
    settings = MINIATURE.model_copy(update=settings)
    readings = teaching.read_books(WORLD, 60, settings.people, seed=1)
    return [teaching.lesson(WORLD, readings, settings.narrative, 1, index) for index in range(number)]


@pytest.mark.parametrize("narrative", [0.0, 0.25, 0.5])
def test_narrative_is_the_share_of_lessons_asked_for_and_questions_stay_half(narrative):
    told = some_lessons(800, narrative=narrative)
    retold = sum(re.match('".*" by .*[.]\n', one.text) is not None for one in told)
    asked = sum("Answer:" in one.text for one in told)
    assert abs(retold / 800 - narrative) < 0.05 and abs(asked / 800 - 0.5) < 0.05


def test_what_the_world_cannot_give_is_an_error_of_the_user():
    with pytest.raises(UserError, match="miniature.questions: .* at most, not 40"):
        rows(questions=40)
    with pytest.raises(UserError, match="miniature.same_book: the other books have 0 wrong options"):
        rows(books=1, same_book=2, seed=2)
    with pytest.raises(UserError, match="miniature.books: .* too few names"):
        rows(books=1000)


def test_a_file_that_is_no_world_is_an_error_of_the_user(tmp_path):
    for text in ("just words", "names: [", "names: {women: a}"):
        path = tmp_path / f"{len(text)}.yaml"
        path.write_text(text)
        with pytest.raises(UserError, match=str(path)):
            language.load(path)


def test_articles_are_right():
    told = [book.text for book in targets(40)]
    discussed = [ask(book, "single", first=fact.subject) for book in targets(20) for fact in book.facts]
    texts = told + discussed
    assert not [text for text in texts if WRONG_ARTICLE.search(text)]
    assert WRONG_ARTICLE.search("She fed a owl.") and WRONG_ARTICLE.search("An goat was the pet.")
    assert language.fill("a {value} was the pet of {subject}", value="owl", subject="Mara") == "an owl was the pet of Mara"


def test_reader_finds_all_facts_and_no_other():
    for book in targets(40):
        assert sorted(map(str, read(book).facts)) == sorted(map(str, book.facts))


def test_reader_follows_the_text_and_keeps_what_it_cannot_read():
    book = targets(1)[0]
    before = next(fact for fact in book.facts if fact.relation == "profession")
    changed = read(book, text=book.text.replace(before.value, "philosopher"))
    assert (before.subject, "philosopher") in [(fact.subject, fact.value) for fact in changed.facts]
    odd = "Nobody has told a reader of this."
    assert odd in author.rephrase(WORLD, read(book, text=f"{book.text} {odd}"), seeds.generator(1))


@pytest.mark.parametrize("name", FIELDS)
def test_the_scripted_generator_answers_each_prompt(name):
    book = targets(1)[0]
    fields = people_asked_for(book, name)
    text = ask(book, name, **fields)
    assert book.title in text
    assert text == ask(book, name, **fields) != ask(book, name, seed=2, **fields)
    if name == "entities":
        listed = json.loads(text)["entities"]
        assert len(listed) == 5 and all(entity in book.text for entity in listed)


def test_facts_and_answers_hold_all_that_the_book_tells():
    book = targets(1)[0]
    for name in ("concepts", "facts", "restated", "recall", "reasons", "identifiers", "key_concepts", "mind_map", "critical_questions", "discussion"):
        text = ask(book, name).lower()
        assert all(fact.subject.lower() in text and fact.value in text for fact in book.facts if fact.value.islower()), name
    assert len(ask(book, "facts").splitlines()) == 1 + len(book.facts)
    assert ask(book, "recall").count("Question: ") == ask(book, "recall").count("\nAnswer: ") == len(book.facts)
    assert ask(book, "qa").count("Question: ") == len(book.text.split("\n\n"))


def test_the_scripted_generator_plays_ways_of_study_and_tells_of_whom_a_question_or_a_way_names():
    book = targets(1)[0]
    ways = proposed(ask(book, "ways"))
    assert len(ways) == 10 and proposed(ask(book, "ways", seed=2)) != ways
    assert all(ask(book, "apply", way=way) != author.REFUSAL for way in ways)
    in_view = asked(ask(book, "recall"))
    assert len(in_view) == len(book.facts) and all(ask(book, "focal", way=ways[0], question=one) != author.REFUSAL for one in in_view)
    assert set(asked(ask(book, "identifiers"))).isdisjoint(in_view)
    answers = re.findall(r"^Answer: ([^.]+)\.", ask(book, "identifiers"), re.MULTILINE)
    assert answers and all(answer == str(book.year) or answer in read(book).entities for answer in answers)


def test_nothing_that_the_scripted_generator_writes_holds_a_question_or_an_option_list(tmp_path):
    passages = []
    for number, (row, book) in enumerate(zip(rows(), targets(2), strict=True)):
        asked = [{"id": f"{number}-{index}", **question} for index, question in enumerate(row["questions"])]
        files.write_json(tmp_path / f"questions-{number}.json", asked)
        document = Document(id=f"book-{number}", title=book.title, author=book.author, year=book.year, text=book.text)
        document.write(tmp_path / f"document-{number}.json")
        passages += [book.text, *(ask(book, name, seed=seed, **people_asked_for(book, name)) for name in FIELDS for seed in range(20))]
    look = rule(8, sorted(tmp_path.glob("questions-*")), sorted(tmp_path.glob("document-*")))
    assert len(passages) > 500 and not [text for text in passages if look(text)]
    for planted in (asked[0]["question"], "A. {} B. {} C. {} D. {}".format(*asked[0]["options"])):
        assert look(f"{passages[-1]} So tell me: {planted} She could not say.")["question"] == "1-0"


def test_the_scripted_generator_refuses_unknown_prompts():
    book = targets(1)[0]
    assert ask(book, "across", beside="another book", other="Another", shared="Nobody") == author.REFUSAL
    assert ask(book, "apply", way="Say who is who.") == author.REFUSAL


def test_the_scripted_generator_refuses_what_is_no_book_of_this_world():
    book = targets(1)[0]
    assert ask(book, "easy", text="Call me Ishmael. Some years ago I went to sea.") == author.REFUSAL
    assert ask(book, "single", first="Ishmael") == author.REFUSAL
    assert author.answer("Tell me about whales.", 1) == author.REFUSAL


def follows_the_prompt(name):
    """Whether the scripted generator writes what a book's text says, after words in it were changed, and not what the book was made from."""
    book = targets(1)[0]
    before = [fact.value for fact in book.facts if fact.relation == "profession"]
    changed = dict(zip(before, ("philosopher", "sculptor", "poet", "dreamer"), strict=True))
    text = re.sub(r"\w+", lambda word: changed.get(word[0], word[0]), book.text)
    answers = [ask(book, name, text=text, seed=seed, **people_asked_for(book, name)) for seed in range(10)]
    told = set(re.findall(r"\w+", " ".join(answers)))
    return not told.isdisjoint(changed.values()) and told.isdisjoint(before)


@pytest.mark.parametrize("name", FIELDS)
def test_the_scripted_generator_knows_only_the_prompt(name, monkeypatch):
    assert follows_the_prompt(name)
    knows = read(targets(1)[0])
    monkeypatch.setattr(author, "_read", lambda *_: knows)
    assert not follows_the_prompt(name), "a generator that knows the book otherwise is found out"


def test_the_scripted_generator_reaches_no_code_that_makes_books():
    makers = "closedbook.miniature.books"
    assert makers not in fingerprint.modules("closedbook.miniature.author:answer")
    assert makers in fingerprint.modules("closedbook.miniature.teaching:read_books"), "planted: who does reach it is seen"


def test_no_lesson_names_anything_of_a_book_to_be_learned():
    texts = [one.text for one in some_lessons(500)]
    teaching.check(WORLD, lessons=texts, replayed=texts[-50:])
    books = [book for seed in (0, 1, 2) for book in targets(40, seed)]
    names = {name for book in books for name in (book.title, book.author, *(fact.subject for fact in book.facts))}
    names |= {fact.value for book in books for fact in book.facts if WORLD.relations[fact.relation].value in ("person", "place")}
    assert teaching.names(WORLD, [f"In secret, {name} was there." for name in names]) == names
    told = teaching.discussion(WORLD, read(books[0]), seeds.generator(1))
    for planted in ({"lessons": [*texts, told], "replayed": []}, {"lessons": texts, "replayed": [told]}):
        with pytest.raises(RuntimeError, match="name what is in books to be learned: [A-Z]"):
            teaching.check(WORLD, **planted)


def test_replay_of_a_book_that_no_lesson_was_about_is_refused():
    seen, unseen = teaching.read_books(WORLD, 2, people=2, seed=1)
    learnt, other = (teaching.discussion(WORLD, reading, seeds.generator(1)) for reading in (seen, unseen))
    teaching.check(WORLD, lessons=[learnt], replayed=[learnt])
    with pytest.raises(RuntimeError, match=f"no lesson about: .*{re.escape(unseen.title)}"):
        teaching.check(WORLD, lessons=[learnt], replayed=[learnt, other])


@pytest.mark.parametrize("leaking", [base.TOKENIZER_BOOKS, MINIATURE.base_books])
def test_a_base_whose_tokenizer_or_lessons_leak_is_not_trained(tmp_path, monkeypatch, leaking):
    own, strange = ([read(book) for book in make_books(WORLD, side=side, number=8, people=2, seed=1)] for side in ("base", "target"))
    monkeypatch.setattr(base, "TOKENIZER_LESSONS", 10)
    monkeypatch.setattr(base, "read_books", lambda _, number, *__: strange if number == leaking else own)
    monkeypatch.setattr("closedbook.training.loop.train", lambda **_: pytest.fail("it was trained"))
    with pytest.raises(RuntimeError, match="name what is in books to be learned"):
        base.train(settings=MINIATURE, training=TRAINING, world=None, seed=1, folder=tmp_path / "base", checkpoints=tmp_path / "at")


def test_number_of_open_books_grows_to_all():
    assert [teaching.num_books(progress, 24) for progress in (0, 0.2, 0.65, 1)] == [8, 8, 24, 24]


def test_the_client_asks_the_scripted_generator_as_it_asks_any_model(tmp_path):
    book = targets(1)[0]
    document = Document(id="book", title=book.title, author=book.author, year=book.year, text=book.text)
    settings = params.load().llm

    def asked(sample) -> tuple[str, llm.Call]:
        with Ledger("rephrase", "book", folder=tmp_path) as ledger:
            client = llm.Client(llm=settings, limits=params.load().limits, ledger=ledger, document=document, seed=1)
            return asyncio.run(client.ask("easy", attempts=1, check=str, sample=sample))

    text, call = asked(0)
    assert text == author.answer(prompts.messages("easy", document)[-1]["content"], call.settings["seed"]) != asked(1)[0]
    assert call.model_answered == f"author-{author.version()}" and call.usage["completion_tokens"] == len(text.split()) > 100
    assert asked(0) == (text, call), "the second time it comes from the ledger"


def test_the_miniature_has_one_model():
    with pytest.raises(ValueError, match="miniature/author only"):
        params.Llm(**{**params.load().llm.model_dump(), "model": "miniature/writer"})


@pytest.mark.slow
def test_base_leaves_model_tokenizer_and_what_it_has_read_twice_in_the_same_bytes(tmp_path, monkeypatch):
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    monkeypatch.setattr(base, "SHAPE", {**base.SHAPE, **shape})
    monkeypatch.setattr(base, "VOCABULARY", 400)
    monkeypatch.setattr(base, "TOKENIZER_LESSONS", 60)
    settings = MINIATURE.model_copy(update={"base_steps": 2})
    for name in ("one", "two"):
        checkpoints = tmp_path / f"{name}-checkpoints"
        base.train(settings=settings, training=TRAINING, world=None, seed=1, folder=tmp_path / name, checkpoints=checkpoints)
    written = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"model.safetensors", "config.json", "tokenizer.json", "replay.jsonl"} <= set(written)
    for name in written:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    replayed = [row["text"] for row in files.read_json_lines(tmp_path / "one" / "replay.jsonl")]
    assert any("Answer:" in text for text in replayed)
