from pathlib import Path

import pytest

from closedbook import params
from closedbook.util import files, fingerprint
from closedbook.util.errors import UserError
from closedbook.workflow import plan, recipes, registry

ROOT = Path(__file__).parent.parent


def changed(settings=None, **sections):
    data = (settings or params.load()).model_dump()
    for name, values in sections.items():
        data[name] = {**data[name], **values} if isinstance(data[name], dict) and name != "arms" else values
    return params.Params(**data)


def stale(settings=None, **sections):
    """The recipes that a change of parameters changes."""
    before, after = (registry.planned(each, {"doc": None}) for each in (settings or params.load(), changed(settings, **sections)))
    return {name for name in before.keys() | after.keys() if files.canonical(before.get(name)) != files.canonical(after.get(name))}


def test_each_parameter_changes_the_recipes_of_the_steps_that_read_it_and_no_other():
    assert stale(entities={"max": 39}) == {"entities"}
    assert stale(llm={"temperature": 0.1}) == {"entities", "passages/rephrase", "passages/rephrase_named", "passages/entigraph"}
    assert stale(training={"weight_decay": 0.5}) == {name for name in registry.planned(params.load(), {"doc": None}) if name.startswith("runs/")}
    arms = params.load().model_dump()["arms"]
    distilling = changed(arms=arms | {"raw": arms["raw"] | {"objective": "distil"}})
    assert stale(arms=distilling.model_dump()["arms"]) == {"teacher/raw-all", "runs/raw-s1"}
    assert stale(distilling, training={"teacher": {"model": "other", "revision": None}}) == {"teacher/raw-all"}
    assert "teacher/raw-all" in stale(training={"objective": "distil"}) and "teacher/raw-all" not in stale(distilling, training={"weight_decay": 0.5})
    assert stale(scores={"batch_size": 1}) == {name for name in registry.planned(params.load(), {"doc": None}) if name.startswith("scores/")}
    trained_here = changed(base={"model": "miniature"})
    assert stale(trained_here, miniature={"people": 1}) == stale(trained_here, miniature={"narrative": 0.25}) == {"base"}
    talking = changed(base={"model": "miniature-to-talk"})
    assert stale(talking, miniature={"base_books": 30}, seed=2).isdisjoint({"base"}), "its base's receipt says which books are its own"
    assert "base" in stale(talking, training={"dtype": "float32"})
    assert stale(miniature={"people": 1}) == set(), "the base that comes with the project stays as it is"
    assert stale(miniature={"same_book": 0}) == set(), "it changes questions, not how they are made into files"
    assert stale(limits={"concurrency": 1, "timeout": 9.0}) == set()
    assert stale(training={"weight_decay": 1}) == stale(training={"weight_decay": 1.0})


def test_how_long_one_trains_is_the_run_s_and_three_lengths_of_one_corpus_make_one():
    lengths = {"raw-50k": 50_000, "raw-100k": 100_000, "raw": 200_000}
    arms = {name: {"strategy": "raw", "corpus_tokens": "all", "train_tokens": length} for name, length in lengths.items()}
    settings = changed(arms=arms)
    planned = registry.planned(settings, {"doc": None})
    assert {name for name in planned if name.startswith("corpora/")} == {"corpora/raw-all"}
    assert {planned[f"runs/{name}-s1"]["reads"]["corpus"] for name in arms} == {"raw-all"}
    longer = {**arms, "raw": {**arms["raw"], "train_tokens": 300_000}}
    assert stale(settings, arms=longer) == {"runs/raw-s1"} and recipes.trained_on(settings, {"doc": None}) == {
        "raw-all": {name: {"train_tokens": length, "epochs": None} for name, length in lengths.items()}}  # fmt: skip
    assert stale(settings, arms={**arms, "raw": {**arms["raw"], "order": "by_document"}}) == {"runs/raw-s1"}
    assert stale(settings, arms={**arms, "again": arms["raw"]}) == {"runs/again-s1", "scores/again-s1", "report"}
    assert stale(settings, corpora={"replay": {**settings.corpora.replay.model_dump(), "rate": 0.2}}) == {f"runs/{name}-s1" for name in arms}


def test_a_filter_of_one_text_changes_tokens_and_one_of_several_corpora_alone():
    def filtered(**settings):
        return {name.split("/")[0] for name in stale(corpora={"filters": {**params.load().corpora.filters.model_dump(), **settings}})}

    assert filtered(min_words=5) == {"tokens", "corpora"} and filtered(near_duplicates=0.9) == {"tokens", "corpora"}
    assert stale(corpora={"filters": {**params.load().corpora.filters.model_dump(), "question_words": 9}}) == {
        name for name in registry.planned(params.load(), {"doc": None}) if name.startswith(("tokens/overlap/", "tokens/replay_overlap/", "corpora/"))}  # fmt: skip
    near = changed(corpora={"filters": {**params.load().corpora.filters.model_dump(), "near_duplicates": 0.9}})
    assert {name.split("/")[0] for name in stale(near, corpora={"filters": {**near.corpora.filters.model_dump(), "near_duplicates": 0.8}})} == {"corpora"}


