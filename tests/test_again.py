"""closedbook retry: what a model did not write of summaries and verdicts is asked again, and nothing else is."""

import json
from pathlib import Path
from types import SimpleNamespace

import openai_server
import pytest
import toys
from openai_server import Server, says

from closedbook import layout, params
from closedbook.evaluation import tasks
from closedbook.records import EntityList
from closedbook.spending import again
from closedbook.stages import api_summaries, verdicts
from closedbook.util import files
from closedbook.workflow.receipts import FOLDER

SETTINGS = params.load(Path(__file__).parent.parent / "params.yaml")
LIMITS = SETTINGS.limits


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two documents with entity lists, and a plan as far as it says whose summaries there are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(openai_server, "answer_to", lambda _: json.dumps({"claims": []}))
    for name in ("varn", "kell"):
        toys.document(Path("results"), name)
        EntityList(document=name, summary="", entities=["Compass"], made_by="llm", why=None, maker="x", call=None).write(layout.entities(name))
    settings = SETTINGS.model_dump()
    settings["api_models"] = {"small": {"model": "openai/toy", "api_base": None, "tasks": [tasks.SUMMARY]}}
    return SimpleNamespace(params=params.Params(**settings), documents={"varn": None, "kell": None})


def sum_up(server: Server) -> list[dict]:
    about = {"name": "small", "seed": 1, "api_model": {"model": "openai/toy", "api_base": server.url}, "scores": {"summary_tokens": 50}}
    output, documents = layout.summaries("api-small"), [*map(layout.document, ("varn", "kell"))]
    if not output.exists():
        api_summaries.build(documents=documents, entities=[*map(layout.entities, ("varn", "kell"))], params=params.typed(about),
                            limits=LIMITS, output=output)  # fmt: skip
        files.write_text(FOLDER / "summaries/api-small.json", "{}")
    return files.read_json(output)["summaries"]


def judge(server: Server) -> list[dict]:
    about = {"seed": 1, "judge": {"model": "openai/toy", "api_base": server.url, "temperature": 0.0, "max_tokens": 100, "attempts": 1}}
    output = layout.verdicts("api-small")
    if not output.exists():
        verdicts.build(summaries=layout.summaries("api-small"), documents=[*map(layout.document, ("varn", "kell"))], params=params.typed(about),
                       limits=LIMITS, output=output)  # fmt: skip
    return files.read_json(output)["summaries"]


def test_summaries_that_were_not_given_are_asked_for_again_and_no_others(here):
    with Server(dict.fromkeys(range(3), says("Mira kept it."))) as server:
        server.trouble[3] = "refusal"
        before = sum_up(server)
        (failed,) = [row["document"] for row in before if row["reason"]]
        other = ({"varn", "kell"} - {failed}).pop()
        assert again.reopen(here, [other]) == ["nothing fell back and nothing was dropped"]
        first, _ = again.reopen(here, [failed])
        assert first == f"results/summaries/api-small.json: {failed}: no summary: the model refused"
        assert not layout.summaries("api-small").exists() and not (FOLDER / "summaries/api-small.json").exists()
        server.trouble[4] = says("Mira sold it.")
        after = sum_up(server)
        assert server.received == 5 and sorted(row["text"] for row in after) == ["Mira kept it."] * 3 + ["Mira sold it."]


def test_verdicts_that_the_judge_did_not_give_are_asked_for_again_and_no_others(here):
    with Server(dict.fromkeys(range(4), says("Mira kept it."))) as server:
        sum_up(server)
        server.trouble[4] = "refusal"
        (failed,) = {row["document"] for row in judge(server) if row["reason"]}
        first, *_ = lines = again.reopen(here, [])
        assert len(lines) == 2 and first == f"results/verdicts/api-small.json: {failed}: no verdict: the model refused", "though two of it are missing"
        assert layout.summaries("api-small").exists() and not layout.verdicts("api-small").exists()
        assert not [row for row in judge(server) if row["reason"]] and server.received == 7
        assert again.reopen(here, []) == ["nothing fell back and nothing was dropped"]
