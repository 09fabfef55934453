"""The whole pipeline under version control: old commits, other caches, times that lie, code that changes, experiments.

The fixture `pipeline` counts at the model's side: no test here may ask for anything that the ledger holds.
"""

import os
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pipeline import Pipeline, jobs

pytestmark = pytest.mark.slow
SHORTER = {"entigraph": {"strategy": "entigraph", "corpus_tokens": 200, "epochs": 1}}
"""arms whose corpora are soon made again"""
BODY = "\nfor _ in ():\n    pass\n"
"""code that runs when its module is imported"""


def pushed_and_cloned(pipeline: Pipeline, folder: Path) -> Pipeline:
    """A clone without results, and with a remote that has them."""
    pipeline.run("dvc", "remote", "add", "--default", "store", str(folder / "store"))
    pipeline.commit("remote")
    pipeline.run("dvc", "push", "--quiet")
    return pipeline.clone(folder / "clone")


def test_a_parameter_reruns_its_step_and_what_follows_is_all_that_two_commits_differ_in_and_either_is_checked_out_fresh(pipeline):
    pipeline.set(training={"weight_decay": 0.02})
    assert jobs(pipeline.run("dvc", "repro")) == {"run": 1, "runs": 1, "score": 1, "scores": 1, "report": 1}
    assert "up to date" in pipeline.run("dvc", "status")
    pipeline.commit("more decay")
    for names in (("HEAD~1", "HEAD"), ("HEAD~1", ".")):
        said = pipeline.closedbook("diff", *names)
        assert said.startswith("first difference: runs/entigraph-s1: parameter training.weight_decay changed 0.01 → 0.02\n")
        assert "then:" not in said and re.search(r"entigraph-s1: last_loss +\d\.\d{3} +\d\.\d{3}", said)
    for commit in ("HEAD~1", "-"):
        pipeline.run("git", "checkout", "--quiet", commit)
        assert "run 1" in " ".join(pipeline.snakemake("--dry-run", "runs").split()), "results of the other one"
        pipeline.run("dvc", "checkout", "--quiet")
        assert "Nothing to be done" in pipeline.snakemake()
        assert "up to date" in pipeline.run("dvc", "status")


def test_parameters_that_were_run_before_bring_their_results_back_under_both_engines(pipeline):
    states = [pipeline.bytes("results/report")]
    pipeline.set(training={"weight_decay": 0.02})
    pipeline.snakemake()
    states.append(pipeline.bytes("results/report"))
    for run, decay in ((("dvc", "repro"), 0.01), (("snakemake", "--cores", "2"), 0.02)):
        pipeline.set(training={"weight_decay": decay})
        said = pipeline.run(*run)
        assert said.count("made before from the same, and brought back") >= 2 and "tokens/s" not in said, said
        assert pipeline.bytes("results/report") == states[decay == 0.02]
        assert "up to date" in pipeline.run("dvc", "status")


def test_results_of_other_parameters_brought_back_by_dvc_are_seen_by_dvc_repro(pipeline):
    pipeline.set(arms=SHORTER)
    pipeline.snakemake("corpora")
    assert jobs(pipeline.run("dvc", "repro", "corpora")) == {}
    pipeline.run("git", "checkout", "--quiet", "dvc.lock")
    pipeline.run("dvc", "checkout", "--force", "--quiet")
    assert jobs(pipeline.run("dvc", "repro", "corpora")) == {"corpus": 1, "corpora": 1}
    assert "up to date" in pipeline.run("dvc", "status", "corpora")


