"""Models behind an API, scored on the same questions as runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import toys
from index_server import IndexServer
from test_retrieval import question

from closedbook import params
from closedbook.stages import api_models
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import plan, registry

ROOT = Path(__file__).parent.parent
ASKED = [{**question(f"q{number}", f"What is thing {number}?", document), "gold": number % 4, "title": document.title()}
         for number, document in enumerate(["bridge", "bridge", "clock", "clock"], 1)]
TEXT = "A storm took the bridge.\n\nNobody crossed the river."


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the ledger lies in the folder of the run
    with IndexServer() as running:
        yield running


def scored(server, tasks=("quality_cot",), samples=1, **limit):
    """What the step writes: the score, and the rows of answers by question."""
    limits = params.Limits(**{**params.load(ROOT / "params.yaml").limits.model_dump(), "retries": 0, **limit})
    settings = SimpleNamespace(
        name="gpt", seed=1, api_model=params.ApiModel.model_construct(model="openai/toy", api_base=server.url),
        scores=params.Scores.model_construct(tasks=list(tasks), cot=params.Cot(samples=samples, temperature=0.5, max_tokens=100)),
        retrieval=params.Retrieval.model_construct(chunks=[1], order=["best_last"], temperature=[0.5]))
    documents = [toys.document(Path(), name, title=name.title(), text=TEXT) for name in ("bridge", "clock")]
    files.write_json(Path("questions.json"), ASKED)
    chunk = {"document": "clock", "chunk": 0, "text": "Clocks have hands.", "score": 1}
    files.write_json_lines(Path("chunks.jsonl"), [{"question": row["id"], "document": row["document"], "chunks": [chunk]} for row in ASKED])
    api_models.build(questions=[Path("questions.json")], documents=documents, retrieved=[Path("chunks.jsonl")], params=settings, limits=limits,
                     output=Path("score.json"), samples=Path("samples.jsonl"), include_path=ROOT / "evals/quality")
    rows = files.read_json_lines("samples.jsonl")
    return files.read_json("score.json"), {(row["task"], row["id"]): row for row in rows}


def test_an_api_model_is_scored_as_a_run_is(server):
    score, rows = scored(server)
    assert (score["run"], score["arm"], score["strategy"], score["n"]) == ("api-gpt", "api-gpt", "api_model", 4)
    assert (score["corpus_tokens"], score["train_tokens"], score["seed"]) == (0, 0, None)
    assert score["tasks"]["quality_cot"]["accuracy"] == 0.25 and score["tasks"]["quality_cot"]["attempt_rate"] == 1.0
    assert [row["chosen"] for row in rows.values()] == [1, 1, 1, 1] and rows["quality_cot", "q1"]["correct"]


def test_the_prompts_are_those_of_the_tasks_with_and_without_the_text(server):
    scored(server, tasks=["quality_cot", "quality_open_cot", "quality_rag_cot"])
    closed, opened, searched = server.prompts[:4], server.prompts[4:8], server.prompts[8:]
    assert all("What is thing" in prompt and prompt.endswith("Reasoning:") for prompt in server.prompts)
    assert not any("Nobody crossed" in prompt for prompt in closed) and all("Nobody crossed" in prompt for prompt in opened)
    assert all("Clocks have hands." in prompt for prompt in searched)


def test_several_samples_are_asked_for_and_each_once(server):
    before = scored(server, samples=3)
    assert len(server.prompts) == 12 and len(set(server.prompts)) == 4
    assert scored(server, samples=3) == before and len(server.prompts) == 12
    scored(server, samples=4)
    assert len(server.prompts) == 16


def test_a_document_s_questions_are_in_a_segment_of_their_own_where_ledgers_of_before_have_it(server):
    scored(server)
    assert sorted(path.name for path in Path("ledger/reader-gpt").glob("*.jsonl")) == ["bridge.jsonl", "clock.jsonl"]


def test_a_refusal_is_an_invalid_response_that_says_why_and_is_not_asked_again(server):
    server.responses = ["I'm sorry, but I can't help with that."]
    score, rows = scored(server)
    assert score["tasks"]["quality_cot"]["attempt_rate"] == 0.0 and score["tasks"]["quality_cot"]["accuracy"] == 0.0
    assert rows["quality_cot", "q1"]["responses"] == ["[the model refused]"] and len(server.prompts) == 4
    scored(server)
    assert len(server.prompts) == 4


def test_what_follows_a_stop_is_no_part_of_a_response(server):
    server.responses = ["Hm.\n## Question\nAnother?\nAnswer: B"]
    score, _ = scored(server)
    assert score["tasks"]["quality_cot"]["attempt_rate"] == 0.0


def test_api_models_are_under_the_limits(server):
    with pytest.raises(UserError, match="limits.max_calls"):
        scored(server, max_calls=3)
    assert len(server.prompts) <= 3


def test_log_likelihoods_are_not_to_be_had_from_an_api(server):
    with pytest.raises(UserError, match="quality_closed measures the log-likelihoods.*openai/toy"):
        scored(server, tasks=["quality_closed"])
    assert not server.prompts


def with_api_model(tasks):
    data = params.load(ROOT / "params.yaml").model_dump()
    data["api_models"] = {"gpt": {"model": "openai/x", "api_base": None, "tasks": tasks}}
    return params.Params(**data)


@pytest.mark.parametrize(("tasks", "said"), [
    (["quality_closed_text"], "log-likelihoods"), (["quality_cott"], "api_models.gpt.tasks.*did you mean quality_cot")])
def test_planning_refuses_what_an_api_model_can_not_do(monkeypatch, tasks, said):
    monkeypatch.chdir(ROOT)
    settings = with_api_model(tasks)
    monkeypatch.setattr(plan.params, "load", lambda: settings)
    with pytest.raises(UserError, match=said):
        plan.make(write=False)


def test_an_api_model_is_a_job_of_its_own_that_no_setting_of_runs_changes():
    planned = registry.planned(with_api_model(["quality_open_cot"]), {"d": None})
    assert planned["scores/api-gpt"]["step"] == "api_models" and "retrieval" not in planned
    settings = with_api_model(["quality_open_cot"])
    other = settings.model_copy(update={"scores": settings.scores.model_copy(update={"batch_size": 1})})
    assert registry.planned(other, {"d": None})["scores/api-gpt"] == planned["scores/api-gpt"]
    assert "retrieval" in registry.planned(with_api_model(["quality_rag_cot"]), {"d": None})
    assert planned["report"]["params"]["scores"]["tasks"][-1] == "quality_open_cot" and "api-gpt" in planned["report"]["reads"]["scores"]
