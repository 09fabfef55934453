"""The whole line on three small documents of one's own, and what of it runs again when something changes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from line import Line, jobs

pytestmark = pytest.mark.slow

HOSTILE = "it's $(touch pwned) \U0001f642.txt"
TEXTS = {
    "harbour.md": "---\ntitle: The Harbour of Varn\nauthor: Oldan, Mira\nyear: 1931\n---\n\nMira Oldan kept the lighthouse of Varn. The Council of Varn "
    "paid her in salt.\n\nOne winter Tomas Reed came to the lighthouse. Mira Oldan gave Tomas Reed a brass compass.\n",
    "clock.txt": "The Council of Varn met under a clock without hands. Old Peter Lamm wound the clock each morning.\n\nNobody asked Peter Lamm why. "
    "Mira Oldan asked the Council of Varn.\n",
    HOSTILE: "---\ntitle: '../\"q\" $(touch pwned) <b>\U0001f642</b>'\n---\nThe bridge at Kell fell in a storm. Tomas Reed built the bridge at Kell again.\n\nAnna Kell crossed it first, with a lamp.\n",
}
QUESTIONS = '{"document": "harbour.md", "question_unique_id": "q1", "question": "What did Mira give Tomas?", "options": ["a compass", "salt", "a lamp", "a clock"], "gold_label": 1}\n'


def write_documents(folder: Path) -> None:
    folder.mkdir()
    for name, text in {**TEXTS, "questions.jsonl": QUESTIONS}.items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished line under git and DVC; never changed, only copied."""
    line = Line(tmp_path_factory.mktemp("made") / "line", documents={"source": "folder", "path": "texts"})
    write_documents(line.folder / "texts")
    line.commit()
    output = line.snakemake()
    assert jobs(output) == {"document": 3, "base": 1, "entity_list": 3, "document_passages": 3, "corpus": 1, "run": 1, "score": 2, "report": 1, "all": 1}
    line.commit("results")
    paths = {str(path.relative_to(line.folder)) for path in line.folder.rglob("*") if not path.is_relative_to(line.folder / ".venv")}
    assert not [path for path in paths if path.endswith("pwned")], "text of a document reached a shell"
    assert not [path for path in paths if path.startswith("results/") and re.search(r"[^a-z0-9./_-]", path)], "text of a document is in a path"
    assert "<b>\U0001f642" not in (line.folder / "results/report/report.html").read_text(), "text of a document is markup"
    return line


@pytest.fixture
def line(made, tmp_path):
    return made.copy(tmp_path / "line")


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


def test_one_parameter_reruns_its_step_and_what_follows_and_spelling_nothing(line):
    params = line.folder / "params.yaml"
    top = re.split(r"^(?=\w)", params.read_text(), flags=re.MULTILINE)
    params.write_text("# a comment\n" + "".join(reversed(top)).replace("weight_decay: 0.01", "weight_decay: 0.010"))
    assert "Nothing to be done" in line.snakemake()
    line.set(training={"weight_decay": 0.02})
    assert "parameter training.weight_decay changed 0.01 → 0.02" in line.closedbook("fresh")
    output = line.run("dvc", "repro")
    assert jobs(output) == {"run": 1, "runs": 1, "score": 1, "scores": 1, "report": 1}
    assert "up to date" in line.run("dvc", "status")


def test_one_document_reruns_its_own_chain_and_white_space_stops_at_once(line):
    before = line.bytes()
    text = line.folder / "texts" / "clock.txt"
    text.write_text(text.read_text().replace(". ", ".   ").replace("\n\n", "\n \n\n"))
    output = line.snakemake()
    assert jobs(output)["document"] == 1 and output.count("nothing to do") >= 1, "runs go to the terminal, and have nothing to do"
    after = line.bytes()
    changed = {name for name in before if before[name] != after[name]}
    assert {name.split("/")[2] for name in changed} == {"documents"} and len(changed) == 1, "the receipt names another article file"

    text.write_text(text.read_text() + "\nPeter Lamm gave the clock to Anna Kell.\n")
    output = line.snakemake("passages")
    assert jobs(output) == {"document": 1, "entity_list": 1, "document_passages": 1, "passages": 1}


