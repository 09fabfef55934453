"""The whole pipeline on real articles, with no language model and with one behind a loopback server that misbehaves."""

import pytest
from openai_server import Server
from pipeline import QUALITY, TINY, Pipeline, jobs
from secrets_in import holding

from closedbook.util import files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not QUALITY.exists(), reason=f"real QuALITY articles are looked for in {QUALITY}, which is absent"),
]
SMALL = {"arms": {"both": {"strategy": {"raw": 1, "entigraph": 1}, "corpus_tokens": 2000, "epochs": 1}}}


def pipeline_on(folder, name, **changes) -> Pipeline:
    return Pipeline(folder, documents={"source": "quality", "path": str(QUALITY / name)}, **{**SMALL, **changes})


def passages(pipeline, strategy="entigraph") -> dict[str, list[str]]:
    found = [files.read_json(path) for path in sorted((pipeline.folder / "results/passages" / strategy).iterdir())]
    return {one["document"]: [passage["text"] for passage in one["passages"]] for one in found}


def num_scored(pipeline) -> list[int]:
    """How many questions were scored, of the base and of each run."""
    return [files.read_json(path)["tasks"]["quality_closed_text"]["n"] for path in (pipeline.folder / "results/scores").glob("*.json")]


def calls(pipeline) -> dict[str, dict[str, float]]:
    """What MLflow holds of the calls to language models, by the name of each record."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{pipeline.folder}/mlflow.db")
    (experiment,) = (one.experiment_id for one in client.search_experiments() if one.name == "closedbook")
    return {run.info.run_name: run.data.metrics for run in client.search_runs([experiment]) if "calls" in run.data.tags}


def dropped(pipeline) -> int:
    return sum(len(files.read_json(path)["dropped"]) for path in (pipeline.folder / "results/passages/entigraph").iterdir())


def asked(pipeline) -> set[str]:
    return {row["question"] for path in (pipeline.folder / "results/questions").iterdir() for row in files.read_json(path)}


def leaks(pipeline, texts: list[str]) -> list[str]:
    """The questions that one of the texts holds."""
    whole = "\n".join(texts)
    return [question for question in asked(pipeline) if question in whole]


def test_documents_to_scores_without_a_model(tmp_path):
    pipeline = pipeline_on(tmp_path / "pipeline", "QuALITY.sample.htmlstripped.dev")
    pipeline.set(documents={"limit": 3})
    pipeline.snakemake()
    assert num_scored(pipeline) == [40] * 2
    texts = passages(pipeline)
    assert len(texts) == 3 and all(len(set(each)) == len(each) >= 4 and all(each) for each in texts.values())
    rows = (pipeline.folder / "results/report/table.csv").read_text().splitlines()
    assert rows[0].startswith("arm,strategy,corpus_tokens,train_tokens,seed,task,metric,accuracy,stderr,n,n_documents,") and len(rows) == 3
    learnt = [text for strategy in ("raw", "entigraph") for each in passages(pipeline, strategy).values() for text in each]
    assert not leaks(pipeline, learnt)
    assert leaks(pipeline, [*learnt, "As was asked: " + next(iter(asked(pipeline)))]), "the check sees a question"


def test_with_a_model_nothing_is_asked_twice_and_every_passage_carries_its_call(tmp_path):
    trouble = {0: "429", 1: "500", 3: "broken", 4: "fenced", 5: "empty", 7: "not_json", 14: "empty", 18: "refusal"}
    with Server(trouble) as server:
        llm = {"model": "openai/toy", "api_base": server.url, "temperature": 0.7, "max_tokens": 500}
        pipeline = pipeline_on(tmp_path / "pipeline", "QuALITY.sample.htmlstripped.dev", llm=llm, limits={"retries": 3}, arms=TINY["arms"])
        pipeline.set(documents={"limit": 3})
        pipeline.snakemake("passages")
        assert max(server.answered.values()) == 1
        received = server.received
        told = calls(pipeline)
        assert told.keys() == {"calls: entities", "calls: entigraph"} and sum(one["calls"] for one in told.values()) == len(server.requests)
        assert sum(one["retries"] for one in told.values()) == 3 and all(one["input_tokens"] > 0 for one in told.values())
        assert told["calls: entigraph"]["dropped"] == dropped(pipeline)
        sent = [message["content"] for request in server.requests for message in request["messages"]]
        assert not leaks(pipeline, sent) and leaks(pipeline, [*sent, f"Write about this: {min(asked(pipeline))}"]), "the check sees a question"
        made = [files.read_json(path) for path in (pipeline.folder / "results/entities").iterdir()]
        assert len(made) == 3 and {each["made_by"] for each in made} == {"llm"}
        receipts = [files.read_json(path) for path in (pipeline.folder / "results/receipts/entities").iterdir()]
        assert {receipt["facts"]["made_by"] for receipt in receipts} == {"llm"}
        for path in (pipeline.folder / "results/passages/entigraph").iterdir():
            found = files.read_json(path)
            assert len(found["passages"]) + len(found["dropped"]) == 5
            assert all(passage["call"]["model_answered"] == "toy-0001" for passage in found["passages"])
        before = passages_by_id(pipeline)
        path = min((pipeline.folder / "results/passages/entigraph").iterdir())
        path.unlink()
        pipeline.set(passages={"entigraph": {"order": "seeded", "singles": 0, "pairs": 5, "triplets": 0, "summary": True}})
        pipeline.snakemake(str(path.relative_to(pipeline.folder)))
        after = passages_by_id(pipeline)
        assert before.items() <= after.items() and len(after) == len(before) + 1
        assert server.received - received == 1, "one more pair, and nothing else, is asked"
        assert max(server.answered.values()) == 1


def passages_by_id(pipeline) -> dict:
    return {passage["id"]: passage for path in (pipeline.folder / "results/passages/entigraph").iterdir() for passage in files.read_json(path)["passages"]}


def test_a_refused_key_stops_the_run_and_no_entity_list_is_written(tmp_path):
    with Server(dict.fromkeys(range(1000), "401")) as server:
        llm = {"model": "openai/toy", "api_base": server.url, "temperature": 0.7, "max_tokens": 500}
        pipeline = pipeline_on(tmp_path / "pipeline", "QuALITY.sample.html.dev", llm=llm)
        output = pipeline.snakemake("passages", status=1, OPENAI_API_KEY="canary-0123456789")
        assert "OPENAI_API_KEY" in output and "canary" not in output
        assert jobs(output)["entities shard"] == 0 and server.received == 1
    assert not list((pipeline.folder / "results/entities").glob("*")) and not (pipeline.folder / "results/passages/entigraph").exists()
    assert holding("canary", pipeline.folder) == []


def test_a_key_that_providers_repeat_in_their_errors_reaches_no_file_and_no_words(tmp_path):
    """On the one article that is HTML, all the way to its scores."""
    key = "canary-0123456789"
    with Server({0: "401", 1: "telling", 2: "telling", 4: "telling"}) as server:
        llm = {"model": "openai/toy", "api_base": server.url, "temperature": 0.7, "max_tokens": 500}
        pipeline = pipeline_on(tmp_path / "pipeline", "QuALITY.sample.html.dev", llm=llm, limits={"retries": 1}, arms=TINY["arms"])
        pipeline.commit()
        said = [pipeline.snakemake(status=status, OPENAI_API_KEY=key) for status in (1, 1, 0)]
        assert server.keys == {f"Bearer {key}"}, "it was sent, and nowhere else is it found"
    assert num_scored(pipeline) == [5] * 2 and "<p>" not in str(passages(pipeline))
    pipeline.commit("results")
    said += [pipeline.closedbook(*question, OPENAI_API_KEY=key) for question in (["crate"], ["cards"], ["audit"], ["reproducible", "entigraph"])]
    assert not [text for text in said if "canary" in text] and holding("canary", pipeline.folder) == []


def test_an_answer_that_stays_bad_falls_back_for_that_document_and_is_asked_again_on_command(tmp_path):
    with Server({0: "not_json", 1: "refusal", 2: "empty"}) as server:
        llm = {"model": "openai/toy", "api_base": server.url, "temperature": 0.7, "max_tokens": 500}
        pipeline = pipeline_on(tmp_path / "pipeline", "QuALITY.sample.html.dev", llm=llm)
        pipeline.snakemake("entities")
        (path,) = (pipeline.folder / "results/entities").iterdir()
        found = files.read_json(path)
        assert found["made_by"] == "spacy" and "refused" in found["why"] and server.received == 3
        assert "Nothing to be done" in pipeline.snakemake("entities")
        assert "fell back" in pipeline.closedbook("ask-again")
        pipeline.snakemake("entities")
        assert files.read_json(path)["made_by"] == "llm" and server.received == 4
