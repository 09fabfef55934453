"""A job between its recipe and its receipt, with a toy stage; and many of them in one process."""

import asyncio
import os
from pathlib import Path

import pytest

from closedbook import params
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import jobs, receipts, registry
from closedbook.workflow.registry import Files, Stage

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("harbour", "lamp", "mill")


class Toy:
    """Writes each document in capitals, and counts."""

    def __init__(self):
        self.done: list[str] = []
        self.fails: str | None = None
        self.under_way = self.most_under_way = 0

    def job(self, *, params, limits, source, output, checkpoints):
        self.done.append(source.stem)
        checkpoints.mkdir(parents=True, exist_ok=True)
        if source.stem == self.fails:
            raise UserError(f"{source}: can't be done")
        files.write_text(output, source.read_text().upper())
        return {"made_by": "toy"}

    async def waiting(self, **given):
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0.01)
        self.under_way -= 1
        return self.job(**given)


def paths(about, recipe):
    (name,) = about
    return Files(inputs={"source": Path(f"in/{name}.txt")}, outputs={"output": Path(f"results/toy/{name}.txt")},
                 work={"checkpoints": Path(f"work/{name}")})


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Toy()
    monkeypatch.setattr(Stage, "job", lambda stage: made.waiting if stage.asks({}) else made.job)
    monkeypatch.setattr(Stage, "code", lambda *_: "c")
    plant(monkeypatch)
    files.write_json(jobs.LIMITS, params.load(ROOT / "params.yaml").limits.model_dump())
    files.write_json(jobs.WORK / "recipes/toy.json", {"step": "toy", "params": {"seed": 1}, "code": "c", "prompts": {}, "assets": {}})
    for name in DOCUMENTS:
        files.write_text(Path(f"in/{name}.txt"), name)
    return made


def plant(monkeypatch, **about):
    stage = Stage(module="toy", result="toy", recipes=lambda *_: {}, files=paths, watches=(), per_document=True, **about)
    for known in (registry.STEPS, registry.STAGES):
        monkeypatch.setitem(known, "toy", stage)


def run(*names):
    jobs.run([f"toy/{name}" for name in names])


def test_a_job_runs_once_and_again_only_when_something_changed(toy):
    for change, text in ((None, "MILL"), ("in/mill.txt", "OTHER"), ("results/toy/mill.txt", "OTHER")):
        if change:
            Path(change).write_text("other")
        run("mill")
        run("mill")
        assert Path("results/toy/mill.txt").read_text() == text
    assert len(toy.done) == 3


def test_half_done_work_goes_only_once_the_receipt_is_there(toy, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(jobs.receipts, "write", killed)
        run("mill")
    assert Path("work/mill").exists() and not Path("results/receipts/toy/mill.json").exists()
    run("mill")
    assert not Path("work/mill").exists()
    assert files.read_json(Path("results/receipts/toy/mill.json"))["facts"] == {"made_by": "toy"}


@pytest.mark.parametrize("asks", [False, True])
def test_of_a_shard_what_was_done_stays_and_only_the_rest_is_done_again(toy, monkeypatch, asks):
    plant(monkeypatch, asks=lambda params: ["toy"] if asks else [])
    toy.fails = "mill"
    with pytest.raises(UserError, match="mill"):
        run(*DOCUMENTS)
    toy.fails = None
    run(*DOCUMENTS)
    assert sorted(toy.done) == ["harbour", "lamp", "mill", "mill"]
    assert toy.most_under_way == (3 if asks else 0), "who waits for a model is worked on beside the others"


def test_a_job_under_changed_code_is_refused(toy, monkeypatch):
    monkeypatch.setattr(Stage, "code", lambda *_: "d")
    with pytest.raises(UserError, match="code of the stage toy was changed"):
        run("mill")


def test_without_a_recipe_it_says_who_writes_one(toy):
    (jobs.WORK / "recipes/toy.json").unlink()
    with pytest.raises(UserError, match="toy/mill: no such job.*toy.json"):
        run("mill")


@pytest.mark.parametrize("change, words", [
    (lambda path: path.unlink(), "no such file"), (lambda path: path.write_text("{"), "not JSON"), (lambda path: path.write_text("[]"), "dictionary"),
    (lambda path: files.write_json(path, files.read_json(path) | {"retries": -1}), "retries: .* not -1"),
    (lambda path: files.write_json(path, files.read_json(path) | {"retrys": 1}), "retrys: unknown key; did you mean retries"),
])  # fmt: skip
def test_limits_that_are_none_are_named(toy, change, words):
    change(jobs.LIMITS)
    with pytest.raises(UserError, match=f"limits.json: .*{words}"):
        run("mill")


MODEL = Path("results/toy/mill")
RECEIPT = receipts.FOLDER / "toy/mill.json"


@pytest.fixture
def train(toy, monkeypatch):
    """Runs a job that writes these files into a folder, from another seed each time, and may be killed before it writes the last one."""
    seeds = iter(range(9))
    folder = registry.Stage(module="toy", result="toy", recipes=lambda *_: {}, watches=(), per_document=True,
                            files=lambda *_: Files(folders={"folder": MODEL}, holds=("run.json",)))
    for known in (registry.STEPS, registry.STAGES):
        monkeypatch.setitem(known, "toy", folder)

    def run_it(*names, killed=False):
        def work(*, params, limits, folder):
            assert folder.name == MODEL.name and not list(folder.iterdir())
            for name in names:
                files.write_text(folder / name, f"{name} of {params.seed}")
            if killed:
                raise KeyboardInterrupt
            files.write_text(folder / "run.json", f"run of {params.seed}")

        monkeypatch.setattr(Stage, "job", lambda stage: work)
        path = jobs.WORK / "recipes/toy.json"
        files.write_json(path, {**files.read_json(path), "params": {"seed": next(seeds)}})
        run("mill")

    return run_it


def contents() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(MODEL.iterdir())}


def test_a_folder_stays_whole_until_its_successor_is(train):
    train("model.safetensors", "tokenizer.json")
    before = contents()
    with pytest.raises(KeyboardInterrupt):
        train("model.safetensors", killed=True)
    assert contents() == before and receipts.outputs(RECEIPT)
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
    assert [Path(path) for path in receipts.outputs(RECEIPT)] == receipts.files_of(MODEL) == known
    other = registry.Job(name="toy/lamp", stage="toy", recipe="toy", files=Files(inputs={"model": MODEL}))
    assert list(jobs._inputs(other)) == list(map(str, known)), "nor an input of what reads the folder"


def test_an_input_that_is_edited_while_it_is_read_is_noticed(toy, monkeypatch):
    def edited(**given):
        made = toy.job(**given)
        Path("in/mill.txt").write_text("other")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "job", lambda stage: edited)
        run("mill")
    run("mill")
    assert toy.done == ["mill", "mill"] and Path("results/toy/mill.txt").read_text() == "OTHER"
