"""An arm that is a model that exists: scored beside the others, and seen by no stage that trains."""

from types import SimpleNamespace

import pytest
import toys
from ruamel.yaml import YAML
from test_scores import question, settings

from closedbook import params
from closedbook.analysis import table
from closedbook.models import pinning
from closedbook.stages import released
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import recipes, registry

BOUND = {"doc": None}


def loaded(**arms):
    data = YAML(typ="safe", pure=True).load(open("params.yaml", encoding="utf-8"))
    return params.of({**data, "arms": {"raw": data["arms"]["raw"], **arms}}, "params.yaml")


@pytest.fixture
def model(tmp_path):
    toys.base(tmp_path / "model", context=256)
    (tmp_path / "model" / "base.json").unlink()
    return tmp_path / "model"


def test_no_stage_that_trains_sees_it_and_its_score_stands_beside_the_others(model):
    chosen = loaded(theirs={"model": str(model), "revision": None})
    assert list(chosen.arms) == ["raw"] and recipes.score_names(chosen) == ["base", "theirs", "raw-s1"]
    planned = registry.planned(chosen, BOUND)
    assert {name for name in planned if "theirs" in name} == {"scores/theirs"}
    without = registry.planned(loaded(), BOUND)
    assert {name for name, its in without.items() if planned[name] != its} == {"report"}, "nothing else is made anew"
    job = registry.job("scores/theirs", planned["scores/theirs"])
    assert model / "model.safetensors" in job.files.inputs["files_of"] and str(job.files.outputs["output"]).endswith("scores/theirs.json")
    assert "report/report" in registry.jobs(planned, ["doc"]) and "theirs" in planned["report"]["reads"]["scores"]
    again = params.of(chosen.model_dump(mode="json"), "params.json")
    assert again == chosen, "as it is written for jobs on other machines"


def test_it_may_have_tasks_of_its_own_which_the_base_has_too(model):
    chosen = loaded(theirs={"model": str(model), "tasks": ["quality_open"]})
    planned = registry.planned(chosen, BOUND)
    assert all("quality_open" in planned[f"scores/{name}"]["params"]["scores"]["tasks"] for name in ("theirs", "base"))
    assert "quality_open" not in planned["scores/raw-s1"]["params"]["scores"]["tasks"]


@pytest.mark.parametrize("arm, problem", [
    ({"model": "x", "strategy": "raw"}, "arms.theirs.strategy: unknown key; known here: model, revision, tasks"),
    ({"model": ""}, "arms.theirs.model: must not be empty"),
])  # fmt: skip
def test_what_it_can_not_have_is_named(arm, problem):
    with pytest.raises(UserError, match=problem):
        loaded(theirs=arm)


def test_it_is_scored_as_the_base_is_and_says_which_weights_it_had(tmp_path, model, monkeypatch):
    monkeypatch.setattr(pinning, "_around", lambda *_: {"before_text": [], "end_of_text": "<eos>", "end_of_text_id": 0})
    files.write_json(tmp_path / "questions.json", [question(number) for number in range(3)])
    chosen = {"name": "theirs", "model": str(model), "revision": None}
    output = tmp_path / "theirs.json"
    released.build(files_of=[], questions=[tmp_path / "questions.json"], documents=[], retrieved=[], replay=[], output=output,
                   samples=output.with_suffix(".samples.jsonl"), params=SimpleNamespace(released=chosen, scores=settings(tasks=["quality_closed_text"])))  # fmt: skip
    made = files.read_json(output)
    assert (made["run"], made["arm"], made["strategy"], made["train_tokens"], made["n"]) == ("theirs", "theirs", "released", 0, 3)
    assert made["released"]["sha256"]["model.safetensors"] == files.sha256_file(model / "model.safetensors")
    (row,) = table.rows(table.scored([output]), ["quality_closed_text"])
    assert row["arm"] == "theirs" and row["accuracy"] == made["tasks"]["quality_closed_text"]["accuracy"]
    assert not table.by_size([row]), "it has no tokens to be plotted against"


@pytest.mark.parametrize("change, problem", [
    (lambda model: (model / "model.safetensors").rename(model / "pytorch_model.bin"), "weights must be in safetensors form"),
    (lambda model: (model / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1"), "is a pointer of Git LFS"),
    (lambda model: files.write_json(model / pinning.RECEIPT, {"outputs": {"results/base/config.json": "0"}}), "is not the file that"),
])  # fmt: skip
def test_one_that_can_not_be_used_is_refused_by_the_name_of_its_arm(tmp_path, model, change, problem):
    change(model)
    with pytest.raises(UserError, match=f"params.yaml: arms.theirs.model: .*{problem}"):
        pinning.pin(str(model), str(model), None, None, "arms.theirs.model")
