"""What the registry says of stages holds for rules, DVC and the jobs; and one more stage is one entry, one module and one rule."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from closedbook import layout, params
from closedbook.workflow import registry
from closedbook.workflow.registry import STAGES
from closedbook.workflow.snakemake import Graph, Run

ROOT = Path(__file__).parent.parent
REPORTED = ("report",)
"""stages whose folder DVC has file by file, for its metrics and plots"""


@pytest.fixture
def jobs():
    bound = {"mill": None, "lamp": None}
    return registry.jobs(registry.planned(params.load(ROOT / "params.yaml"), bound), list(bound))


def dvc_stages():
    return YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]


def of_dvc(name):
    """What dvc.yaml should say of a stage: its parameters, its dependencies, and the folders that it owns."""
    stage = STAGES[name]
    return {"params": set(stage.watches), "deps": {"src/closedbook", "rules", *stage.also_reads, *(f"results/{each}" for each in stage.reads)},
            "outs": {str(folder) for folder in registry.folders(name)}}  # fmt: skip


def said(name, entry):
    outs = {next(iter(out)) for out in entry["outs"]}
    if name in REPORTED:
        outs = {f"results/{name}" if out.startswith(f"results/{name}/") else out for out in outs}
    return {"params": set(entry["params"]), "deps": set(entry["deps"]), "outs": outs}


def test_dvc_yaml_says_what_the_registry_says():
    entries = dvc_stages()
    assert list(entries) == list(STAGES)
    for name, entry in entries.items():
        assert said(name, entry) == of_dvc(name) and entry["cmd"] == f"${{run}} {name}"
    planted = entries["runs"] | {"params": ["seed"]}
    assert said("runs", planted) != of_dvc("runs")


def test_each_stage_has_a_rule_file_and_a_folder_of_its_own():
    assert {path.stem for path in (ROOT / "rules").glob("*.smk")} == {"common", *STAGES}
    for rules in (ROOT / "rules").glob("*.smk"):
        assert rules.stem == "common" or f"\nrule {rules.stem}:" in rules.read_text()


def test_what_a_job_reads_is_made_by_a_stage_that_dvc_has_before_it(jobs):
    graph = Graph(jobs)
    for name, before in graph.before.items():
        stage = STAGES[jobs[name].place]
        assert {jobs[one].place for one in before} <= {*stage.reads} | ({"documents"} if "questions" in stage.reads else set())
    planted = Graph({name: replace(job, files=replace(job.files, inputs={"x": layout.REPORT})) if name == "base/base" else job
                     for name, job in jobs.items()})
    assert planted.before["base/base"] == ["report/report"]


def test_no_stage_that_asks_a_model_to_write_is_given_a_question(jobs):
    def given(name):
        return any("questions" in path.parts for path in jobs[name].files.read())

    assert not any(given(name) for name in jobs if jobs[name].place in ("entities", "passages", "judgements"))
    assert not given("corpora/raw-all") and not given("tokens/raw/mill"), "questions reach neither tokens nor a list of passages"
    assert given("tokens/overlap/raw") and not given("tokens/replay/all") and given("tokens/replay_overlap/all") and given("scores/base"), "the check sees one"


def test_a_file_needs_its_own_job_and_those_before_it(jobs):
    graph = Graph(jobs)
    assert graph.needed(["results/entities/mill.json"]) == ["documents/mill", "entities/mill"]
    assert graph.needed(["results/base/model.safetensors"]) == ["base/base"]
    assert set(graph.needed(["all"])) == set(jobs), "the report needs all"
    assert graph.needed(["results/entities/other.json", "elsewhere.txt"]) == []


def test_after_a_stale_job_all_that_read_it_are_due_and_no_other(jobs):
    due = Graph(jobs).due(["entities/mill"])
    assert {"entities/mill", "passages/entigraph/mill", "tokens/entigraph/mill", "tokens/overlap/entigraph", "corpora/entigraph-200000", "runs/entigraph-s1", "scores/entigraph-s1", "report/report"} <= due
    assert not due & {"entities/lamp", "passages/entigraph/lamp", "passages/raw/mill", "tokens/raw/mill", "tokens/entigraph/lamp", "corpora/raw-all", "runs/raw-s1", "base/base"}


def test_every_job_is_known_again_by_its_name_alone(jobs):
    recipes = registry.planned(params.load(ROOT / "params.yaml"), {"mill": None, "lamp": None})
    for name, job in jobs.items():
        assert registry.job(name, recipes[registry.recipe_of(name)]) == job


def test_dvc_removes_no_result_before_its_successor_is_whole():
    for name, entry in dvc_stages().items():
        for out in [*entry["outs"], *entry.get("metrics", [])]:
            assert list(out.values()) == [{"persist": True}], (name, out)


def test_the_default_is_one_seed_four_arms_and_a_curve_in_sixty_jobs():
    settings = params.load(ROOT / "params.yaml")
    whole = {name for name, arm in settings.arms.items() if arm.train_tokens == 200_000}
    assert settings.training.seeds == [1] and whole == {"raw", "rephrase", "rephrase-named", "entigraph"}
    assert {arm.strategy for name, arm in settings.arms.items() if name not in whole} == {"entigraph"}
    found = registry.jobs(registry.planned(settings, bound := {f"d{number}": None for number in range(settings.miniature.books)}), list(bound))
    by_document = [job for job in found.values() if STAGES[job.place].per_document]
    assert len(found) - len(by_document) + 2 * len({job.recipe for job in by_document}) <= 60, "with the two shards of the profile"


@pytest.mark.parametrize("number", [1, 3, 7])
def test_shards_hold_each_job_once_and_as_many_as_the_others(jobs, number):
    documents = {f"d{number}": None for number in range(10)}
    run = object.__new__(Run)
    run.jobs = run.due = list(found := registry.jobs(registry.planned(params.load(ROOT / "params.yaml"), documents), list(documents)))
    run.plan, run._named = SimpleNamespace(jobs=found), {}
    shards = run._cut(number)
    dealt = [name for its in shards.values() for name in its]
    assert sorted(dealt) == sorted(name for name, job in found.items() if STAGES[job.place].per_document)
    by_document = {shard: its for shard, its in shards.items() if registry.STEPS[found[its[0]].stage].per_document}
    assert {len(its) for its in by_document.values()} <= {10 // number, -(-10 // number)} and all(len(shards[one]) == 1 for one in shards.keys() - by_document.keys())


def test_planning_loads_nothing_that_only_jobs_need():
    code = "import sys, closedbook.workflow.snakemake; print(sorted({'torch', 'numpy', 'transformers', 'litellm', 'spacy', 'matplotlib', 'mlflow'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "src"}, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