def test_a_user_s_files_among_results_are_not_recorded_and_stay(pipeline, tmp_path):
    other = pipeline.copy(tmp_path / "other")
    notes = {f"results/{path}": path for path in ("documents/notes.txt", "base/mine.json", "runs/entigraph-s1/notes.md", "runs/mine/run.json",
                                                  "scores/mine.json", "report/lineage/why [x].txt", "receipts/runs/notes.txt")}
    for path, text in notes.items():
        (pipeline.folder / path).parent.mkdir(exist_ok=True)
        (pipeline.folder / path).write_text(text)
    for place in (pipeline, other):
        place.set(training={"weight_decay": 0.02})
    pipeline.run("dvc", "repro")
    other.snakemake()
    assert (pipeline.folder / "dvc.lock").read_text() == (other.folder / "dvc.lock").read_text()
    assert pipeline.bytes(*notes, "results/.dvcignore") == other.bytes() and "up to date" in pipeline.run("dvc", "status")
    pipeline.commit("more decay")
    pipeline.run("git", "checkout", "--quiet", "HEAD~1")
    pipeline.run("dvc", "checkout", "--force", "--quiet")
    assert {path: (pipeline.folder / path).read_text() for path in notes} == notes
    assert "Nothing to be done" in pipeline.snakemake() and "up to date" in pipeline.run("dvc", "status")
    assert "entigraph" in pipeline.closedbook("table") and pipeline.closedbook("audit")
    pipeline.closedbook("crate")
    assert not [path for path in notes if path in (pipeline.folder / "crate/ro-crate-metadata.json").read_text()]


def test_touch_after_an_edit_hides_nothing(pipeline):
    pipeline.set(arms=SHORTER)
    pipeline.snakemake("--touch", "corpora")
    assert jobs(pipeline.snakemake("corpora")) == {"corpus": 1, "corpora": 1}
    pipeline.snakemake("--touch", "corpora")
    assert "Nothing to be done" in pipeline.snakemake("corpora")


def test_code_of_a_step_reruns_it_and_what_follows_and_words_about_code_nothing(pipeline, server):
    step = pipeline.folder / "src/closedbook/stages/runs.py"
    step.write_text(step.read_text().replace('"""A run', '"""One run', 1) + "\n# a comment\n")
    other = pipeline.folder / "src/closedbook/analysis/tally.py"
    other.write_text(other.read_text() + BODY)
    assert jobs(pipeline.run("dvc", "repro")) == {"report": 1}
    step.write_text(step.read_text() + "\n\ndef new():\n    return 1\n")
    assert "runs/entigraph-s1" not in pipeline.closedbook("fresh"), "nothing calls what is new"
    step.write_text(step.read_text() + BODY)
    assert "runs/entigraph-s1: code of the stage runs changed" in pipeline.closedbook("fresh")
    output = pipeline.snakemake()
    assert jobs(output) == {"run": 1, "score": 1, "report": 1, "all": 1}
    spared = set(re.findall("^results/receipts/(.*).json: .* nothing to do", output, re.MULTILINE))
    assert spared == {"scores/entigraph-s1", "report/report"}, "the weights are the same, so the score is"
    received = server.received
    asks = pipeline.folder / "src/closedbook/stages/passages.py"
    asks.write_text(asks.read_text() + BODY)
    assert jobs(pipeline.snakemake(one_of(pipeline, "results/passages/entigraph"))) == {"passages shard": 1}
    assert server.received == received, "all answers come from the ledger"


def test_a_clone_that_pulls_has_nothing_to_do(pipeline, tmp_path):
    clone = pushed_and_cloned(pipeline, tmp_path)
    assert "entities_0" in clone.snakemake("--dry-run"), "before the pull there is all to do"
    clone.run("dvc", "pull", "--quiet")
    assert "Nothing to be done" in clone.snakemake()
    assert "up to date" in clone.run("dvc", "status")
    assert clone.bytes() == pipeline.bytes()


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_linked_caches_have_nothing_to_do_and_keep_their_objects(pipeline, tmp_path, kind):
    clone = pushed_and_cloned(pipeline, tmp_path)
    clone.run("dvc", "config", "--local", "cache.type", kind)
    clone.run("dvc", "pull", "--quiet")
    assert "Nothing to be done" in clone.snakemake() and clone.bytes() == pipeline.bytes()
    clone.set(entities={"max": 5})
    assert jobs(clone.snakemake(one_of(clone, "results/entities"))) == {"entities shard": 1}
    objects = [path for path in (clone.folder / ".dvc/cache/files").rglob("*") if path.is_file() and path.suffix != ".dir"]
    assert len(objects) > 50 and not damaged(objects), "a job wrote through a link"
    objects[0].chmod(0o644)
    objects[0].write_bytes(b"written through a link")
    assert damaged(objects) == objects[:1]