def test_planning_refuses_a_training_shorter_than_its_corpus(monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = changed(arms={"short": {"strategy": "raw", "corpus_tokens": 300, "train_tokens": 299}})
    monkeypatch.setattr(plan.params, "load", lambda: settings)
    with pytest.raises(UserError, match=r"arms\.short\.train_tokens: 299 .*arms\.short\.corpus_tokens: 299"):
        plan.make(write=False)


def test_an_arms_own_tasks_are_asked_of_its_runs_and_of_the_base_alone():
    arm = {"strategy": "raw", "corpus_tokens": "all", "epochs": 1}
    plain, further = ({"raw": arm, "few": {**arm, **own}} for own in ({}, {"tasks": ["quality_open", "quality_closed_text"]}))
    before, after = (registry.planned(changed(arms=arms, scores={"tasks": ["quality_closed_text"]}), {"doc": None}) for arms in (plain, further))
    assert {name for name in before if before[name] != after[name]} == {"scores/base", *(f"scores/few-s{seed}" for seed in (1,)), "report"}
    assert after["scores/few-s1"]["params"]["scores"]["tasks"] == ["quality_closed_text", "quality_open"]
    assert after["scores/raw-s1"]["params"]["scores"]["tasks"] == ["quality_closed_text"]


def test_planning_refuses_an_arms_task_that_is_none(monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = changed(arms={"raw": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1, "tasks": ["quality_opem"]}})
    monkeypatch.setattr(plan.params, "load", lambda: settings)
    with pytest.raises(UserError, match="arms.raw.tasks.*did you mean quality_open"):
        plan.make(write=False)


@pytest.mark.parametrize("other", [{"narrative": 0.25}, {"base_books": 25}, {"base_steps": 601}, {"reading": True}])
def test_planning_refuses_what_a_base_that_is_not_made_anew_was_not_made_with(monkeypatch, other):
    monkeypatch.chdir(ROOT)
    [(name, value)] = other.items()
    as_shipped, made_anew = changed(miniature={**other, "people": 1}), changed(miniature=other, base={"model": "miniature"})
    monkeypatch.setattr(plan.params, "load", lambda: as_shipped)
    with pytest.raises(UserError, match=f"miniature.{name}: the base in src/closedbook/miniature/trained was made with .*, not {value}: set base.model"):
        plan.make(write=False)
    monkeypatch.setattr(plan.params, "load", lambda: made_anew)
    assert plan.make(write=False).recipes["base"]["params"]["miniature"][name] == value


@pytest.mark.parametrize("content", ["{}", "What I paid", '{"outputs": {}}'])
def test_planning_refuses_a_base_whose_receipt_is_none(monkeypatch, tmp_path, content):
    monkeypatch.chdir(ROOT)
    (tmp_path / "receipt.json").write_text(content)
    settings = changed(base={"model": str(tmp_path)})
    monkeypatch.setattr(plan.params, "load", lambda: settings)
    with pytest.raises(UserError, match="params.yaml: base.model: .*receipt.json: not a .*receipt.*: take the folder anew"):
        plan.make(write=False)


def test_a_mixture_asks_for_the_passages_of_each_of_its_strategies_and_keeps_one_recipe_however_it_is_written():
    arm = {"corpus_tokens": 100, "train_tokens": None, "epochs": 1}
    one, other = (registry.planned(changed(arms={"raw": {"strategy": strategy, **arm}}), {"doc": None})
                  for strategy in ({"summaries": 1.0, "qa": 2}, {"qa": 1, "summaries": 0.5}))
    assert {"passages/qa", "passages/summaries"} <= one.keys() and "passages/raw" not in one
    assert one == other and one["corpora/summaries-1-qa-2-100"]["params"]["arm"]["strategy"] == "summaries:1+qa:2"
    assert one["passages/qa"]["prompts"].keys() == {"recall", "reasons"} and one["corpora/summaries-1-qa-2-100"]["params"]["shares"] == {"summaries": 1, "qa": 2}


def test_another_world_or_another_file_of_a_base_s_folder_changes_the_base_s_recipe(tmp_path):
    assert stale(changed(base={"model": "miniature"}), documents={"path": "other.yaml"}) == {"base"}
    (tmp_path / "config.json").write_text("{}")
    own = changed(base={"model": str(tmp_path)})
    before = registry.planned(own, {"doc": None})["base"]
    (tmp_path / "model.safetensors").write_text("")
    assert registry.planned(own, {"doc": None})["base"] != before


def test_what_a_model_writes_does_not_depend_on_the_extractive_generator():
    stage, planned = registry.STEPS["passages"], registry.planned(params.load(), {"doc": None})
    assert stage.code() != stage.code(fingerprint.EXTRACTIVE) == planned["passages/entigraph"]["code"]


def test_a_step_can_read_no_parameter_that_its_recipe_does_not_name():
    settings = params.typed(registry.planned(params.load(), {"doc": None})["entities"]["params"])
    assert settings.entities.max == params.load().entities.max
    with pytest.raises(AttributeError):
        settings.training
    settings = params.typed(registry.planned(params.load(), {"doc": None})["base"]["params"])
    with pytest.raises(AttributeError):
        settings.training.learning_rate


def flat(settings, prefix=""):
    for name, value in settings.items():
        yield from flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [prefix + name]


RENAMED = {"arm": "arms", "api_model": "api_models", "name": "arms", "runs": "arms", "replay": "corpora.replay", "filters": "corpora.filters",
           "held_out": "corpora.replay.held_out", "shares": "arms", "run_seed": "training.seeds", "strategies": "arms", "strategy": "arms",
           "letters": "scores.tasks", "linear": "training.lora", "sketches": "corpora.filters", "is_read": "corpora.replay"}
"""parameters that stand in a recipe under another name than in params.yaml"""


def test_dvc_looks_at_every_parameter_that_a_recipe_holds():
    seen = 0
    for name, recipe in registry.planned(params.load(), {"doc": None}).items():
        watched = registry.STAGES[name.split("/")[0]].watches
        for key in flat(recipe["params"]):
            first, _, rest = key.partition(".")
            key = RENAMED.get(first, first) + (f".{rest}" if rest else "")
            assert any(key == each or key.startswith(f"{each}.") for each in watched), f"stage of {name} does not watch {key}"
            seen += 1
    assert seen > 50


def test_a_document_bound_to_a_seed_is_learnt_and_asked_about_by_its_runs_alone():
    settings = changed(training={"seeds": [1, 2]}, arms={"raw": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1},
                                                         "few": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1, "seeds": [2]}})  # fmt: skip
    bound = registry.planned(settings, {"a": 1, "b": 2, "c": None})
    runs = {"raw-s1": "s1", "raw-s2": "s2", "few-s2": "s2"}
    assert {name for name in bound if name.startswith(("tokens/", "corpora/", "runs/"))} == {
        "tokens/raw", *(f"{kind}-{seed}" for seed in ("s1", "s2") for kind in ("tokens/overlap/raw", "corpora/raw-all")),
        "tokens/replay/all", "tokens/replay_overlap/s1", "tokens/replay_overlap/s2", *(f"runs/{run}" for run in runs)}, "arms that differ in nothing else than length share a corpus"  # fmt: skip
    taught = {run: bound[f"runs/{run}"]["documents"] for run in runs}
    assert taught == {"raw-s1": ["a", "c"], "raw-s2": ["b", "c"], "few-s2": ["b", "c"]} == {run: bound[f"scores/{run}"]["documents"] for run in runs}
    for run, seed in runs.items():
        assert bound[f"runs/{run}"]["reads"]["corpus"] == f"raw-all-{seed}" and bound[f"runs/{run}"]["reads"]["replay_overlap"] == seed
        assert all(bound[name]["documents"] == taught[run] for name in (f"corpora/raw-all-{seed}", f"tokens/overlap/raw-{seed}", f"tokens/replay_overlap/{seed}"))
        assert bound[f"corpora/raw-all-{seed}"]["reads"]["overlap"] == [f"raw-{seed}"]
    assert bound["scores/base"]["documents"] == ["a", "b", "c"]
    free = registry.planned(settings, {"a": None, "b": None})
    assert {name for name in free if name.startswith(("tokens/", "corpora/"))} == {"tokens/raw", "tokens/overlap/raw", "tokens/replay/all", "tokens/replay_overlap/all", "corpora/raw-all"}
    assert free["scores/raw-s1"]["documents"] == ["a", "b"]


def test_how_often_a_training_is_kept_makes_nothing_stale_and_is_told_to_its_job():
    often = changed(training={"checkpoint_steps": 7})
    assert stale(training={"checkpoint_steps": 7}) == set()
    assert recipes.checkpoint_steps(often) == {name.partition("/")[2]: 7 for name in recipes.runs(often, {"doc": None})}
