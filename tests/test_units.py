"""What a word is: as ever where spaces part words, a character where they do not, and all who count words agree."""

import pytest

from closedbook.evaluation import embedded
from closedbook.evaluation.embedded import pieces
from closedbook.generation import sections
from closedbook.generation.extractive import extractor
from closedbook.generation.extractive.generator import Generator
from closedbook.generation.filters import question
from closedbook.generation.strategies import centrality
from closedbook.llm import answers
from closedbook.records import Document
from closedbook.sources.formats import lines
from closedbook.stages import documents
from closedbook.util import units

CHINESE = ("海斯特的灯塔燃烧了九个冬天，伊德拉·莫尔每晚都修剪灯芯。洪水来的时候，她把船系在灯塔的柱子上，救了四十个人。\n\n"
           "莫尔去世以后，她的女儿玛拉接管了灯塔。玛拉写了一本书。")
THAI = "ประภาคารแห่งเมืองวาร์นตั้งอยู่ริมทะเล ผู้ดูแลประภาคารจดเรือทุกคืน เมืองวาร์นมีประภาคารเดียว"
SPACED = ["One two,  three\tfour\u3000five", "caf\u00e9 — na\u00efve_x 3.5%", "В порту горел маяк.", "هل احترق المنار؟", "등대는 아홉 겨울을 탔다.",
          "फ़ारसी में दीपक", " ", "", "\x1fa\x1cb\u2028c\x85d"]


def document(text: str, title: str = "灯塔") -> Document:
    return Document(id="varn-1", title=title, author=None, year=None, text=text)


@pytest.mark.parametrize("text", SPACED)
def test_where_spaces_part_words_a_word_is_what_they_part(text):
    assert units.words(text) == text.split() and units.count(text) == len(text.split()) and units.apart(text) == units.pairs(text) == text
    assert units.pieces(" ".join(text.split()), 2) == [" ".join(text.split()[at : at + 2]) for at in range(0, len(text.split()), 2)]
    assert units.unwrapped(text) == text


@pytest.mark.parametrize(("text", "words"), [
    ("灯塔燃烧了，“九个”冬天。", ["灯", "塔", "燃", "烧", "了，“", "九", "个”", "冬", "天。"]),
    ("GPT模型v2（GPT） ok", ["GPT", "模", "型", "v2（GPT）", "ok"]),
    ("一八92年", ["一", "八", "92", "年"]),
    ("ミラ・ﾊﾝ", ["ミ", "ラ・", "ﾊ", "ﾝ"]),
    ("ที่นี่ดี", ["ที่", "นี่", "ดี"]),
    ("កម្ពុជា", ["ក", "ម្", "ពុ", "ជា"]),
    ("ລາວ မြန်", ["ລ", "າ", "ວ", "မြ", "န်"]),
])  # fmt: skip
def test_where_nothing_parts_them_each_character_with_its_marks_is_one(text, words):
    assert units.words(text) == words and units.count(text) == len(words)
    assert "".join(units.pieces(text, 1)) == text.replace(" ", "") and units.pieces(text, 99) == [text]


def test_one_form_for_any_case_punctuation_width_and_what_is_not_seen():
    assert units.bare("The LAMP\u00adpost, ‘ﬁve’ Ｘ") == ["the", "lamppost", "five", "x"]
    assert units.bare("灯，塔。Ａb") == ["灯", "塔", "ab"] and units.bare("ﾗﾝﾌﾟ") == units.bare("ランプ")
    assert units.bare("दीपक में i\u0307stanbul") == ["दीपक", "में", "i\u0307stanbul"], "vowel signs and accents belong to their letter"
    assert units.bare("می\u200cخواهم") == units.bare("میخواهم")


def test_chinese_lines_are_joined_without_a_space_and_others_with_one():
    assert documents.plain_paragraphs("海斯特的\n灯塔燃烧。\n“九个”\r\n冬天\nlamp of\nHest 灯\n등대는\n탔다\n\n完", "t") == [
        "海斯特的灯塔燃烧。“九个”冬天 lamp of Hest 灯 등대는 탔다", "完"]  # fmt: skip
    assert documents.html_paragraphs("<p>海斯特的\n  灯塔<br>燃烧</p>") == ["海斯特的灯塔 燃烧"]


