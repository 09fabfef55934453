
from closedbook.generation import sections
from closedbook.llm import prompts
from closedbook.records import Document, EntityList


def document(*paragraphs: str) -> Document:
    return Document(id="varn-1", title="Varn", author="Ann Lee", year=1950, text="\n\n".join(paragraphs), license="CC0")


def words(number: int, name: str = "word") -> str:
    return " ".join(f"{name}{place}" for place in range(number))


def lengths(split: dict) -> list[int]:
    return [len(section.text.split()) for section in split.values()]


def test_a_document_that_fits_is_itself_and_its_prompt_is_as_ever():
    whole = document(words(60), words(40))
    assert sections.split(whole, None) == sections.split(whole, 100) == {None: whole}
    assert "Title: Varn\nAuthor" in prompts.fenced(whole)


def test_a_longer_one_is_cut_between_paragraphs_into_even_sections_that_hold_it_all():
    whole = document(*(words(100, name) for name in "abcdefghijk"))
    split = sections.split(whole, 500)
    assert list(split) == ["1 of 3", "2 of 3", "3 of 3"] and lengths(split) == [400, 400, 300], "not 500, 500 and 100"
    assert "\n\n".join(section.text for section in split.values()) == whole.text
    assert {(section.id, section.title, section.byline, section.license) for section in split.values()} == {(whole.id, "Varn", whole.byline, "CC0")}


def test_a_heading_stays_with_its_text():
    split = sections.split(document(words(95, "a"), "## 2 Method", words(95, "b")), 100)
    assert [section.text.split()[0] for section in split.values()] == ["a0", "##"], "not at the end of the first, where it would fit"
    split = sections.split(document(words(95, "a"), "## 2 Method", words(98, "b")), 100)
    assert "\n\n".join(section.text for section in split.values()) == document(words(95, "a"), "## 2 Method", words(98, "b")).text, "unless both are too long"


def test_a_section_says_which_it_is_in_the_title_line_and_nowhere_else():
    section = sections.split(document(words(60), words(60)), 100)["2 of 2"]
    said = prompts.messages("pair", section, first="a", second="b")[1]["content"]
    assert "Title: Varn (part 2 of 2)\n" in said and said.count("part 2 of 2") == 1 and 'in "Varn"' in said
    name, fields = prompts.parse(said)
    assert (name, fields["title"], fields["section"], fields["text"]) == ("pair", "Varn", " (part 2 of 2)", section.text)


def test_a_paragraph_that_is_too_long_is_cut_between_sentences_and_that_is_said(caplog):
    sentences = [f'{words(29, name)} "end."' for name in "abcdef"]
    whole = document(words(50), " ".join(sentences), words(20))
    split = sections.split(whole, 100)
    assert max(lengths(split)) <= 100 and sum(lengths(split)) == 250
    assert all(section.text.endswith(('end."', "word19")) for section in split.values())
    assert " ".join(section.text for section in split.values()).split() == whole.text.split()
    assert "varn-1: 5 cuts inside of paragraphs that are longer than llm.sections, 100 words" in caplog.text


def test_a_sentence_that_is_too_long_is_cut_between_words():
    assert lengths(sections.split(document(words(250)), 100)) == [100, 100, 50]


def test_pieces_of_one_paragraph_stay_one_and_those_of_two_stay_two():
    first, second = (" ".join(f"{words(39, name + str(number))}." for number in range(4)) for name in "ab")
    texts = [section.text for section in sections.split(document(first, second), 120).values()]
    assert all(text.replace("\n\n", " ") in f"{first} {second}" for text in texts)
    assert sum(text.count("\n\n") for text in texts) == 1


def made(section: str | None, *names: str, by: str = "llm", why: str | None = None) -> EntityList:
    return EntityList(document="varn-1", section=section, summary=f"Of {section}.", entities=list(names), made_by=by, why=why,
                      maker="m" if by == "llm" else "blank", call={"key": section} if by == "llm" else None)


def test_lists_are_merged_by_rank_no_two_alike_and_no_more_than_asked_for():
    lists = [made("1 of 2", "Mira", "Varn", "lamp"), made("2 of 2", "Kell", "MIRA", "Varn", "Council")]
    merged = sections.merged(lists, 4)
    assert merged.entities == ["Mira", "Kell", "Varn", "lamp"] and merged.summary == "Of 1 of 2. Of 2 of 2."
    assert merged.made == lists and merged.call is None and merged.why is None


def test_one_section_that_fell_back_makes_the_list_one_that_can_be_asked_again():
    merged = sections.merged([made("1 of 2", "Mira"), made("2 of 2", "Kell", by="spacy", why="the model refused")], 9)
    assert (merged.made_by, merged.maker, merged.why) == ("llm", "m", "part 2 of 2: the model refused")


def test_a_sections_list_has_those_of_the_documents_entities_that_it_names_or_listed_itself():
    first, second = sections.split(document(f"The lamp of Mira Oldan. Varnish. KELL'S end. {words(60)}", words(60)), 100).values()
    whole = sections.merged([made("1 of 2", "loss"), made("2 of 2", "Kell", "Mira Oldan", "Varn", "lamp", "ill")], 9)
    assert sections.listed(first, whole).entities == ["loss", "Kell", "Mira Oldan", "lamp"]
    assert sections.listed(first, whole).call == {"key": "1 of 2"} and "loss" not in sections.listed(second, whole).entities
    assert sections.listed(document("Text."), whole) is whole


def test_a_list_of_sections_survives_its_file(tmp_path):
    merged = sections.merged([made("1 of 2", "Mira"), made("2 of 2", "Kell")], 9)
    merged.write(tmp_path / "list.json")
    assert EntityList.read(tmp_path / "list.json") == merged
