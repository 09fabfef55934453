import pytest

from closedbook import params
from closedbook.records import Document, EntityList
from closedbook.strategies import STRATEGIES

DOCUMENT = Document(id="doc-1", title="T", author=None, year=None, text="x")
ENTITIES = EntityList(document="doc-1", summary="s", entities=[f"e{i}" for i in range(8)], made_by="llm", why=None, maker="m", call=None)


def wanted(strategy, seed=1, **changes):
    settings = params.load().passages
    section = getattr(settings, strategy).model_copy(update=changes)
    return STRATEGIES[strategy].wanted(DOCUMENT, ENTITIES, settings.model_copy(update={strategy: section}), seed)


def test_entigraph_asks_for_all_pairs_and_a_seeded_choice_of_triplets():
    asked = wanted("entigraph", pairs="all", triplets=10, summary=True)
    kinds = [each.kind for each in asked]
    assert kinds.count("summary") == 1 and kinds.count("pair") == 28 and kinds.count("triplet") == 10
    assert len({each.entities for each in asked}) == 39
    assert [each for each in asked if each.kind == "triplet"] != [each for each in wanted("entigraph", seed=2, triplets=10) if each.kind == "triplet"]


@pytest.mark.parametrize("strategy, small, large", [
    ("entigraph", {"pairs": 5, "triplets": 7}, {"pairs": 9, "triplets": "all"}),
    ("entigraph", {"pairs": 5, "triplets": 0}, {"pairs": 5, "triplets": 3, "singles": "all"}),
    ("rephrase", {"samples": 2}, {"samples": 3}),
])  # fmt: skip
def test_asking_for_more_extends_what_is_there(strategy, small, large):
    few = {each.passage_id("doc-1", strategy) for each in wanted(strategy, **small)}
    many = {each.passage_id("doc-1", strategy) for each in wanted(strategy, **large)}
    assert few < many


def test_a_prompt_exists_for_every_kind_that_needs_one():
    from closedbook import prompts

    for strategy, module in STRATEGIES.items():
        for name in module.PROMPTS:
            assert "$document" in prompts.template(name), (strategy, name)
