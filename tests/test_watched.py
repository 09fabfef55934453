"""What DVC watches of params.yaml, compared with what recipes are made of: a parameter that is read and not watched would leave DVC with old results."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
import toy_chat

from closedbook import params
from closedbook.evaluation import tasks
from closedbook.util import files
from closedbook.workflow import recipes, registry
from closedbook.workflow.registry import STAGES, STEPS

ROOT = Path(__file__).parent.parent
BOUND = {"mill": None, "lamp": None}
OTHERS = ("cuda", "float32", "miniature", "folder", "temperature", "qa", "all", "0123456789abcdef0123456789abcdef01234567", "x", 0.5, 2, 3, 1, [])
"""what may take the place of a value"""


@pytest.fixture
def everything(tmp_path, monkeypatch):
    """Parameters under which there is a recipe of every step, and of each the most that it can hold."""
    monkeypatch.chdir(ROOT)
    for model in ("toy", "instruct"):
        files.write_text(tmp_path / model / "config.json", "{}")
    chat = {"path": str(toy_chat.dialogues(tmp_path / "chat.jsonl")), "template": str(toy_chat.template(tmp_path / "chat.jinja"))}
    arm, model = {"strategy": "entigraph", "corpus_tokens": "all", "epochs": 1}, {"model": "openai/toy", "api_base": "http://127.0.0.1:9"}
    data = params.load().model_dump()
    return {
        **data, "llm": data["llm"] | model, "judge": data["judge"] | model, "base": data["base"] | {"model": str(tmp_path / "toy")},
        "released": {"old": {"model": str(tmp_path / "toy"), "revision": None, "tasks": ["quality_closed_text"]}},
        "arms": {"plain": arm | {"strategy": "raw"}, "both": arm | {"strategy": "across"}, "distilled": arm | {"objective": "distil"}, "talks": {**arm, "tasks": ["quality_rag"], "dialogues": {**chat, "rate": 0.1}}},
        "training": data["training"] | {"teacher": {"model": str(tmp_path / "toy")}},
        "assistants": {"vec": {"run": "plain", "method": "vector", "instruct": str(tmp_path / "instruct"), "strength": [0.5, 1.0]},
                       "tuned": {"run": "plain", "method": "sft", **chat}, "one": {"run": "talks", "method": "merged"}},
        "api_models": {"toy": {**model, "tasks": ["quality_open_cot", tasks.SUMMARY]}},
        "scores": data["scores"] | {"tasks": ["quality_closed_text", "quality_rag_cot", tasks.SUMMARY]},
    }  # fmt: skip


def planned(data: dict) -> dict[str, dict]:
    settings = params.Params(**data)
    return {name: recipe | {"without": sorted(recipe["without"])} for step in STEPS.values() for name, recipe in step.recipes(settings, BOUND).items()}


def leaves(data, *path):
    for name, value in data.items():
        yield from leaves(value, *path, name) if isinstance(value, dict) and value else [((*path, name), value)]


def with_another(data: dict, path: tuple[str, ...], value) -> dict:
    first, *rest = path
    return {**data, first: with_another(data[first], rest, value) if rest else value}


def changed(data: dict):
    """(place of a parameter, the recipes where it has another value, or where an entry is left out) for each that can."""
    for section in ("arms", "assistants", "api_models"):
        for name in data[section]:
            with suppress(ValueError):
                yield f"{section}.{name}", planned(data | {section: {other: one for other, one in data[section].items() if other != name}})
    for path, value in leaves(data):
        near = [not value] if isinstance(value, bool) else [value + 1, value / 2] if isinstance(value, (int, float)) else []
        for other in (one for one in (*near, *OTHERS, None) if one != value):
            with suppress(ValueError):
                yield ".".join(path), planned(with_another(data, path, other))
                break


def is_watched(parameter: str, stage: str) -> bool:
    """A place that a dependency names is looked at with what lies there."""
    of_stage, parameter = STAGES[stage], re.sub(r"^released\b", "arms", parameter)  # in params.yaml it is an arm
    return f"${{{parameter}}}" in of_stage.also_reads or any(parameter == each or parameter.startswith(f"{each}.") for each in of_stage.watches)


@pytest.mark.parametrize("sections", [{}, {"llm": {"model": None, "api_base": None}}, {"base": {"model": "miniature"}, "assistants": {}},
                                      {"scores": {"tasks": ["quality_closed_text"]}, "api_models": {}}], ids=str)  # fmt: skip
def test_dvc_watches_every_parameter_that_changes_a_recipe(everything, sections):
    data = everything | {name: everything[name] | values if values else values for name, values in sections.items()}
    before, seen = planned(data), set()
    assert sections or {recipe["step"] for recipe in before.values()} == set(STEPS)
    unwatched = []
    for parameter, after in changed(data):
        names = {name for name in before.keys() | after.keys() if files.canonical(before.get(name)) != files.canonical(after.get(name))}
        for stage in {name.split("/")[0] for name in names}:
            seen.add((parameter, stage))
            unwatched += [] if is_watched(parameter, stage) else [f"{parameter} changes recipes of {stage}"]
    assert not unwatched and len(seen) > 100 and not is_watched("seed", "retrieval") and is_watched("arms.plain.epochs", "runs")


def test_what_a_recipe_s_job_reads_is_made_by_a_stage_that_dvc_has_before_it(everything):
    from closedbook.workflow.snakemake import Graph

    jobs = registry.jobs(registry.planned(params.Params(**everything), BOUND), list(BOUND))
    for name, before in Graph(jobs).before.items():
        stage = STAGES[jobs[name].place]
        made_by = {jobs[one].place for one in before} - {jobs[name].place}
        assert made_by <= {*stage.reads} | ({"documents"} if "questions" in stage.reads else set()), name
    order = list(STAGES)
    assert all(order.index(one) < order.index(stage) for stage, entry in STAGES.items() for one in entry.reads if one != "questions")


def test_the_report_reads_what_was_kept_out_of_dialogues(everything):
    found = registry.planned(params.Params(**everything), BOUND)
    read = registry.job("report/report", found["report"]).files.inputs["dialogues"]
    assert [str(path) for path in read] == [f"results/tokens/dialogues/{name}/dialogues.json" for name in ("tuned", "talks")]
    assert "dialogues" not in registry.planned(params.load(), BOUND)["report"]["reads"]


def test_assistants_are_asked_for_the_summaries_that_their_runs_are_asked_for(everything):
    arms = {"plain": everything["arms"]["plain"] | {"tasks": [tasks.SUMMARY]}, "talks": everything["arms"]["talks"]}
    settings = params.Params(**everything | {"arms": arms, "scores": everything["scores"] | {"tasks": ["quality_closed_text"]}})
    its = {"base", "plain-s1", "vec-s1", "tuned-s1"}
    found = recipes.summaries(settings, BOUND)
    assert {name.partition("/")[2] for name in found} == its
    assert recipes.summary_names(settings) == ["base", "plain-s1", "vec-s1", "tuned-s1", "api-toy", "human"]
    assert {name for name, recipe in found.items() if recipe.get("reads")} == {"summaries/vec-s1", "summaries/tuned-s1"}
    assert {name.partition("/")[2] for name in recipes.verdicts(settings, BOUND)} == {*recipes.summary_names(settings)}
    assert set(recipes.score_names(settings)) == {*recipes.models_here(settings), "old", "api-toy"}
