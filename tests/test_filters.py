"""filters: each rule catches what was planted for it, leaves the rest, and nothing is dropped without a word."""

import re
import shutil

import numpy as np
import pytest
import toys

from closedbook import models, params
from closedbook.generation import filters
from closedbook.generation.filters import exact, near, question
from closedbook.llm import prompts
from closedbook.records import Passage, Passages
from closedbook.stages import overlap
from closedbook.training.reading import Texts
from closedbook.util import files
from closedbook.util.errors import UserError

OFF = toys.FILTERS.model_dump()
QUESTION = "What did Mira Oldan sell to the captain who came down from the north?"
OPTIONS = ["a compass", "a lamp", "some salt", "her boat"]
STORY = ("The lighthouse keeper of Varn counts the ships by their lamps and writes each number into a book that nobody reads. When the storm "
         "took the bridge he wrote a nought for every night of the year, and the council thanked him under the clock without hands.")


@pytest.fixture
def held(tmp_path):
    """The rejected among some texts, given in order, as {number of the text: its row}; what passes is not in it."""

    def look(*texts, questions=((QUESTION, OPTIONS),), document=toys.SENTENCES[0], **settings):
        rows = [{"id": f"q{number}", "question": question, "options": options} for number, (question, options) in enumerate(questions)]
        files.write_json(tmp_path / "questions.json", rows)
        place = toys.document(tmp_path, "varn", text=document)
        chosen, ids = params.Filters(**{**OFF, **settings}), [str(number) for number in range(len(texts))]
        rule = question.rule(chosen.question_words, [tmp_path / "questions.json"], [place])
        alone = filters.alone(chosen) | ({filters.QUESTION: rule} if rule else {})
        sketches = np.array([near.sketch(text) for text in texts] if chosen.near_duplicates else [], np.uint32)
        several = filters.several(chosen, [exact.digest(text) for text in texts], sketches, ids)
        assert [*{**dict.fromkeys(alone), filters.QUESTION: None}, *several] == filters.names(chosen)
        found = {number: filters.reason(alone, text) or filters.reason(several, number) for number, text in enumerate(texts)}
        return {number: row for number, row in found.items() if row}

    return look


def reasons(rows):
    return {number: (row["rule"], row["detail"]) for number, row in rows.items()}


def test_length_has_two_ends(held):
    assert reasons(held("one two three", "one two", "one two three four five", min_words=3, max_words=4)) == {
        1: ("length", {"words": 2}), 2: ("length", {"words": 5})}  # fmt: skip
    assert not held("one", "", "one " * 999)


def test_another_language_goes_wherever_a_text_drifts_into_it(held):
    german = "Der Wärter des Leuchtturms zählt jede Nacht die Schiffe an ihren Lampen, und niemand liest sein Buch."
    found = held(STORY, german, f"{STORY * 4} {german * 6}", "1931: 12, 14, 15.", languages=["en"])
    assert reasons(found) == {1: ("language", {"language": "de"}), 2: ("language", {"language": "de"})}
    assert not held(STORY, german, languages=["en", "de"])


@pytest.mark.parametrize("planted", [
    QUESTION,
    f"A test may ask: {QUESTION} Nobody knows.",
    "They asked WHAT, did Mira\nOldan “sell” to the captain... and went.",
    "A. a compass\nB. a lamp\nC. some salt\nD. her boat",
    "He had to choose: a compass, a lamp, some salt, her boat.",
])  # fmt: skip
def test_a_planted_question_goes_whatever_its_case_and_punctuation(held, planted):
    assert reasons(held(STORY, f"{STORY} {planted}")) == {1: ("question", {"question": "q0", "words": 8})}


