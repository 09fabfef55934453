from pathlib import Path

import pytest

from closedbook import files, params
from closedbook.errors import UserError
from closedbook.freshness import jobs
from closedbook.steps import Step


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Runs a step that writes its input in capitals, and counts how often it really runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs.code, "of_step", lambda *_: "c")
    files.write_json(jobs.LIMITS, params.load(Path(__file__).parent.parent / "params.yaml").limits.model_dump())
    files.write_json(tmp_path / "recipe.json", {"step": "toy", "params": {"seed": 1}, "code": "c", "prompts": {}, "assets": {}})
    (tmp_path / "in.txt").write_text("text")
    done = []

    def work(recipe, limits, *, source, output, checkpoints):
        done.append(recipe.seed)
        checkpoints.mkdir()
        files.write_text(output, source.read_text().upper())
        return {"made_by": "toy"}

    step = Step(run=work, inputs=("source",), outputs=("output",), work=("checkpoints",))
    paths = {"recipe": "recipe.json", "receipt": "receipt.json", "source": "in.txt", "output": "out.txt", "checkpoints": "checkpoints"}

    def run():
        jobs.run(step, {name: (tmp_path / path).relative_to(tmp_path) for name, path in paths.items()})
        return len(done)

    return run


def test_a_job_runs_once_and_again_only_when_something_changed(job, tmp_path):
    assert job() == 1 and (tmp_path / "out.txt").read_text() == "TEXT"
    assert job() == 1
    (tmp_path / "in.txt").write_text("other")
    assert job() == 2
    (tmp_path / "out.txt").write_text("edited")
    assert job() == 3 and (tmp_path / "out.txt").read_text() == "OTHER"


def test_half_done_work_goes_only_once_the_receipt_is_there(job, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(jobs.receipts, "write", killed)
        job()
    assert (tmp_path / "checkpoints").exists() and not (tmp_path / "receipt.json").exists()
    (tmp_path / "checkpoints").rmdir()
    job()
    assert not (tmp_path / "checkpoints").exists()
    assert files.read_json(tmp_path / "receipt.json")["facts"] == {"made_by": "toy"}


def test_a_job_under_changed_code_is_refused(job, monkeypatch):
    monkeypatch.setattr(jobs.code, "of_step", lambda *_: "d")
    with pytest.raises(UserError, match="code of the step toy was changed"):
        job()


def test_without_a_recipe_it_says_who_writes_one(job, tmp_path):
    (tmp_path / "recipe.json").unlink()
    with pytest.raises(UserError, match="recipe.json: no such recipe"):
        job()


@pytest.mark.parametrize("change, words", [
    (lambda path: path.unlink(), "no such file"), (lambda path: path.write_text("{"), "not JSON"), (lambda path: path.write_text("[]"), "dictionary"),
    (lambda path: files.write_json(path, files.read_json(path) | {"retries": -1}), "retries: .* not -1"),
    (lambda path: files.write_json(path, files.read_json(path) | {"retrys": 1}), "retrys: unknown key; did you mean retries"),
])  # fmt: skip
def test_limits_that_are_none_are_named(job, change, words):
    change(jobs.LIMITS)
    with pytest.raises(UserError, match=f"limits.json: .*{words}"):
        job()