def test_paragraphs_of_chinese_without_blank_lines_end_where_a_sentence_leaves_room_or_an_indent_begins():
    text = "海斯特的灯塔燃烧了九个冬天，伊德拉\n莫尔每晚都修剪灯芯。\n洪水来的时候，她把船系在灯塔的柱子\n上，救了四十个人，一个也没有落下来。\n\u3000\u3000玛拉写书。"
    assert [paragraph[:2] for paragraph in documents.plain_paragraphs(text, "t")] == ["海斯", "洪水", "玛拉"]


def test_sections_of_chinese_hold_so_many_characters_and_are_cut_between_sentences(caplog):
    whole = document(CHINESE)
    split = sections.split(whole, 30)
    assert [units.count(section.text) for section in split.values()] == [25, 23, 24]
    assert [section.text[-1] for section in split.values()] == ["。"] * 3
    assert "\n\n".join(section.text for section in split.values()).replace("。\n\n洪", "。洪") == CHINESE, "nothing added, nothing lost"
    thai = sections.split(document(THAI), 40).values()
    assert " ".join(section.text for section in thai) == THAI and len(thai) == 3, "cut at spaces, which Thai has between phrases"


def test_a_section_names_a_chinese_entity_inside_of_a_run():
    assert sections._names(document(CHINESE), "灯塔") and not sections._names(document(CHINESE), "塔灯")
    assert sections._names(document("用GPT模型"), "GPT") and not sections._names(document("Varnish"), "Varn")


@pytest.mark.parametrize(("text", "names"), [
    (CHINESE, {"灯塔", "莫尔", "玛拉"}),
    ("灯台守のミラ・オルダンは灯台の灯りを数えた。海の上の灯台にミラ・オルダンの名がある。", {"灯台", "ミラ・オルダン"}),
    (THAI, {"ประภาคาร", "เมืองวาร์น"}),
])  # fmt: skip
def test_entities_of_a_text_without_spaces_are_what_comes_back_in_it(text, names):
    _, found = extractor.extract(document=document(text), max_entities=9, spacy_model="blank")
    assert names <= set(found) and not {"的", "了", "の", "塔", "は灯台"} & set(found)


def test_the_extractive_generator_finds_sentences_of_a_chinese_entity_and_puts_no_spaces_between_them():
    generator = Generator(document(CHINESE))
    text = generator.relate(entities=("灯塔", "玛拉"), seed=1)
    assert "莫尔去世以后，她的女儿玛拉接管了灯塔。" in text and "修剪灯芯。洪水来的时候" in text
    assert generator.relate(entities=("灯塔", "塔灯"), seed=1) is None, "one of its characters alone says nothing of it"


def test_chinese_entities_that_stand_in_one_sentence_meet():
    assert centrality.meetings(CHINESE, ["灯塔", "玛拉", "莫尔"])["灯塔", "玛拉"] == 2
    assert not centrality.meetings("灯塔在海边。\n\n玛拉写书。", ["灯塔", "玛拉"]), "a paragraph apart"


def test_an_echo_of_chinese_is_reported(tmp_path):
    other = "她写了一本关于潮汐的书，后来被首都的图书馆收藏了起来，再没有人读过。"
    assert answers.echoes(CHINESE[:60], (CHINESE,)) and not answers.echoes(other, (CHINESE,))


def test_chinese_is_found_by_two_characters_side_by_side_and_cut_after_a_sentence():
    texts = ["海斯特的灯塔燃烧了九个冬天。", "洪水冲走了桥。"]
    (scores,) = embedded.scores(texts, ["灯塔在哪里？"])
    assert scores[0] > 0 == scores[1]
    assert list(pieces("灯塔燃烧了。“洪水来了。”人们走", 14)) == ["灯塔燃烧了。“洪水来了。”", "人们走"]


def test_texts_without_a_word_are_no_hits():
    assert [row.tolist() for row in embedded.scores(["— 1", "灯"], ["灯塔"])] == [[0, 0]]


@pytest.mark.parametrize("mark", "?？؟⁇")
def test_a_question_mark_of_any_script_is_one(mark):
    assert question._codes(f"谁建造了它{mark}").tolist() == question._codes("谁建造了它 ?").tolist()


def test_lines_of_a_chinese_page_have_no_space_between_them_and_a_paragraph_ends_at_its_full_stop():
    texts = ("灯塔在海边，冬天", "很冷。", "玛拉写了一本书")
    box = [lines.Line(text=text, left=0, right=10 * len(text), bottom=-10 * number, height=10) for number, text in enumerate(texts)]
    assert lines.paragraphs([box]) == ["灯塔在海边，冬天很冷。", "玛拉写了一本书"]
