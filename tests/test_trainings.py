"""The forecast of trainings: a row for each run, by what is here, without writing anything."""

import json
import re
from pathlib import Path

import pytest
import toys
from test_forecast import Project

from closedbook import cli, params
from closedbook.spending import speed, trainings
from closedbook.training import room, tracking
from closedbook.util import files
from closedbook.workflow import machine, plan


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, "http://127.0.0.1:9")
    toys.base(tmp_path / "toy").unlink()
    project.set(base={"model": "toy"}, corpora={"replay": project.sections["corpora"]["replay"] | {"rate": 0.0}},
                training={"block_size": 16, "batch_size": 4, "seeds": [1, 2], "attention": "sdpa", "dtype": "float32"})  # fmt: skip
    return project


def forecast(capsys, *options) -> dict:
    capsys.readouterr()
    assert cli.main(["forecast", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)["trainings"]


def test_each_run_has_steps_tokens_memory_and_disk_and_nothing_is_written(project, capsys):
    project.set(corpora={"replay": project.sections["corpora"]["replay"] | {"rate": 0.2}})
    project.sections["arms"] = {"some": {"strategy": "rephrase", "corpus_tokens": 4000, "epochs": 2},
                                "all": {"strategy": "rephrase", "corpus_tokens": "all", "epochs": 3},
                                "seen": {"strategy": "raw", "corpus_tokens": "all", "train_tokens": 640, "seeds": [2]}}  # fmt: skip
    project.set()
    found = forecast(capsys)
    assert found["runs"].keys() == {"some-s1", "some-s2", "all-s1", "all-s2", "seen-s2"}
    assert found["runs"]["some-s1"] | {"disk": 0} == {"is_made": False, "is_bound": False, "tokens": 10_000, "steps": 157, "disk": 0,
                                                      "gib": found["memory"]["total"], "seconds": None}  # fmt: skip
    assert found["runs"]["all-s2"]["tokens"] == 3 * 6 * 500 / 0.8, "six passages of llm.max_tokens"
    assert found["runs"]["seen-s2"]["tokens"] == 800 and found["memory"]["total"] > found["memory"]["weights"] > 0
    few, many = found["runs"]["seen-s2"]["disk"], found["runs"]["some-s1"]["disk"]
    assert 0 < few < many, "one checkpoint, and two"
    assert cli.main(["forecast"]) == 0
    said = capsys.readouterr().out
    assert "trainings on cpu:" in said and re.search("some-s1 +157 +10,000 ", said)
    assert "time is not known: closedbook forecast --measure" in said
    assert not any(Path(name).exists() for name in ("results", "ledger", "mlflow.db"))
    assert [*Path(".closedbook").iterdir()] == [Path(".closedbook/hashes.db")]


def test_an_assistant_has_a_row_and_takes_what_its_own_settings_do(project, capsys):
    import toy_chat

    project.arms("raw")
    toy_chat.dialogues(Path("chat.jsonl"))
    tuned = {"run": "arm-0", "method": "sft", "path": "chat.jsonl", "training": {"batch_size": 64, "block_size": 64}}
    project.set(assistants={"chat": tuned, "vec": {"run": "arm-0", "method": "vector", "instruct": "toy", "strength": [1.0]}})
    found = forecast(capsys)["runs"]
    assert found.keys() == {f"{name}-s{seed}" for name in ("arm-0", "chat", "vec") for seed in (1, 2)}
    assert found["chat-s1"]["steps"] is None and found["chat-s1"]["gib"] > found["arm-0-s1"]["gib"]
    assert (found["vec-s2"]["tokens"], found["vec-s2"]["gib"], found["vec-s2"]["seconds"]) == (0, None, 0.0) and found["vec-s2"]["disk"] > 0
    assert cli.main(["forecast"]) == 0 and re.search("vec-s1 +0 +0 ", capsys.readouterr().out)


def test_a_teacher_has_a_row_for_each_corpus_that_is_distilled(project, capsys):
    project.sections["arms"] = {name: {"strategy": "rephrase", "corpus_tokens": size, "epochs": 2, **more}
                                for name, size, more in (("plain", 4000, {}), ("some", 4000, {"objective": "distil"}), ("all", "all", {"objective": "distil"}))}  # fmt: skip
    project.set()
    found = forecast(capsys)["runs"]
    assert {name for name in found if "/" in name} == {"teacher/rephrase-4000", "teacher/rephrase-all"}
    assert found["teacher/rephrase-4000"] | {"disk": 0} == {"is_made": False, "is_bound": False, "tokens": 4000, "steps": None, "disk": 0, "gib": None,
                                                            "seconds": None}  # fmt: skip
    assert found["teacher/rephrase-4000"]["disk"] * 2**30 <= 150 * 4000 and found["teacher/rephrase-all"]["tokens"] == 6 * 500
    assert cli.main(["forecast"]) == 0 and "a teacher reads each token of its corpus once" in capsys.readouterr().out


def test_a_mixture_ends_where_the_first_of_its_strategies_does(project, capsys):
    project.arms({"rephrase": 1, "qa": 1})
    found = forecast(capsys)["runs"]["arm-0-s1"]
    assert found["tokens"] == 2 * 3 * 500 and not found["is_bound"], "three passages of qa, six of rephrase"
    project.arms("entigraph")
    assert forecast(capsys)["runs"]["arm-0-s1"]["is_bound"]
    assert cli.main(["forecast"]) == 0 and re.search("arm-0-s1 +≤ [0-9]+ +≤ [0-9,]+ ", capsys.readouterr().out)


def test_a_corpus_that_is_there_counts_as_it_is(tmp_path):
    files.write_json(tmp_path / "corpus.json", {"corpus_tokens": 70})
    for arm, tokens in (({"corpus_tokens": "all", "epochs": 3}, 210), ({"corpus_tokens": 50, "epochs": 3}, 150),
                        ({"corpus_tokens": "all", "train_tokens": 99}, 99)):  # fmt: skip
        assert trainings._tokens(params.Arm(strategy="raw", **arm), tmp_path, {}) == (tokens, False)


def test_what_is_not_known_is_said_and_not_guessed(project, capsys):
    project.set(llm={"model": None, "api_base": None}, base={"model": "nobody/nothing"})
    project.arms("raw")
    found = forecast(capsys)
    notes = " ".join(found["notes"])
    assert found["memory"] is None and found["runs"]["arm-0-s1"] == {
        "is_made": False, "is_bound": False, "tokens": None, "steps": None, "gib": None, "disk": None, "seconds": None}
    assert "corpus (corpus_tokens: all) are not known before it is made" in notes
    assert "hf download nobody/nothing config.json" in notes
    assert cli.main(["forecast"]) == 0 and "unknown" in capsys.readouterr().out
    project.set(base={"model": "miniature"})
    assert "not known before the base is made" in " ".join(forecast(capsys)["notes"])


def test_a_training_beyond_this_device_is_told_in_the_forecast_too(project, capsys, monkeypatch):
    monkeypatch.setattr(room, "device_gib", lambda settings: 0.3)
    notes = forecast(capsys)["notes"]
    assert any(note.startswith("a training takes about 0.6 GiB of each device, which has 0.3 GiB") for note in notes)
    assert any("training.gradient_checkpointing: true: 0." in note for note in notes)


@pytest.mark.slow
def test_ten_steps_are_timed_and_leave_nothing(project, capsys):
    project.sections["arms"] = {"some": {"strategy": "rephrase", "corpus_tokens": 4000, "epochs": 2}}
    project.set()
    found = forecast(capsys, "--measure")
    assert found["tokens_per_second"] > 0
    assert found["runs"]["some-s1"]["seconds"] == pytest.approx(8000 / found["tokens_per_second"]) and found["side_by_side"] >= 1
    assert 7999 <= found["seconds"] * found["tokens_per_second"] <= 16001
    assert not Path("results").exists() and [*Path(".closedbook").iterdir()] == [Path(".closedbook/hashes.db")]
    project.set(training={"processes": 2, "sharding": "fsdp"})
    assert forecast(capsys, "--measure")["tokens_per_second"] > 0 and [*Path(".closedbook").iterdir()] == [Path(".closedbook/hashes.db")]
    project.set(training={"processes": 1, "sharding": "none", "nodes": 2})
    assert cli.main(["forecast", "--measure"]) == 2 and "nothing starts them" in capsys.readouterr().err


def test_earlier_runs_of_this_base_on_this_device_say_the_speed(project, capsys, monkeypatch):
    made = plan.make(write=False)
    pinned = files.read_json(toys.base(Path("results/base"))) | {"model": "toy"}
    files.write_json(Path("results/base/base.json"), pinned)
    settings = made.params.training
    for name, change, base, seconds in (("a-s1", {}, pinned, 1000), ("b-s1", {"learning_rate": 0.5}, pinned, 500),
                                        ("c-s1", {"block_size": 8}, pinned, 1), ("d-s1", {}, pinned | {"revision": "other"}, 1),
                                        ("e-s1", {}, pinned, 250)):  # fmt: skip
        run = {"base": base, "num_blocks": 1000, "block_size": 16, "sha256": {"model.safetensors": str(seconds)}}
        files.write_json(Path(f"results/runs/{name}/run.json"), run)
        training = settings.model_copy(update=change).model_dump(exclude={"seeds", "teacher"})
        toys.receipt(f"runs/{name}", outputs=[f"results/runs/{name}/run.json"], settings={"training": training},
                     facts={"cpu": machine.cpu()})
    monkeypatch.setattr(tracking, "seconds", lambda sha256: float(sha256))
    assert speed.earlier(settings) == 32, "the median of 16, 32 and 64"
    monkeypatch.setattr(machine, "cpu", lambda: "another processor")
    assert speed.earlier(settings) is None
