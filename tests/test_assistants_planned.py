"""Assistants in the plan: which jobs there are, what they read, what is refused before anything is spent, and what the report shows of them."""

import importlib.util
import json
from pathlib import Path

import pytest
import toy_chat
import toys

from closedbook import params
from closedbook.analysis.compare import assistants as compared
from closedbook.evaluation import tasks
from closedbook.stages import assistants
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import plan, registry
from closedbook.workflow.snakemake import Graph, Run

ROOT = Path(__file__).parent.parent
BOUND = {"mill": None, "lamp": None}


def changed(**sections) -> params.Params:
    data = params.load(ROOT / "params.yaml").model_dump()
    for name, values in sections.items():
        data[name] = {**data[name], **values} if name in ("base", "scores", "training") else values
    return params.Params(**data)


@pytest.fixture
def settings(tmp_path):
    """Three assistants of the toy: by each method one."""
    toys.base(tmp_path / "toy").unlink()
    toy_chat.instruct(tmp_path / "toy", tmp_path / "instruct")
    talks, template = toy_chat.dialogues(tmp_path / "chat.jsonl"), toy_chat.template(tmp_path / "chat.jinja")
    arm = {"strategy": "raw", "corpus_tokens": "all", "epochs": 1}
    chat = {"path": str(talks), "template": str(template)}
    return changed(
        base={"model": str(tmp_path / "toy")}, training={"seeds": [1, 2], "block_size": 64},
        arms={"raw": arm, "talks": {**arm, "seeds": [1], "dialogues": {**chat, "rate": 0.1}}},
        assistants={"vec": {"run": "raw", "method": "vector", "instruct": str(tmp_path / "instruct")}, "tuned": {"run": "raw", "method": "sft", **chat},
                    "one": {"run": "talks", "method": "merged"}},
    )  # fmt: skip


def jobs(settings):
    return registry.jobs(registry.planned(settings, BOUND), list(BOUND))


def test_each_run_is_made_into_an_assistant_and_scored(settings, tmp_path):
    planned = jobs(settings)
    before = Graph(planned).before
    made = {"vec-s1", "vec-s2", "tuned-s1", "tuned-s2", "one-s1"}
    assert {name.partition("/")[2] for name in planned if name.startswith("assistants/")} == made
    assert {f"scores/{name}" for name in made} <= {*before["report/report"]}
    for name in made:
        assert f"assistants/{name}" in before[f"scores/{name}"] and f"runs/{name}" not in before[f"scores/{name}"]
    assert {"runs/raw-s2", "base/base", "documents/mill"} <= {*before["assistants/vec-s2"]}, "questions choose among three strengths"
    assert {*before["assistants/tuned-s2"]} == {"runs/raw-s2", "base/base", "tokens/dialogues/tuned"}
    assert "tokens/dialogues/talks" in before["runs/talks-s1"] and "tokens/dialogues/talks" not in before["runs/raw-s1"]
    for name in ("tuned", "talks"):
        read = [*map(str, planned[f"tokens/dialogues/{name}"].files.read())]
        assert str(tmp_path / "chat.jsonl") in read and str(tmp_path / "chat.jinja") in read, "another content is another receipt"
        assert "results/questions/mill.json" in read, "the filter asks for the questions"


def test_without_assistants_no_job_is_there_for_them():
    assert not [name for name in jobs(changed()) if "assistants" in name or "dialogues" in name]


def test_every_job_is_known_again_by_its_name(settings):
    recipes = registry.planned(settings, BOUND)
    for name, job in jobs(settings).items():
        assert registry.job(name, recipes[registry.recipe_of(name)]) == job


def test_settings_of_one_change_no_other_nor_a_run(settings):
    def planned(**own):
        its = {**settings.model_dump(exclude_unset=True)["assistants"]}
        its["tuned"] = {**its["tuned"], **own}
        return registry.planned(params.Params(**settings.model_dump() | {"assistants": its}), BOUND)

    def stale(**own):
        before, after = planned(), planned(**own)
        return {name for name in before if files.canonical(before[name]) != files.canonical(after[name])}

    tuned = {"assistants/tuned-s1", "assistants/tuned-s2"}
    assert stale(epochs=5) == stale(training={"learning_rate": 0.1}) == tuned
    assert stale(training={"block_size": 32}) == tuned | {"tokens/dialogues/tuned"}


