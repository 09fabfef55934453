"""judgements: a seeded sample, verdicts as they were given, and no rate that a failure of the judge flatters."""

import json
import math

import openai_server
import pytest
import toys
from openai_server import Server

from closedbook import llm, params
from closedbook.llm import Invalid, prompts
from closedbook.llm.ledger import Ledger
from closedbook.stages import judgements
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import registry

FALSE = "Varn has no lighthouse."


def verdict(request):
    """What an honest judge says of the passages below: one statement, and whether it is FALSE."""
    _, fields = prompts.parse(request["messages"][-1]["content"])
    is_false = FALSE in fields["passage"]
    return json.dumps({"supported": 0 if is_false else 3, "unsupported": ["no lighthouse"] if is_false else []})


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """Judges passages {document: texts} by a loopback server with these troubles, and gives judgements.json."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(openai_server, "answer_to", verdict)

    def run(texts, troubles=None, passages=20, attempts=1):
        places = [(toys.document(tmp_path, name), toys.passages(tmp_path / "passages", name, some)) for name, some in texts.items()]
        with Server(troubles) as server:
            settings = {"model": "openai/toy", "api_base": server.url, "temperature": 0.0, "max_tokens": 100, "passages": passages, "attempts": attempts}
            facts = judgements.build(
                documents=[document for document, _ in places], passages=[path for _, path in places], folder=tmp_path / "out",
                params=params.typed({"seed": 1, "judge": settings}), limits=params.load().limits,
            )  # fmt: skip
            assert facts == {"answered": ["toy-0001"]}
            run.received = server.received
        return files.read_json(tmp_path / "out" / "judgements.json")

    return run


def test_a_planted_falsehood_lowers_the_rates_by_itself(judge):
    found = judge({"varn": [*toys.SENTENCES[:3], FALSE], "kell": toys.SENTENCES})
    rate = found["rates"]["entigraph"]
    assert (rate["passages"], rate["unusable"], rate["faithful"], rate["statements"]) == (8, 0, 7 / 8, 22)
    assert math.isclose(rate["supported"], 21 / 22) and 0 < rate["supported_stderr"] < rate["faithful_stderr"] < 0.2
    (bad,) = [row for row in found["passages"] if row["unsupported"]]
    assert bad["document"] == "varn" and bad["id"].endswith("/3") and bad["call"]["prompt"] == "judge" and bad["reason"] is None


def test_what_the_judge_could_not_say_is_counted_and_is_no_praise(judge):
    found = judge({"varn": toys.SENTENCES, "kell": toys.SENTENCES}, troubles={0: "refusal", 3: "not_json", 5: "empty"})
    rate = found["rates"]["entigraph"]
    assert (rate["passages"], rate["unusable"], rate["faithful"], rate["supported"]) == (8, 3, 5 / 8, 1.0)
    assert sum(row["reason"] is not None and row["call"] is None for row in found["passages"]) == 3


def test_a_judge_is_asked_again_and_nothing_twice(judge):
    texts = {"varn": toys.SENTENCES}
    first = judge(texts, troubles={0: "refusal"}, attempts=2)
    assert judge.received == 5 and first["rates"]["entigraph"]["unusable"] == 0
    assert judge(texts, attempts=2) != first, "another server is another provider"


def test_a_judge_that_can_not_be_asked_is_named_and_not_the_generator(judge):
    with pytest.raises(UserError, match="judge.model openai/toy: the key was refused"):
        judge({"varn": toys.SENTENCES}, troubles={0: "401"})


def test_no_more_segments_are_open_at_a_time_than_files_may_be(judge, monkeypatch):
    opened, most = [], []
    enter, leave = Ledger.__enter__, Ledger.__exit__
    monkeypatch.setattr(Ledger, "__enter__", lambda ledger: (opened.append(ledger), most.append(len(opened)), enter(ledger))[-1])
    monkeypatch.setattr(Ledger, "__exit__", lambda ledger, *error: (opened.remove(ledger), leave(ledger, *error))[-1])
    monkeypatch.setattr(llm, "AT_ONCE", 2)
    found = judge({f"doc-{number}": toys.SENTENCES[:1] for number in range(4)})
    assert len(found["passages"]) == 4 and max(most) == 2


def test_more_is_a_superset_spread_over_the_documents(judge, tmp_path):
    paths = [toys.passages(tmp_path, name, toys.SENTENCES) for name in ("a", "b", "c")]
    few, many = ([passage.id for passage in judgements.sample(paths, number, 1)] for number in (5, 9))
    assert many[:5] == few and {identity.split("/")[0] for identity in few[:3]} == {"a", "b", "c"}
    assert [passage.id for passage in judgements.sample(paths[::-1], 9, 1)] == many and len(judgements.sample(paths, 99, 1)) == 12
    assert [passage.id for passage in judgements.sample(paths, 9, 2)] != many


@pytest.mark.parametrize("text", ["", "Fine.", "{", '{"supported": -1, "unsupported": []}', '{"supported": 0, "unsupported": []}', '{"supported": 2}'])
def test_a_verdict_that_is_none_is_not_believed(text):
    with pytest.raises(Invalid):
        judgements.parse(text)
    assert judgements.parse('```json\n{"supported": 2, "unsupported": ["x"]}\n```').supported == 2


def test_without_a_judge_nothing_is_planned_and_with_one_not_for_the_documents_themselves():
    settings = params.load()
    assert "judgements" not in registry.planned(settings, {"doc": None})
    judged = settings.model_copy(update={"judge": settings.judge.model_copy(update={"model": "openai/toy"})})
    recipe = registry.planned(judged, {"doc": None})["judgements"]
    assert recipe["params"]["strategies"] == ["rephrase", "rephrase_named", "entigraph"] and recipe["prompts"].keys() == {"judge"}


def test_the_scripted_generator_is_no_judge():
    with pytest.raises(ValueError, match="miniature/judge only"):
        params.Judge(**{**params.load().judge.model_dump(), "model": "miniature/author"})
