"""The whole pipeline on three small documents of one's own, and what of it runs again when something changes.

The fixture `pipeline` counts at the model's side: no test here may ask for anything that the ledger holds.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline import jobs
from texts import HOSTILE, TEXTS

pytestmark = pytest.mark.slow


def test_after_a_run_both_engines_have_nothing_to_do(pipeline):
    before = pipeline.bytes()
    assert "up to date" in pipeline.run("dvc", "status")
    assert "Nothing to be done" in pipeline.snakemake()
    assert "Running stage" not in pipeline.run("dvc", "repro")
    assert pipeline.bytes() == before
    assert "quality_closed_text" in pipeline.run("dvc", "metrics", "show")
    pipeline.run("dvc", "plots", "show")
    assert (pipeline.folder / "dvc_plots/index.html").exists()
    assert re.search(r"entigraph +\d of 1 ", table := pipeline.closedbook("table")) and "results/report/report.html" in table


def test_without_the_ledger_the_model_s_side_sees_that_it_is_asked_again(pipeline, server, finished_pipeline):
    shutil.rmtree(pipeline.folder / "ledger")
    next((pipeline.folder / "results/receipts/entities").iterdir()).unlink()
    assert jobs(pipeline.snakemake("entities")) == {"entities shard": 1, "entities": 1}, "a result without a receipt is no result"
    assert server.repeated() == 1
    server.bodies = finished_pipeline.asked.copy()  # as was meant


def test_a_changed_parameter_is_reported_and_its_spelling_is_no_change(pipeline):
    params = pipeline.folder / "params.yaml"
    top = re.split(r"^(?=\w)", params.read_text(), flags=re.MULTILINE)
    params.write_text("# a comment\n" + "".join(reversed(top)).replace("weight_decay: 0.01", "weight_decay: 0.010"))
    assert "Nothing to be done" in pipeline.snakemake()
    pipeline.set(training={"weight_decay": 0.02})
    assert "parameter training.weight_decay changed 0.01 → 0.02" in pipeline.closedbook("fresh")


def test_one_document_reruns_its_own_chain_and_white_space_stops_at_once(pipeline):
    before = pipeline.bytes()
    text = pipeline.folder / "texts" / "clock.txt"
    text.write_text(text.read_text().replace(". ", ".   ").replace("\n\n", "\n \n\n"))
    output = pipeline.snakemake()
    assert jobs(output)["documents shard"] == 1 and output.count("nothing to do") >= 1
    after = pipeline.bytes()
    changed = {name for name in before if before[name] != after[name]}
    assert {name.split("/")[2] for name in changed} == {"documents"} and len(changed) == 1, "the receipt names another article file"

    text.write_text(text.read_text() + "\nPeter Lamm gave the clock to Anna Kell.\n")
    output = pipeline.snakemake("passages")
    assert jobs(output) == {"documents shard": 1, "entities shard": 1, "passages shard": 1, "passages": 1}

    made = {path: path.stat().st_ino for path in (pipeline.folder / "results/tokens").rglob("*.*")}
    assert jobs(pipeline.snakemake("tokens")) == {"tokens shard": 3, "tokens": 1}
    again = {path for path in made if path.stat().st_ino != made[path]}  # Snakemake sets times of its own
    assert {(path.parent.name, path.name.partition("-")[0], path.suffix) for path in again} == {
        ("entigraph", "clock", ".npy"), ("entigraph", "clock", ".jsonl"), ("overlap", "entigraph.jsonl", ".jsonl"), ("replay_overlap", "all.jsonl", ".jsonl")}, "its piece, and no other"  # fmt: skip


def test_pieces_and_corpora_are_the_same_bytes_whatever_the_shards_and_arms_of_three_lengths_share_them(pipeline):
    arm = {"strategy": "entigraph", "corpus_tokens": "all"}
    pipeline.set(arms={"once": {**arm, "epochs": 1}, "twice": {**arm, "epochs": 2}, "long": {**arm, "train_tokens": 9000}})
    made = {}
    for shards in (1, 3, 7):
        for stage in ("tokens", "corpora"):
            shutil.rmtree(pipeline.folder / "results" / stage, ignore_errors=True)
            shutil.rmtree(pipeline.folder / "results/receipts" / stage, ignore_errors=True)
        done = jobs(pipeline.snakemake("tokens", "corpora", "--config", f"shards={shards}"))
        assert done == {"tokens shard": min(shards, len(TEXTS)) + 3, "tokens": 1, "corpus": 1, "corpora": 1}
        made[shards] = {path: content for path, content in pipeline.bytes().items() if path.split("/")[1] in ("tokens", "corpora")}
    assert made[1] == made[3] == made[7] and len(made[1]) > 10
    assert {path.split("/")[2] for path in made[1] if path.startswith("results/corpora/")} == {"entigraph-all"}
    pipeline.set(arms={"short": {**arm, "train_tokens": 5}})
    assert "arms.short.train_tokens: 5 tokens seen can't cover" in pipeline.snakemake("--dry-run", status=1)


def test_a_document_that_goes_leaves_the_others_fresh_and_its_results_until_they_are_pruned(pipeline):
    before = pipeline.bytes()
    (pipeline.folder / "texts" / HOSTILE).unlink()
    assert jobs(pipeline.run("dvc", "repro", "entities")) == {}
    assert pipeline.bytes("results/.dvcignore") == before
    fresh = pipeline.closedbook("fresh")
    assert not re.search(r"^(documents|entities|passages|base)/?\S*:", fresh, re.MULTILINE), "of what is about one document nothing is stale"
    assert "corpora/entigraph-all: the list of documents changed" in fresh
    (command,) = re.findall(r"closedbook (restore \S+)", pipeline.closedbook("prune", "--yes"))
    assert not [name for name in pipeline.bytes("results/.dvcignore") if "touch-pwned" in name and not name.startswith("results/report/")]
    assert "up to date" in pipeline.run("dvc", "status", "documents", "entities")
    pipeline.closedbook(*command.split())
    assert pipeline.bytes("results/.dvcignore") == before


def test_a_renamed_arm_s_model_survives_a_single_file_and_a_whole_run_and_comes_back_when_pruned(pipeline):
    """Its dvc.lock is in no commit, and is written over."""
    pipeline.set(report={"examples": 1})
    pipeline.snakemake()
    before = pipeline.bytes()
    pipeline.set(arms={"renamed": {"strategy": "entigraph", "corpus_tokens": "all", "epochs": 1}})
    passages = next((pipeline.folder / "results/passages/entigraph").iterdir()).relative_to(pipeline.folder)
    (pipeline.folder / passages).unlink()
    assert jobs(pipeline.snakemake(str(passages))) == {"passages shard": 1}
    assert pipeline.bytes("results/.dvcignore") == before
    said = pipeline.snakemake()
    of_arm = {path: content for path, content in before.items() if re.search(r"/(runs|scores)/entigraph", path)}
    assert of_arm.items() <= pipeline.bytes().items() and len(of_arm) == 9 + 2 + 2
    assert before["results/corpora/entigraph-all/corpus.json"] == pipeline.bytes()["results/corpora/entigraph-all/corpus.json"], "named by what it is"
    (kept,) = re.findall(r"closedbook (restore \S+) brings those results back", said)
    assert "up to date" in pipeline.run("dvc", "status")
    (command,) = re.findall(r"closedbook (restore \S+) brings them back", pipeline.closedbook("prune", "--yes"))
    assert command == kept and not of_arm.keys() & pipeline.bytes().keys()
    pipeline.closedbook(*command.split(), "runs/entigraph-s1")
    assert of_arm["results/runs/entigraph-s1/model.safetensors"] == pipeline.bytes()["results/runs/entigraph-s1/model.safetensors"]
    pipeline.closedbook(*command.split())
    assert of_arm.items() <= pipeline.bytes().items()
    assert re.search(r"^renamed ", pipeline.closedbook("table"), re.MULTILINE) and "entigraph " not in pipeline.closedbook("table")


def test_in_a_fresh_clone_one_stage_is_recorded_and_nothing_else_is_said(pipeline, tmp_path):
    clone = pipeline.clone(tmp_path / "clone")
    said = clone.snakemake("documents")
    assert re.search(r"^recorded in dvc.lock: documents$", said, re.MULTILINE) and "not recorded" not in said
    assert clone.run("git", "status", "--porcelain") == "" and "up to date" in clone.run("dvc", "status", "documents")


def test_a_stage_that_fails_leaves_what_git_ignores_as_it_was(pipeline):
    """DVC takes back what it had told git to ignore when a later stage fails; here .gitignore says it all beforehand."""
    shutil.rmtree(pipeline.folder / "results")
    pipeline.set(training={"block_size": 4096})
    assert "training.block_size: 4096" in pipeline.run("dvc", "repro", status=255)
    assert pipeline.run("git", "status", "--porcelain", "--untracked-files=all").split() == ["M", "params.yaml"]
    assert "documents" in pipeline.run("git", "check-ignore", "results/documents")


def test_an_edited_document_is_reported_before_anything_plans_anew(pipeline):
    text = pipeline.folder / "texts" / "clock.txt"
    text.write_text(text.read_text() + "\nPeter Lamm gave the clock to Anna Kell.\n")
    assert re.search(r"^documents/clock-\w+: input .* changed$", pipeline.closedbook("fresh"), re.MULTILINE)
    assert "stage documents: 1 results" in pipeline.closedbook("verify", "documents", status=2)


def test_an_edited_result_is_made_again_even_where_size_and_time_were_kept(pipeline):
    before = pipeline.bytes()
    victim = next((pipeline.folder / "results/entities").iterdir())
    status = victim.stat()
    content = bytearray(victim.read_bytes())
    victim.write_bytes(bytes(content))
    assert "Nothing to be done" in pipeline.snakemake("entities"), "the same bytes at another time are the same"
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "was edited" in pipeline.closedbook("fresh")
    assert jobs(pipeline.snakemake("entities")) == {"entities shard": 1, "entities": 1}
    assert pipeline.bytes() == before


def test_without_questions_the_report_says_that_accuracy_was_not_measured(pipeline):
    (pipeline.folder / "texts" / "questions.jsonl").unlink()
    output = pipeline.snakemake()
    assert jobs(output)["score"] == 2 and not re.search(r"-s1: step \d", output), "nothing was trained"
    assert "no questions: accuracy not measured" in (pipeline.folder / "results/report/report.html").read_text()
    assert "no questions: accuracy not measured" in pipeline.closedbook("table")
    assert len((pipeline.folder / "results/report/table.csv").read_text().splitlines()) == 1


def test_wrong_input_stops_the_pipeline_before_it_begins_and_changes_nothing(pipeline):
    before = pipeline.bytes()
    pipeline.set(training={"learningrate": 0.1})
    assert "training.learningrate: unknown key; did you mean learning_rate?" in pipeline.snakemake(status=1)
    assert "training.learningrate" in pipeline.closedbook("fresh", status=2)
    assert pipeline.bytes() == before


def test_a_second_run_names_who_holds_the_folder_until_it_is_free(pipeline):
    pipeline.set(training={"weight_decay": 0.03})
    first = subprocess.Popen([str(Path(sys.prefix) / "bin/snakemake"), "--cores", "1"], cwd=pipeline.folder, start_new_session=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    try:
        for output in first.stdout:
            if output.startswith("runs: "):
                break
        assert f"process {first.pid}" in pipeline.snakemake(status=1)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert "Nothing to be done" in pipeline.snakemake("passages")


def test_a_look_changes_nothing_and_a_dry_run_says_what_a_run_does(pipeline):
    def state():
        own = (".git/", ".closedbook/hashes.db", ".snakemake/iocache", ".snakemake/log", "src/")  # what git, hashing, Snakemake and Python remember
        files = ((str(path.relative_to(pipeline.folder)), path) for path in pipeline.folder.rglob("*") if path.is_file())
        return {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in files if not name.startswith(own)}

    pipeline.set(training={"weight_decay": 0.02}, entities={"max": 5})
    before = state()
    told = pipeline.snakemake("--dry-run")
    pipeline.snakemake("--dag", "dot")
    pipeline.run("snakemake", "--lint", "json", status=1)
    assert state() == before
    counts = dict(re.findall(r"^(\w+) +(\d+)$", told.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    assert jobs("".join(f"Finished jobid: 0 (Rule: {rule})\n" * int(count) for rule, count in counts.items())) == jobs(pipeline.snakemake())


def test_the_number_of_shards_changes_no_byte_and_one_file_costs_one_document(pipeline, server, finished_pipeline):
    before = pipeline.bytes()
    for number in (1, 7):
        shutil.rmtree(pipeline.folder / "results/entities")
        shutil.rmtree(pipeline.folder / "results/passages")
        assert jobs(pipeline.snakemake("passages", "--config", f"shards={number}"))["entities shard"] == min(number, 3)
        assert pipeline.bytes() == before
    for folder in ("ledger", "results/entities", ".dvc/cache"):
        shutil.rmtree(pipeline.folder / folder)
    received, one = server.received, next(name for name in before if name.startswith("results/entities/"))
    assert jobs(pipeline.snakemake(one)) == {"entities shard": 1}
    assert server.received == received + 1
    server.bodies = finished_pipeline.asked.copy()  # as was meant


def test_parameters_on_the_command_line_are_refused(pipeline):
    assert "params.yaml" in pipeline.snakemake("--config", "temperature=1", status=1)


def test_a_base_that_cannot_be_used_stops_a_run_before_anything_is_asked(finished_pipeline, tmp_path):
    from openai_server import Server

    with Server() as server:
        pipeline = finished_pipeline.copy(tmp_path / "pipeline")
        pipeline.set(llm={"api_base": server.url})
        for folder in ("ledger", "results"):
            shutil.rmtree(pipeline.folder / folder)
        weights = pipeline.folder / "toy/model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        said = pipeline.snakemake(status=1)
        assert "base.model: toy does not give a causal language model" in said and server.received == 0