def test_trainings_to_come_are_known_with_the_settings_of_each(settings):
    one = settings.model_copy(update={"assistants": {"tuned": settings.assistants["tuned"].model_copy(update={"training": {"optimizer": "adafactor"}})}})
    run = object.__new__(Run)
    run.plan = type("Plan", (), {"jobs": jobs(one), "recipes": registry.planned(one, BOUND)})
    run.due = {"runs/raw-s1", "runs/raw-s2", "assistants/tuned-s1", "scores/base"}
    assert sorted(found.optimizer for found in run.trainings) == ["adafactor", "adamw_torch_fused"]
    run.due = {"scores/base"}
    assert run.trainings == []


def test_what_can_be_mended_is_said_before_anything_is_spent(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assistants.check_plan(settings)
    toy_chat.dialogues(tmp_path / "chat.jsonl", toy_chat.talk("Who?", "Mira."), toy_chat.talk("Who?", "Mira.", "Where?"))
    with pytest.raises(UserError, match="chat.jsonl:2: the assistant does not have the last word.* .arms.talks.dialogues.path"):
        assistants.check_plan(settings)
    toy_chat.dialogues(tmp_path / "chat.jsonl")
    short = params.Params(**settings.model_dump() | {"assistants": {"tuned": {"run": "raw", "method": "sft", "path": str(tmp_path / "chat.jsonl"),
                                                     "template": str(tmp_path / "chat.jinja"), "training": {"block_size": 16}}}})  # fmt: skip
    with pytest.raises(UserError, match="chat.jsonl:1: .* training.block_size is 16"):
        assistants.check_plan(short)
    toys.model(350, 64).save_pretrained(tmp_path / "instruct")
    with pytest.raises(UserError, match="assistants.vec.instruct: .* has the weights of"):
        assistants.check_plan(settings)
    assert not (tmp_path / "results").exists()


def score(run, accuracy, test, **more):
    part = {"accuracy": test, "stderr": None}
    return {"run": run, "arm": run, "seed": 1, "tasks": {"t": {"accuracy": accuracy, "stderr": None, "test": part}}, **more}


@pytest.mark.parametrize("is_chosen, shown", [(True, [0.1, 0.3, 0.5]), (False, [0.2, 0.4, 0.6])])
def test_the_report_has_base_run_and_assistant_and_test_alone_where_validation_chose(is_chosen, shown):
    of = {"run": "raw-s1", "arm": "raw", "method": "vector", "strength": 0.5, "is_chosen": is_chosen}
    follows = {"instructions": {"ifeval": {"metric": "m", "value": 0.7, "metrics": {}}}}
    found = [score("base", 0.2, 0.1), score("raw-s1", 0.4, 0.3, forgetting={"replay": {"perplexity": 3.0}, "tasks": {}}), score("vec-s1", 0.6, 0.5, of=of, **follows)]
    (row,) = compared.rows(found)
    assert [model["run"] for model in row["models"]] == ["base", "raw-s1", "vec-s1"]
    assert [model["accuracy"]["t"]["accuracy"] for model in row["models"]] == shown
    assert [model["perplexity"] for model in row["models"]] == [None, 3.0, None]
    assert row["models"][2]["instructions"] == {"ifeval": {"metric": "m", "value": 0.7}} and compared.rows(found[:2]) == []


def test_strengths_that_no_validation_question_can_choose_among_are_refused_before_anything_is_made(settings):
    def checked(number: int) -> None:
        texts = {Path(f"{place}.json"): json.dumps({"questions": [{}] if place < number else []}) for place in range(9)}
        plan._check_strengths(settings, plan.Articles({path.stem: None for path in texts}, texts, ""))

    checked(5)
    with pytest.raises(UserError, match=r"assistants\.vec\.strength"):
        checked(4)
    settings.assistants["vec"].strength[:] = [1.0]
    checked(0)


def test_the_least_number_of_documents_is_that_of_the_tasks():
    spec = importlib.util.spec_from_file_location("utils", tasks.FOLDER / "utils.py")
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    assert tasks.LEAST_FOR_VALIDATION == utils.VALIDATION