def test_a_passage_whose_prompt_held_a_question_goes_whatever_it_says(tmp_path, monkeypatch):
    shutil.copytree(prompts.FOLDER, tmp_path / "prompts")
    monkeypatch.setattr(prompts, "FOLDER", tmp_path / "prompts")
    (tmp_path / "prompts" / "lesson.txt").write_text(f"$document\n\nTell a class of it. {QUESTION}")
    files.write_json(tmp_path / "questions.json", [{"id": "q0", "question": QUESTION, "options": OPTIONS}])
    prompts.template.cache_clear()
    common = {"document": "varn", "strategy": "focal", "entities": [], "sample": 0, "writer": "llm"}
    made = [Passage(id=f"varn/focal/{number}", kind=kind, text=f"{STORY} {number}", call={"prompt": kind}, **common, **asked)
            for number, (kind, asked) in enumerate([("focal", {"way": "Retell it.", "question": "Who kept the lamp of Varn?"}),
                                                    ("focal", {"way": "Retell it.", "question": QUESTION}),
                                                    ("focal", {"way": f"Answer: {QUESTION}", "question": "Who kept the lamp?"}),
                                                    ("lesson", {}), ("discussion", {})])]
    Passages(document="varn", strategy="focal", passages=made, dropped=[]).write(tmp_path / "focal.json")
    overlap.build(passages=[tmp_path / "focal.json"], questions=[tmp_path / "questions.json"], question_words=8,
                  documents=[toys.document(tmp_path, "varn", text=toys.SENTENCES[0])], output=tmp_path / "out.jsonl")
    prompts.template.cache_clear()
    found = files.read_json_lines(tmp_path / "out.jsonl")
    assert [row["id"][-1] for row in found] == ["1", "2", "3"] and {row["detail"]["in"] for row in found} == {"prompt"}


def test_a_short_question_counts_as_a_whole_and_only_as_a_question(held):
    asked = (("Who taught Mira Oldan?", OPTIONS), ("Why?", ["yes", "no", "both", "neither"]))
    found = held("The man who taught Mira Oldan was old.", "Who taught Mira Oldan? Nobody.", "Why? Yes, no, both, neither.", questions=asked)
    assert reasons(found) == {1: ("question", {"question": "q0", "words": 5})}


def test_what_the_document_says_itself_gives_no_question_away_unless_it_asks_it(held):
    line = "some say that nobody crossed the river for a year after the storm"
    quoting = ((f"Which line does the author quote: {line}?", [line, "a", "b", "c"]),)
    passage = f"We read that {line}."
    assert held(passage, questions=quoting) and not held(passage, questions=quoting, document=f"It is told that {line}.")
    asking = f"Exercises. {QUESTION}"
    assert held(asking, document=asking), "a textbook's own question is a question"


CHINESE_STORY = "莫尔去世以后，她的女儿玛拉接管了灯塔，她写了一本关于潮汐的书，后来被首都的图书馆收藏。孩子们都记得那个夜晚。"
CHINESE_QUESTION = "石匠奥卡用了多少年时间把石头运下山来？"
CHINESE_OPTIONS = ["三年零四个月", "十七年整", "只用了一个冬天", "谁也不知道"]


def test_where_no_spaces_part_words_the_rules_count_characters(held):
    assert reasons(held(CHINESE_STORY, "太短的文。", min_words=10, max_words=60)) == {1: ("length", {"words": 4})}
    assert reasons(held(CHINESE_STORY, CHINESE_STORY * 2, max_words=60)) == {1: ("length", {"words": 98})}
    changed = CHINESE_STORY.replace("潮汐", "海浪")
    found = held(CHINESE_STORY, changed, f" {CHINESE_STORY.replace('，', '、')}", near_duplicates=0.7)
    assert {number: row["rule"] for number, row in found.items()} == {1: "near_duplicate", 2: "exact_duplicate"}


@pytest.mark.parametrize("planted", [
    CHINESE_QUESTION, "有人问石匠奥卡用了多少年 时间，没有人回答。", "Ａ、三年零四个月\nＢ、十七年整\nＣ、只用了一个冬天\nＤ、谁也不知道", "三年零四个月，十七年整，只用了一个冬天。",
])  # fmt: skip
def test_a_question_in_chinese_goes_word_for_word(held, planted):
    asked = ((CHINESE_QUESTION, CHINESE_OPTIONS),)
    assert reasons(held(CHINESE_STORY, f"{CHINESE_STORY}{planted}{CHINESE_STORY}", questions=asked)) == {
        1: ("question", {"question": "q0", "words": 8})}  # fmt: skip


def test_a_short_question_in_chinese_counts_whole_and_with_its_mark(held):
    asked = (("谁建造了它？", CHINESE_OPTIONS), ("为何？", CHINESE_OPTIONS))
    assert reasons(held("没人知道谁建造了它。", "谁建造了它？没人知道。", "为何？", questions=asked)) == {
        1: ("question", {"question": "q0", "words": 6})}  # fmt: skip


def test_the_title_of_a_document_gives_no_question_away(held):
    title = "The Harbour of Varn"
    assert not held(f'In "{title}" by Mira Oldan, 1931, ships come.', questions=((f'Who wrote "{title}" by Mira Oldan, in your view?', OPTIONS),))