def one_of(pipeline: Pipeline, folder: str) -> str:
    """A file in a folder of results, as snakemake is asked for it."""
    return str(next((pipeline.folder / folder).iterdir()).relative_to(pipeline.folder))


def damaged(objects: list[Path]) -> list[Path]:
    listed = subprocess.run(["md5sum", *map(str, objects)], capture_output=True, text=True, check=True).stdout
    sums = [line.split()[0] for line in listed.splitlines()]
    return [path for path, md5 in zip(objects, sums, strict=True) if md5 != path.parent.name + path.name]


def test_a_bare_clone_with_a_training_parameter_changed_pulls_the_corpora_and_retrains(pipeline, server, tmp_path):
    clone = pushed_and_cloned(pipeline, tmp_path)
    clone.set(training={"weight_decay": 0.05})
    received = server.received
    output = clone.run("dvc", "repro", "--pull", "--allow-missing")
    assert jobs(output) == {"run": 1, "runs": 1, "score": 2, "scores": 1, "report": 1}, "DVC brings no old outputs to a stage it runs"
    assert server.received == received


def test_an_experiment_here_or_in_a_folder_of_its_own_reruns_what_its_parameter_changes(pipeline, server):
    output = pipeline.run("dvc", "exp", "run", "--set-param", "report.examples=1", "--name", "here")
    assert jobs(output) == {"report": 1}
    pipeline.run("git", "checkout", "--quiet", ".")
    pipeline.run("dvc", "checkout", "--quiet")
    assert "Nothing to be done" in pipeline.snakemake()
    received = server.received
    output = pipeline.run("dvc", "exp", "run", "--temp", "--set-param", "passages.entigraph.pairs=5", "--name", "apart", "passages")
    assert "passages: 3 to make" in output and "entities: " not in output
    assert server.received == received + 3, "one more pair of each document is asked for, in a folder that shares the ledger"
    assert "Nothing to be done" in pipeline.snakemake(), "the workspace stays as it was"
    pipeline.run("dvc", "exp", "apply", "apart")
    assert "pairs: 5" in (pipeline.folder / "params.yaml").read_text()
    assert "Nothing to be done" in pipeline.snakemake("passages") and server.received == received + 3


def test_two_workers_take_experiments_from_the_queue(pipeline, server):
    received = server.received
    for number in (5, 6):
        pipeline.run("dvc", "exp", "run", "--queue", "--set-param", f"passages.entigraph.pairs={number}", "--name", f"pairs-{number}", "passages")
    try:
        path = f"{pipeline.folder}/.venv/bin:{os.environ['PATH']}"  # workers look for dvc there
        pipeline.run("sh", "-c", "dvc queue start --jobs 2 > queue.log 2>&1", PATH=path)  # they keep its output open, perhaps for good
        until = time.monotonic() + 240
        while (status := pipeline.run("dvc", "queue", "status")).count("Success") < 2:
            assert "Failed" not in status and time.monotonic() < until, status
            time.sleep(1)
    finally:
        end_processes_in(pipeline.folder)
    assert 0 < server.received - received <= 6, "nothing that both want is asked twice"
    pipeline.run("dvc", "exp", "apply", "pairs-6")
    assert "Nothing to be done" in pipeline.snakemake("passages")


def end_processes_in(folder: Path) -> None:
    """DVC's workers wait for more to do after the queue is empty."""
    for process in psutil.process_iter(["cwd"]):
        if process.info["cwd"] and Path(process.info["cwd"]).is_relative_to(folder):
            with suppress(psutil.NoSuchProcess):  # one may end with another
                process.kill()