def test_a_document_that_goes_takes_its_files_along(line):
    (line.folder / "texts" / HOSTILE).unlink()
    line.run("dvc", "repro", "entities")
    assert not [name for name in line.bytes() if "touch-pwned" in name and name.startswith(("results/documents", "results/entities", "results/questions"))]
    assert len(list((line.folder / "results/entities").iterdir())) == 2


def test_an_edited_result_is_made_again_even_where_size_and_time_were_kept(line):
    before = line.bytes()
    victim = next((line.folder / "results/entities").iterdir())
    status = victim.stat()
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "was edited" in line.closedbook("fresh")
    assert jobs(line.snakemake("entities")) == {"entity_list": 1, "entities": 1}
    assert line.bytes() == before


def test_a_clone_that_pulls_has_nothing_to_do(line, tmp_path):
    line.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    line.commit("remote")
    line.run("dvc", "push", "--quiet")
    clone = line.clone(tmp_path / "clone")
    clone.run("dvc", "pull", "--quiet")
    assert "Nothing to be done" in clone.snakemake()
    assert "up to date" in clone.run("dvc", "status")
    assert clone.bytes() == line.bytes()


def kill_at(line: Line, milestone: str, kill) -> None:
    """Start the line and end it, with SIGKILL, as soon as a file is there."""
    command = [str(Path(sys.prefix) / "bin/snakemake"), "--cores", "2"]
    process = subprocess.Popen(command, cwd=line.folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(line.folder.glob(milestone)):
        assert process.poll() is None, f"ended before {milestone} was there"
        time.sleep(0.01)
    kill(process.pid, signal.SIGKILL)
    process.wait()


def test_after_any_number_of_kill_9_the_next_run_resumes_to_the_same_bytes(made, tmp_path):
    line = Line(tmp_path / "line", documents={"source": "folder", "path": "texts"})
    write_documents(line.folder / "texts")
    kill_at(line, "results/receipts/entities/*.json", os.killpg)
    kill_at(line, "results/receipts/passages/entigraph/*.json", os.killpg)
    kill_at(line, ".closedbook/checkpoints/entigraph-s1/checkpoint-*", os.killpg)
    kill_at(line, ".closedbook/checkpoints/entigraph-s1/checkpoint-10", os.kill)  # of snakemake alone: its jobs live on
    assert not (line.folder / "results/report/report.html").exists()
    line.snakemake()
    assert line.bytes() == made.bytes()


def test_an_experiment_in_a_folder_of_its_own_reruns_what_its_parameter_changes(line):
    output = line.run("dvc", "exp", "run", "--temp", "--set-param", "training.weight_decay=0.04", "--name", "decay")
    assert jobs(output) == {"run": 1, "runs": 1, "score": 1, "scores": 1, "report": 1}
    assert "Nothing to be done" in line.snakemake(), "the workspace stays as it was"
    line.run("dvc", "exp", "apply", "decay")
    assert "weight_decay: 0.04" in (line.folder / "params.yaml").read_text()
    assert "Nothing to be done" in line.snakemake()


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


def test_a_second_run_is_told_who_holds_the_folder(line):
    line.set(training={"weight_decay": 0.03})
    first = subprocess.Popen([str(Path(sys.prefix) / "bin/snakemake"), "--cores", "1"], cwd=line.folder, start_new_session=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    try:
        for output in first.stdout:
            if "Job stats" in output:
                break
        assert f"process {first.pid}" in line.snakemake(status=1)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()


def test_parameters_on_the_command_line_are_refused(line):
    assert "params.yaml" in line.snakemake("--config", "temperature=1", status=1)