def test_the_first_of_two_that_say_the_same_words_stays(held):
    found = held(STORY, toys.SENTENCES[0], f"  {STORY.upper()}\n", STORY)
    assert reasons(found) == {2: ("exact_duplicate", {"duplicates": "0"}), 3: ("exact_duplicate", {"duplicates": "0"})}


def test_a_near_duplicate_names_the_first_that_it_repeats(held):
    changed = STORY.replace("nobody reads", "somebody reads")
    found = held(STORY, toys.SENTENCES[1], changed, near_duplicates=0.7)
    assert found.keys() == {2} and found[2]["rule"] == "near_duplicate"
    assert found[2]["detail"]["duplicates"] == "0" and 0.7 <= found[2]["detail"]["similarity"] < 1
    assert not held(STORY, changed, near_duplicates=None) and not held("too short", "too short, so", near_duplicates=0.7)


def test_a_passage_goes_by_the_first_rule_and_none_is_compared_with_what_went(held):
    found = held("Why so?", "Why so?", min_words=3, near_duplicates=0.7)
    assert reasons(found) == {0: ("length", {"words": 2}), 1: ("length", {"words": 2})}


def test_the_same_texts_in_the_same_order_reject_the_same(held):
    texts = [f"{STORY} {number % 7} {toys.SENTENCES[number % 4]}" for number in range(40)]
    settings = {"near_duplicates": 0.8, "languages": ["en"]}
    assert held(*texts, **settings) == held(*texts, **settings)
    part = held(*texts[:20], **settings)
    assert part == {number: row for number, row in held(*texts, **settings).items() if number < 20}, "what comes later changes nothing"


@pytest.fixture
def arm(tmp_path):
    """Builds the corpus of one document's passages and gives its folder and counts."""
    toys.base(tmp_path / "base", replay=[*toys.SENTENCES, QUESTION])
    place = toys.document(tmp_path, "varn")
    files.write_json(tmp_path / "questions.json", [{"id": "q0", "question": QUESTION, "options": OPTIONS}])

    def build(texts, corpus_tokens="all", **settings):
        folder, asked = tmp_path / f"corpus-{corpus_tokens}", {"questions": [tmp_path / "questions.json"], "documents": [place]}
        facts = toys.built(folder, tmp_path, tmp_path / "base", [toys.passages(tmp_path, "varn", texts)], corpus_tokens=corpus_tokens,
                           filters=params.Filters(**{**OFF, **settings}), **asked)
        toys.replay(tmp_path / "replay", tmp_path / "base", **asked)
        return folder, facts

    return build


def tokens(texts):
    return np.concatenate([texts.tokens(text) for text in range(len(texts))]).tolist()


def of_corpus(folder, tmp_path):
    return Texts.of_corpus(folder, tmp_path.glob("tokens/*/*.npy"))


def test_no_corpus_holds_a_question_and_no_replay_either(arm, tmp_path):
    texts = [*toys.SENTENCES, f"Somebody may ask: {QUESTION}"]
    folder, facts = arm(texts)
    assert facts["rejected"] == {"question": 1, "exact_duplicate": 0} and facts["num_rejected"] == 1 and facts["num_passages"] == 4
    (row,) = files.read_json_lines(folder / "rejected.jsonl")
    assert row == {"id": "varn/entigraph/4", "document": "varn", "strategy": "entigraph", "kind": "triplet", "rule": "question",
                   "detail": {"question": "q0", "words": 8}}  # fmt: skip
    replay, overlap = tmp_path / "replay", tmp_path / "replay_overlap/all.jsonl"
    (kept_out,) = files.read_json_lines(overlap)
    order = [row["id"] for row in files.read_json_lines(replay / "replay.jsonl")]
    assert kept_out == {"row": order.index("4"), "id": "4", "detail": {"question": "q0", "words": 8}}
    read = Texts.of_replay(replay, overlap, 10**9)
    assert [order[line] for line in read.lines] == [one for one in order if one != "4"]
    for texts in (of_corpus(folder, tmp_path), read):
        text = models.tokenizer(tmp_path / "base").decode(tokens(texts))
        assert QUESTION not in text and toys.SENTENCES[0] in text
    assert row["id"] not in (folder / "passages.jsonl").read_text()


