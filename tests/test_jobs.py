import os
from pathlib import Path

import pytest

from closedbook import files, params
from closedbook.errors import UserError
from closedbook.freshness import jobs, receipts
from closedbook.steps import Step

RECEIPT = receipts.FOLDER / "toy/toy.json"


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Runs a step that writes its input in capitals, and counts how often it really runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs.code, "of_step", lambda *_: "c")
    monkeypatch.setitem(receipts.WRITTEN, "toy", ("out.txt",))
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
    paths = {"recipe": "recipe.json", "receipt": RECEIPT, "source": "in.txt", "output": "out.txt", "checkpoints": "checkpoints"}

    def run():
        jobs.run(step, {name: Path(path) for name, path in paths.items()})
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
    assert (tmp_path / "checkpoints").exists() and not RECEIPT.exists()
    (tmp_path / "checkpoints").rmdir()
    job()
    assert not (tmp_path / "checkpoints").exists()
    assert files.read_json(RECEIPT)["facts"] == {"made_by": "toy"}


def test_a_job_under_changed_code_is_refused(job, monkeypatch):
    monkeypatch.setattr(jobs.code, "of_step", lambda *_: "d")
    with pytest.raises(UserError, match="code of the step toy was changed"):
        job()


def test_without_a_recipe_it_says_who_writes_one(job, tmp_path):
    (tmp_path / "recipe.json").unlink()
    with pytest.raises(UserError, match="recipe.json: no such recipe"):
        job()


MODEL = Path("results/runs/a-s1")


@pytest.fixture
def train(job, monkeypatch):
    """Runs a step that writes these files into a folder, from another seed each time, and may be killed before it writes the last one."""
    monkeypatch.setitem(receipts.WRITTEN, "runs", ("results/runs/{}/run.json",))
    seeds = iter(range(9))

    def run(*names, killed=False):
        def work(recipe, limits, *, folder):
            assert folder.name == MODEL.name and not list(folder.iterdir())
            for name in names:
                files.write_text(folder / name, f"{name} of {recipe.seed}")
            if killed:
                raise KeyboardInterrupt
            files.write_text(folder / "run.json", f"run of {recipe.seed}")

        files.write_json(Path("recipe.json"), {**files.read_json(Path("recipe.json")), "params": {"seed": next(seeds)}})
        options = {"recipe": Path("recipe.json"), "receipt": receipts.FOLDER / "runs/a-s1.json", "folder": MODEL}
        jobs.run(Step(run=work, folders=("folder",)), options)

    return run


def contents() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(MODEL.iterdir())}


def test_a_folder_stays_whole_until_its_successor_is(train):
    train("model.safetensors", "tokenizer.json")
    before = contents()
    with pytest.raises(KeyboardInterrupt):
        train("model.safetensors", killed=True)
    assert contents() == before and receipts.outputs(receipts.FOLDER / "runs/a-s1.json")
    train("model.safetensors")
    assert contents() == {"model.safetensors": "model.safetensors of 2", "run.json": "run of 2"}, "what has no successor goes with the rest"
    assert not list((MODEL.parent / receipts.UNFINISHED).iterdir())


def test_nothing_old_ever_lies_beside_anything_new(train, monkeypatch):
    train("model.safetensors")

    def killed(source, target, move=os.replace):
        if target == MODEL / "run.json":
            raise KeyboardInterrupt
        move(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(jobs.os, "replace", killed)
        train("model.safetensors")
    assert contents() == {"model.safetensors": "model.safetensors of 1"}


def test_what_a_user_keeps_beside_results_stays_and_is_in_no_receipt(train):
    train("model.safetensors", "old.json")
    (MODEL / "notes.md").write_text("my own")
    (MODEL / "old.json").write_text("edited")
    train("model.safetensors")
    assert contents() == {"model.safetensors": "model.safetensors of 1", "notes.md": "my own", "old.json": "edited", "run.json": "run of 1"}
    known = [MODEL / name for name in ("model.safetensors", "run.json")]
    assert [Path(path) for path in receipts.outputs(receipts.FOLDER / "runs/a-s1.json")] == receipts.files_of(MODEL) == known
    assert jobs._inputs(Step(run=None, inputs=("model",)), {"model": MODEL}, {})[1] == known, "nor an input of what reads the folder"
