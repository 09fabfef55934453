"""The whole line on three small documents of one's own, and what of it runs again when something changes.

The fixture `line` counts at the model's side: no test here may ask for anything that the ledger holds.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from line import jobs
from texts import HOSTILE

pytestmark = pytest.mark.slow


def test_after_a_run_both_engines_have_nothing_to_do(line):
    before = line.bytes()
    assert "up to date" in line.run("dvc", "status")
    assert "Nothing to be done" in line.snakemake()
    assert "Running stage" not in line.run("dvc", "repro")
    assert line.bytes() == before
    assert "quality_closed_text" in line.run("dvc", "metrics", "show")
    line.run("dvc", "plots", "show")
    assert (line.folder / "dvc_plots/index.html").exists()
    assert re.search(r"entigraph +1.000 ±|entigraph +[01]\.\d{3}", table := line.closedbook("table")) and "results/report/report.html" in table


def test_without_the_ledger_the_model_s_side_sees_that_it_is_asked_again(line, server, made):
    shutil.rmtree(line.folder / "ledger")
    next((line.folder / "results/receipts/entities").iterdir()).unlink()
    assert jobs(line.snakemake("entities")) == {"entities shard": 1, "entities": 1}, "a result without a receipt is no result"
    assert server.repeated() == 1
    server.bodies = made.asked.copy()  # as was meant


def test_a_changed_parameter_is_told_and_its_spelling_is_no_change(line):
    params = line.folder / "params.yaml"
    top = re.split(r"^(?=\w)", params.read_text(), flags=re.MULTILINE)
    params.write_text("# a comment\n" + "".join(reversed(top)).replace("weight_decay: 0.01", "weight_decay: 0.010"))
    assert "Nothing to be done" in line.snakemake()
    line.set(training={"weight_decay": 0.02})
    assert "parameter training.weight_decay changed 0.01 → 0.02" in line.closedbook("fresh")


def test_one_document_reruns_its_own_chain_and_white_space_stops_at_once(line):
    before = line.bytes()
    text = line.folder / "texts" / "clock.txt"
    text.write_text(text.read_text().replace(". ", ".   ").replace("\n\n", "\n \n\n"))
    output = line.snakemake()
    assert jobs(output)["documents shard"] == 1 and output.count("nothing to do") >= 1, "runs go to the terminal, and have nothing to do"
    after = line.bytes()
    changed = {name for name in before if before[name] != after[name]}
    assert {name.split("/")[2] for name in changed} == {"documents"} and len(changed) == 1, "the receipt names another article file"

    text.write_text(text.read_text() + "\nPeter Lamm gave the clock to Anna Kell.\n")
    output = line.snakemake("passages")
    assert jobs(output) == {"documents shard": 1, "entities shard": 1, "passages shard": 1, "passages": 1}


def test_a_document_that_goes_leaves_the_others_fresh_and_its_results_until_they_are_pruned(line):
    before = line.bytes()
    (line.folder / "texts" / HOSTILE).unlink()
    assert jobs(line.run("dvc", "repro", "entities")) == {}
    assert line.bytes("results/.dvcignore") == before
    fresh = line.closedbook("fresh")
    assert not re.search(r"^(documents|entities|passages|base)/?\S*:", fresh, re.MULTILINE), "of what is about one document nothing is stale"
    assert "corpora/entigraph: the list of documents changed" in fresh
    (command,) = re.findall(r"closedbook (restore \S+)", line.closedbook("prune", "--yes"))
    assert not [name for name in line.bytes("results/.dvcignore") if "touch-pwned" in name and not name.startswith("results/report/")]
    assert "up to date" in line.run("dvc", "status", "documents", "entities")
    line.closedbook(*command.split())
    assert line.bytes("results/.dvcignore") == before


def test_a_renamed_arm_s_model_survives_a_single_file_and_a_whole_run_and_comes_back_when_pruned(line):
    """Its dvc.lock is in no commit, and is written over."""
    line.set(report={"examples": 1})
    line.snakemake()
    before = line.bytes()
    line.set(arms={"renamed": {"strategy": "entigraph", "corpus_tokens": "all", "epochs": 1}})
    passages = next((line.folder / "results/passages/entigraph").iterdir()).relative_to(line.folder)
    (line.folder / passages).unlink()
    assert jobs(line.snakemake(str(passages))) == {"passages shard": 1}
    assert line.bytes("results/.dvcignore") == before
    said = line.snakemake()
    of_arm = {path: content for path, content in before.items() if re.search(r"/(corpora|runs|scores)/entigraph", path)}
    assert of_arm.items() <= line.bytes().items() and len(of_arm) == 11 + 8 + 2 + 3
    (kept,) = re.findall(r"closedbook (restore \S+) brings those results back", said)
    assert "up to date" in line.run("dvc", "status")
    (command,) = re.findall(r"closedbook (restore \S+) brings them back", line.closedbook("prune", "--yes"))
    assert command == kept and not of_arm.keys() & line.bytes().keys()
    line.closedbook(*command.split(), "runs/entigraph-s1")
    assert of_arm["results/runs/entigraph-s1/model.safetensors"] == line.bytes()["results/runs/entigraph-s1/model.safetensors"]
    line.closedbook(*command.split())
    assert of_arm.items() <= line.bytes().items()
    assert re.search(r"^renamed ", line.closedbook("table"), re.MULTILINE) and "entigraph " not in line.closedbook("table")


def test_in_a_fresh_clone_one_stage_is_recorded_and_nothing_else_is_said(line, tmp_path):
    clone = line.clone(tmp_path / "clone")
    said = clone.snakemake("documents")
    assert re.search(r"^recorded in dvc.lock: documents$", said, re.MULTILINE) and "not recorded" not in said
    assert clone.run("git", "status", "--porcelain") == "" and "up to date" in clone.run("dvc", "status", "documents")


def test_a_stage_that_fails_leaves_what_git_ignores_as_it_was(line):
    """DVC takes back what it had told git to ignore when a later stage fails; here .gitignore says it all beforehand."""
    shutil.rmtree(line.folder / "results")
    line.set(training={"block_size": 4096})
    assert "training.block_size: 4096" in line.run("dvc", "repro", status=255)
    assert line.run("git", "status", "--porcelain", "--untracked-files=all").split() == ["M", "params.yaml"]
    assert "documents" in line.run("git", "check-ignore", "results/documents")


def test_an_edited_document_is_told_before_anything_plans_anew(line):
    text = line.folder / "texts" / "clock.txt"
    text.write_text(text.read_text() + "\nPeter Lamm gave the clock to Anna Kell.\n")
    assert re.search(r"^documents/clock-\w+: input .* changed$", line.closedbook("fresh"), re.MULTILINE)
    assert "stage documents: 1 results" in line.closedbook("verify", "documents", status=2)


def test_an_edited_result_is_made_again_even_where_size_and_time_were_kept(line):
    before = line.bytes()
    victim = next((line.folder / "results/entities").iterdir())
    status = victim.stat()
    content = bytearray(victim.read_bytes())
    victim.write_bytes(bytes(content))
    assert "Nothing to be done" in line.snakemake("entities"), "the same bytes at another time are the same"
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "was edited" in line.closedbook("fresh")
    assert jobs(line.snakemake("entities")) == {"entities shard": 1, "entities": 1}
    assert line.bytes() == before


def test_without_questions_the_line_says_that_accuracy_was_not_measured(line):
    (line.folder / "texts" / "questions.jsonl").unlink()
    output = line.snakemake()
    assert jobs(output)["score"] == 2 and not re.search(r"-s1: step \d", output), "nothing was trained"
    assert "no questions: accuracy not measured" in (line.folder / "results/report/report.html").read_text()
    assert "no questions: accuracy not measured" in line.closedbook("table")
    assert len((line.folder / "results/report/table.csv").read_text().splitlines()) == 1


def test_wrong_input_stops_the_line_before_it_begins_and_changes_nothing(line):
    before = line.bytes()
    line.set(training={"learningrate": 0.1})
    assert "training.learningrate: unknown key; did you mean learning_rate?" in line.snakemake(status=1)
    assert "training.learningrate" in line.closedbook("fresh", status=2)
    assert line.bytes() == before


def test_a_second_run_is_told_who_holds_the_folder_until_it_is_free(line):
    line.set(training={"weight_decay": 0.03})
    first = subprocess.Popen([str(Path(sys.prefix) / "bin/snakemake"), "--cores", "1"], cwd=line.folder, start_new_session=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    try:
        for output in first.stdout:
            if "Select jobs to execute" in output:
                break
        assert f"process {first.pid}" in line.snakemake(status=1)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert "Nothing to be done" in line.snakemake("passages")


def test_a_look_changes_nothing_and_a_dry_run_tells_what_a_run_does(line):
    def state():
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for folder in ("results", ".closedbook") for path in (line.folder / folder).rglob("*")
                if path.is_file() and path.name != "hashes.db"}

    line.set(training={"weight_decay": 0.02}, entities={"max": 5})
    before = state()
    told = line.snakemake("--dry-run")
    line.snakemake("--dag", "dot")
    line.run("snakemake", "--lint", "json", status=1)
    assert state() == before
    counts = dict(re.findall(r"^(\w+) +(\d+)$", told.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    assert jobs("".join(f"Finished jobid: 0 (Rule: {rule})\n" * int(count) for rule, count in counts.items())) == jobs(line.snakemake())


def test_the_number_of_shards_changes_no_byte_and_one_file_costs_one_document(line, server, made):
    before = line.bytes()
    for number in (1, 7):
        shutil.rmtree(line.folder / "results/entities")
        shutil.rmtree(line.folder / "results/passages")
        assert jobs(line.snakemake("passages", "--config", f"shards={number}"))["entities shard"] == min(number, 3)
        assert line.bytes() == before
    shutil.rmtree(line.folder / "ledger")
    shutil.rmtree(line.folder / "results/entities")
    received, one = server.received, next(name for name in before if name.startswith("results/entities/"))
    assert jobs(line.snakemake(one)) == {"entities shard": 1}
    assert server.received == received + 1
    server.bodies = made.asked.copy()  # as was meant


def test_parameters_on_the_command_line_are_refused(line):
    assert "params.yaml" in line.snakemake("--config", "temperature=1", status=1)


def test_a_base_that_cannot_be_used_stops_a_run_before_anything_is_asked(made, tmp_path):
    from openai_server import Server

    with Server() as server:
        line = made.copy(tmp_path / "line")
        line.set(llm={"api_base": server.url})
        for folder in ("ledger", "results"):
            shutil.rmtree(line.folder / folder)
        weights = line.folder / "toy/model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        said = line.snakemake(status=1)
        assert "base.model: toy does not give a causal language model" in said and server.received == 0
