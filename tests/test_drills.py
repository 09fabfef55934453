"""drills: what is asked for stands in the text before it, level by level, and nothing of it is about a book to be learned."""

import re
from functools import partial
from itertools import islice

import pytest
import toys

from closedbook.miniature import base, drills, language, teaching
from closedbook.miniature.books import Names, make_book
from closedbook.util import files, seeds

pytestmark = pytest.mark.slow

WORLD = language.load()
KINDS = [level.drill for level in drills.LEVELS[1:]]
RIVALS = [kind for kind in KINDS if isinstance(kind, partial)]
SETTINGS = toys.MINIATURE.model_copy(update={"reading": True})


def drilled(kind, seed):
    book = make_book(WORLD, Names(WORLD, "base"), 2, seeds.generator(seed, "book"))
    return book, kind(WORLD, book, seeds.generator(seed, "drill"))


def unread(lesson) -> list[str]:
    """Answers that the text which the drill begins with does not hold."""
    (read, _), *asked = lesson.parts
    return [text for text, weight in asked if weight == teaching.ANSWER_WEIGHT and text.strip().lower() not in read.lower()]


def rows(progress, number=40, settings=SETTINGS):
    readings = teaching.read_books(WORLD, 8, settings.people, seed=1)
    return [list(islice(drills.row(WORLD, readings, settings, progress, seed), 3)) for seed in range(number)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_answer_stands_in_the_text_before_its_question(kind):
    for seed in range(20):
        _, lesson = drilled(kind, seed)
        assert not unread(lesson)
        assert unread(teaching.Lesson([("Nothing is told.\n\n", 0.03), *lesson.parts[1:]])), "planted: a text without the answers is seen"


@pytest.mark.parametrize("kind", KINDS)
def test_each_answer_is_the_books_own(kind):
    for seed in range(20):
        book, lesson = drilled(kind, seed)
        right = {(fact.subject, WORLD.answer(fact)) for fact in book.facts}
        for (question, _), (answer, weight) in zip(lesson.parts, lesson.parts[1:]):
            if weight == teaching.ANSWER_WEIGHT:
                assert any(subject in question and answer.strip() == value for subject, value in right), (question, answer)


def settled_without_names(lesson, book) -> int:
    """Questions whose answer is the only one of its kind in what is told, so that no name needs to be looked at."""
    (read, _), *parts = lesson.parts
    told = [fact for fact in book.facts if fact.subject in read and WORLD.answer(fact).lower() in read.lower()]
    asked = [answer.strip() for answer, weight in parts if weight == teaching.ANSWER_WEIGHT]
    relations = [fact.relation for fact in told]
    return sum(relations.count(fact.relation) < 2 for fact in told if WORLD.answer(fact) in asked)


@pytest.mark.parametrize("kind", RIVALS)
def test_nothing_but_the_name_says_which_answer_is_right(kind):
    for seed in range(20):
        book, lesson = drilled(kind, seed)
        assert settled_without_names(lesson, book) == 0
    alone = [fact for fact in book.facts if fact.relation not in {other.relation for other in book.facts if other is not fact}][:3]
    rng = seeds.generator(1)
    planted = teaching.Lesson([(drills.sentences(WORLD, book, alone, rng), 0.03), *drills.questions(WORLD, book, alone, rng)])
    assert settled_without_names(planted, book) == 3


def test_a_book_is_shown_and_asked_about_as_quality_open_does():
    book, lesson = next((book, lesson) for book, lesson in (drilled(drills.whole, seed) for seed in range(9)) if "Answer:" in lesson.text)
    assert lesson.text.startswith(f'"{book.title}" by {book.author}, {book.year}.\n\n{book.text}\n\n')
    several = "".join(drilled(drills.whole, seed)[1].text for seed in range(20))
    assert re.search(r'\n\nIn the context of "[^"]+", written by [\w ]+ in \d{4}, [^\n]+\?\nAnswer: \w', several)


def test_a_list_is_told_twice_and_the_second_time_is_learned():
    for seed in range(20):
        _, lesson = drilled(drills.repetitions, seed)
        (first, unlearned), (second, learned) = lesson.parts
        assert first == second and first.count("\n") >= 1 and unlearned == 0 < learned


def closed(progress) -> float:
    """The share of rows that are what a base that need not read learns from, and nothing else."""
    readings = teaching.read_books(WORLD, 8, SETTINGS.people, seed=1)
    same = [[teaching.lesson(WORLD, readings, SETTINGS.narrative, seed, index) for index in range(3)] for seed in range(40)]
    return sum(row == lesson for row, lesson in zip(rows(progress), same)) / len(same)


def test_the_book_is_closed_at_first_and_in_some_rows_ever_after():
    assert [closed(progress) for progress in (0.0, 0.14)] == [1, 1]
    assert all(0 < closed(progress) < 0.5 for progress in (0.15, 0.3, 0.45, 0.6, 0.99))


def test_levels_follow_one_another():
    def shows(progress, pattern) -> float:
        found = [bool(re.search(pattern, lesson.text)) for row in rows(progress) for lesson in row]
        return sum(found) / len(found)

    heading = r'^"[^"]+" by [^\n]+\d{4}\.\n\n'
    assert [shows(progress, heading) > 0.3 for progress in (0.0, 0.2, 0.3, 0.5, 0.6, 0.66, 0.67, 0.99)] == [False] * 6 + [True] * 2
    twice = r"^((?:[^\n.]+: [^\n]+\n)+)\1<eos>$"
    assert shows(0.2, twice) == pytest.approx(1 - closed(0.2)), "the first level is repeated lists, and nothing else open-book"
    assert drills.LEVELS[-1].until == 1 and sorted(level.until for level in drills.LEVELS) == [level.until for level in drills.LEVELS]


def test_no_drill_names_anything_of_a_book_to_be_learned():
    texts = [lesson.text for progress in (0.0, 0.2, 0.29, 0.32, 0.4, 0.45, 0.5, 0.58, 0.6, 0.9) for row in rows(progress, 20) for lesson in row]
    teaching.check(WORLD, lessons=texts, replayed=texts[-10:])
    strange = make_book(WORLD, Names(WORLD, "target"), 2, seeds.generator(1))
    for kind in (drills.repetitions, *KINDS):
        with pytest.raises(RuntimeError, match="name what is in books to be learned"):
            teaching.check(WORLD, lessons=[*texts, kind(WORLD, strange, seeds.generator(2)).text], replayed=[])


def test_what_has_no_room_in_its_block_is_not_replayed():
    readings = teaching.read_books(WORLD, 8, SETTINGS.people, seed=1)
    training, settings = toys.TRAINING.model_copy(update={"batch_size": 3}), SETTINGS.model_copy(update={"base_steps": 20})
    spelling = toys.tokenizer()
    course = base.drill(WORLD, readings, spelling, training, settings, seed=1)
    blocks = [spelling.decode(block["input_ids"]) for block in course.blocks]

    def read(lesson) -> bool:
        return any(lesson.text in block for block in blocks)

    known = {lesson.text.removesuffix(teaching.END) for lesson in course.read}
    assert all(map(read, course.read)) and {row["text"] for row in base.replay(course)} <= known
    cut = [lesson for lesson in course.lessons if not read(lesson)]
    assert len(cut) > 20, "planted: of most blocks the last lesson has no room"
    assert [lesson.text for lesson in course.lessons if read(lesson)] == [lesson.text for lesson in course.read if lesson in course.lessons]
    begun = [lesson for lesson in course.read if lesson not in course.lessons]
    assert begun and all(lesson.text.endswith("\n") and any(whole.text.startswith(lesson.text) for whole in cut) for lesson in begun)


def test_a_base_that_reads_is_made_twice_in_the_same_bytes_and_kept_in_bfloat16(tmp_path, monkeypatch):
    import torch
    from safetensors.torch import load_file

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    monkeypatch.setattr(base, "READING_SHAPE", base.READING_SHAPE | small)
    monkeypatch.setattr(base, "VOCABULARY", 1200)  # enough that a book has room in a row
    monkeypatch.setattr(base, "TOKENIZER_LESSONS", 60)
    settings = SETTINGS.model_copy(update={"base_steps": 4})
    for name in ("one", "two"):
        base.train(settings=settings, training=toys.TRAINING, world=None, seed=1, folder=tmp_path / name, checkpoints=tmp_path / f"{name}-at")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert {tensor.dtype for tensor in load_file(tmp_path / "one" / "model.safetensors").values()} == {torch.bfloat16}
    replayed = [row["text"] for row in files.read_json_lines(tmp_path / "one" / "replay.jsonl")]
    assert any(text.startswith('"') and "Answer:" in text for text in replayed), "what it has read goes on with the arms"
