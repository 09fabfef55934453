"""The embedded default in small: from no document to a report, twice, with the scripted generator in a language model's place."""


import os

import pytest
from pipeline import ROOT, Pipeline

from closedbook import presets
from closedbook.util import files

pytestmark = pytest.mark.slow
SMALL = {
    "documents": {"source": "miniature", "path": "src/closedbook/miniature/world.yaml"},
    "miniature": {"books": 2, "questions": 3, "base_books": 8, "base_steps": 3},
    "base": {"model": "miniature"},
    "llm": {"model": "miniature/author"},
    "corpora": {"replay": {"path": "results/base/replay.jsonl", "rate": 0.1, "held_out": 2}},
    "arms": {"entigraph": {"strategy": "entigraph", "corpus_tokens": 600, "train_tokens": 900, "tasks": ["quality_open"]}},
    "scores": {"tasks": ["quality_closed_text", "quality_closed"], "batch_size": 16},
}
ASKED = ("quality_closed_text", "quality_closed", "quality_open")


def asked_in(text: str, questions: list[str]) -> list[str]:
    return [question for question in questions if question.lower() in text.lower()]


def test_two_clean_runs_in_two_folders_by_either_engine_on_other_cores_and_shards_give_the_same_bytes(tmp_path):
    first, second = (Pipeline(tmp_path / name, **SMALL) for name in ("first", "second"))
    first.run("snakemake", "--cores", "1", "--config", "shards=3")
    second.commit()
    second.run("dvc", "repro")
    assert "up to date" in second.run("dvc", "status")
    one, other = first.bytes(), second.bytes()
    assert one.keys() == other.keys() and {name.rpartition("/")[2] for name in one} >= {
        "model.safetensors", "base.json", "corpus.json", "run.json", "report.html", "accuracy.png", "table.csv", "tokens.npy"
    }  # fmt: skip
    assert [name for name in one if one[name] != other[name]] == []

    passages = [passage for path in (first.folder / "results/passages/entigraph").iterdir() for passage in files.read_json(path)["passages"]]
    assert {passage["call"]["model"] for passage in passages} == {"miniature/author"}
    questions = [row["question"] for path in (first.folder / "results/questions").iterdir() for row in files.read_json(path)]
    learnt = "".join(passage["text"] for passage in passages) + (first.folder / "results/base/replay.jsonl").read_text()
    assert len(questions) == 6 and not asked_in(learnt, questions)
    assert asked_in(f"{learnt} {questions[-1].capitalize()}", questions) == [questions[-1]], "planted: a question among it is seen"

    table = (first.folder / "results/report/table.csv").read_text().splitlines()
    scored = {(row.split(",")[0], task) for row in table for task in ASKED if f",{task}," in row}
    assert scored == {(arm, task) for arm in ("base", "entigraph") for task in ASKED}, "the base has the tasks of every arm"

    first.set(seed=2)
    first.snakemake("documents")
    assert {name.split("/")[1] for name in first.bytes().keys() - one.keys()} >= {"documents", "questions"}, "another seed, other books"


@pytest.mark.parametrize("name", ["quality-paper", "quality-trial", "folder", "papers"])
def test_a_preset_is_whole_and_plans_the_whole_pipeline(tmp_path, name):
    preset = presets.load(name, ROOT / "presets")
    pipeline = Pipeline(tmp_path / "pipeline")
    (pipeline.folder / "params.yaml").write_text(presets.text(name, ROOT / "presets"))
    data = pipeline.folder / "data"
    if preset.documents.source == "folder":
        (data / "documents").mkdir(parents=True)
        (data / "documents" / "one.txt").write_text("A text about Varn.")
    else:
        (data / "quality").mkdir(parents=True)
        rows = [{"title": f"Story {number}", "author": "Lee, Ann", "year": 1950, "article": f"Ann went to {number}.", "set_unique_id": str(number),
                 "article_id": str(number), "questions": []} for number in range(5)]  # fmt: skip
        files.write_json_lines(data / "quality" / "QuALITY.v1.0.1.htmlstripped.dev", rows)
        files.write_json_lines(data / "replay.jsonl", [{"text": "General text."}])
    planned = pipeline.snakemake("--dry-run")
    for job, jobs in {"run": len(preset.arms), "score": 1 + len(preset.arms) + len(preset.assistants), "report": 1}.items():
        assert f"{job} {jobs}" in " ".join(planned.split()), planned


def test_a_training_that_can_not_be_had_here_is_refused_before_anything_is_made(tmp_path):
    pipeline = Pipeline(tmp_path / "pipeline")
    gpus = tmp_path / "bin/nvidia-smi"
    gpus.parent.mkdir()
    gpus.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n'\n")
    gpus.chmod(0o755)
    for device, said in (("training", "params.yaml: training.device: cuda: torch sees no CUDA device here: set it to cpu"), ("scores", "scores.device: cuda")):
        pipeline.set(**{device: {"device": "cuda"}})
        assert said in pipeline.snakemake(status=1, CUDA_VISIBLE_DEVICES="") and not list((pipeline.folder / "results").glob("**/*.json"))
        pipeline.set(**{device: {"device": "cpu"}})
    for training, said in (({"processes": 64, "batch_size": 64}, "training.processes: 64 processes on a node, and this machine has"),
                           ({"nodes": 2}, "training.nodes: 2 nodes, and nothing starts them"),
                           ({"optimizer": "adamw_8bit"}, "training.optimizer: adamw_8bit needs the library bitsandbytes")):  # fmt: skip
        pipeline.set(training={"processes": 1, "nodes": 1, "optimizer": "adamw_torch_fused"} | training)
        refused = pipeline.snakemake(status=1, PATH=f"{gpus.parent}:{os.environ['PATH']}")
        assert said in refused and not list((pipeline.folder / "results").glob("**/*.json"))
        assert 'gpu=Resource("gpu", 3)' in refused, "as many GPU jobs at a time as there are GPUs"
        pipeline.snakemake("--dry-run")
