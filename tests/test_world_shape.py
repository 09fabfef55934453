"""A world of one's own that books can't be made with is refused before any book is made, with the part that is wrong."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from closedbook.miniature import books, language
from closedbook.util.errors import UserError

YAML_12 = YAML(typ="safe", pure=True)
YAML_12.sort_base_mapping_type_on_output = False  # a person's first relation is the profession


def load_with(folder: Path, path: str, value):
    """The shipped world with one part set to a value, or taken out (None)."""
    data = YAML_12.load(language.WORLD)
    *parts, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place = data
    for part in parts:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    with open(folder / "world.yaml", "w", encoding="utf-8") as handle:
        YAML_12.dump(data, handle)
    return language.load(folder / "world.yaml")


@pytest.mark.parametrize("path, value, words", [
    ("names", 5, "names must hold women"), ("names.place.first", None, "names.place.first must be text"),
    ("names.women", "Mara, , Iris", "names.women must be text, with no word"), ("descriptions.object", {}, "descriptions.object must be text"),
    ("introductions.person", "There was {nobody}", "introductions.person: nothing fills {nobody}"),
    ("lead_ins.narrative.plain", "often", "lead_ins.narrative.plain must be a number from 0 to 1"), ("fillers", "It rained", "fillers: must be 8"),
    ("values.5", "red, green", "5 must be in quotes"), ("names.0", "a, b", "0 must be in quotes"), ("relations", [], "must hold names"), ("relations.fear.of", "tree", "relations.fear.of must be one of person"),
    ("relations.mentor.value", "tree", "relations.mentor: its value must be one of person, building"), ("values.fear", None, "relations.fear: its value"),
    ("relations.fear.questions", None, "relations.fear.questions must be text"),
    ("relations.fear.narrative", "feared {title}", "relations.fear.narrative: nothing fills {title}"),
])  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, path, value, words):
    with pytest.raises(UserError, match=f"documents.path: .*world.yaml: not a world like .*: .*{words}"):
        load_with(tmp_path, path, value)


def test_too_few_words_for_a_value_end_instead_of_being_drawn_forever(tmp_path):
    with pytest.raises(UserError, match="too few words for profession"):
        books.make_books(load_with(tmp_path, "values.profession", "judge, potter, miner"), side="target", number=1, people=1, seed=1)