def test_a_smaller_corpus_is_a_prefix_of_a_larger_one_whatever_went(arm, tmp_path):
    texts = [f"{STORY} {number % 3}" if number % 2 else f"{number} {toys.SENTENCES[number % 4]}" for number in range(16)]
    (whole, all_of_it), (part, some) = arm(texts, near_duplicates=0.7), arm(texts, corpus_tokens=150, near_duplicates=0.7)
    assert all_of_it["num_rejected"] == some["num_rejected"] > 6 and all_of_it["existing_tokens"] == some["existing_tokens"]
    assert tokens(of_corpus(part, tmp_path)) == tokens(of_corpus(whole, tmp_path))[:150]
    assert (part / "rejected.jsonl").read_bytes() == (whole / "rejected.jsonl").read_bytes()


def test_an_arm_of_which_everything_went_says_where_to_look(arm, tmp_path):
    with pytest.raises(UserError, match=r"no passage of entigraph: .*corpus-all/rejected\.jsonl"):
        arm(toys.SENTENCES, min_words=100)
    assert len(files.read_json_lines(tmp_path / "corpus-all" / "rejected.jsonl")) == 4


def test_a_filter_of_one_text_looks_once_at_each_passage_however_many_corpora_there_are(arm, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(filters.length, "rule", lambda *_: lambda text: looked.append(text))
    monkeypatch.setattr(filters.exact, "digest", lambda text, known=exact.digest: looked.append(text) or known(text))
    paths = [toys.passages(tmp_path, "varn", toys.SENTENCES)]
    toys.tokens(tmp_path, tmp_path / "base", paths)
    once = len(looked)
    for size in ("all", 20, 30):
        monkeypatch.setattr(toys, "tokens", lambda folder, *_: {"index": [folder / "tokens/entigraph/varn.jsonl"],
                                                                "pieces": [folder / "tokens/entigraph/varn.npy"], "sketches": []})  # fmt: skip
        assert toys.built(tmp_path / f"corpus-{size}", tmp_path, tmp_path / "base", paths, corpus_tokens=size)["num_passages"]
    assert len(looked) == once == 2 * len(toys.SENTENCES)


def test_near_duplicates_are_those_of_datasketch_s_own_index():
    from datasketch import MinHash, MinHashLSH

    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in range(300)]
    some = [[words[place] for place in rng.integers(0, 300, 60)] for _ in range(60)]
    texts = [" ".join(word if rng.random() > change else "other" for word in some[number % 60]) for number, change in enumerate(rng.random(240) / 20)]
    sketches = np.array([near.sketch(text) for text in texts])
    look = near.rule(0.6, sketches, [str(number) for number in range(240)])
    index, kept, expected = MinHashLSH(threshold=0.6, num_perm=near.NUM_PERM, weights=near.WEIGHTS), {}, {}
    for number, sketch in enumerate(sketches):
        whole = MinHash(num_perm=near.NUM_PERM, seed=near.SEED)
        whole.hashvalues = sketch.astype(np.uint64)
        similar = [(other, float(np.mean(sketch == sketches[other]))) for other in sorted(index.query(whole))]
        first = next(((other, value) for other, value in similar if value >= 0.6), None)
        if first:
            expected[number] = {"duplicates": str(first[0]), "similarity": round(first[1], 3)}
        else:
            index.insert(number, whole)
            kept[number] = whole
    found = {number: detail for number in range(240) if (detail := look(number))}
    assert found == expected and len(found) > 50 and len(kept) > 60


@pytest.mark.parametrize("field, value, said", [
    ("languages", "[en, klingon]", "'klingon' is none"), ("languages", "[]", "at least 1"), ("near_duplicates", "1.5", "less than or equal to 1"),
    ("question_words", "null", "valid integer"), ("question_words", "2", "greater than or equal to 5"), ("min_words", "0", "greater than 0"),
])  # fmt: skip
def test_bad_settings_are_refused(tmp_path, field, value, said):
    text = re.sub(rf"(\n    {field}: +)\S+", rf"\g<1>{value}", open("params.yaml", encoding="utf-8").read(), count=1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"corpora\.filters\.{field}.*{said}"):
        params.load(tmp_path / "params.yaml")


def test_lengths_that_no_passage_can_have_are_refused():
    with pytest.raises(ValueError, match="min_words, 9, must not exceed max_words, 3"):
        params.Filters(**{**OFF, "min_words": 9, "max_words": 3})
