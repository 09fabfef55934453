"""What it costs to know that nothing, or little, has to be done, by the number of documents.

    python benchmarks/freshness.py 265          a finished pipeline: no-op of both engines, check and verify, one document edited
    python benchmarks/freshness.py 2000 plan    only the planning of a pipeline of which nothing is made yet

The documents are made up and short, and nearly nothing is trained. Results of each document are made in this process, so that building
the pipeline takes a minute and not an hour; everything measured runs as a user runs it.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import jobs_here  # tests/jobs_here.py
from pipeline import Pipeline  # tests/pipeline.py: a copy of the project with a toy base

from closedbook.workflow import plan, upkeep

SYLLABLES = "ka lo mi ren tas vel dor an eth ru".split()


def main(num_documents: int, only_plan: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Path(folder) / "pipeline", documents={"source": "folder", "path": "texts"},
                    arms={"entigraph": {"strategy": "entigraph", "corpus_tokens": 20000, "epochs": 1}})
        _write_documents(pipeline.folder / "texts", num_documents)
        os.chdir(pipeline.folder)
        if only_plan:
            _measured("snakemake --dry-run, nothing made", "snakemake", "--cores", "2", "--dry-run")
        else:
            _make(pipeline)
            _measure(pipeline)


def _write_documents(folder: Path, number: int) -> None:
    folder.mkdir()
    for index in range(number):
        names = [_name(index * 4 + place) for place in range(4)]
        paragraphs = [f"{one} went to {other} in the spring. The council of {other} wrote to {one} about the bridge."
                      for one in names for other in names if one != other]
        (folder / f"document-{index:05}.txt").write_text("\n\n".join(paragraphs))
    rows = [f'{{"document": "document-{index:05}.txt", "question_unique_id": "q{index}", "question": "Who wrote?", '
            f'"options": ["{_name(index * 4)}", "a", "b", "c"], "gold_label": 1}}' for index in range(0, number, 10)]
    (folder / "questions.jsonl").write_text("\n".join(rows))


def _name(number: int) -> str:
    word = ""
    for _ in range(4):
        number, place = divmod(number, len(SYLLABLES))
        word += SYLLABLES[place]
    return word.capitalize()


def _make(pipeline: Pipeline) -> None:
    """A finished pipeline under git and DVC: the jobs of each document here, all others by Snakemake."""
    jobs_here.make(plan.make())
    pipeline.commit()
    pipeline.snakemake()


def _measure(pipeline: Pipeline) -> None:
    _measured("snakemake, nothing to do", "snakemake", "--cores", "2")
    _measured("dvc repro, nothing to do", "dvc", "repro")
    planned = plan.make()
    started = time.monotonic()
    upkeep.check(planned)
    upkeep.verify(planned, "passages")
    print(f"check and verify: {time.monotonic() - started:.2f} s for {len(planned.receipts())} receipts")
    edited = next((pipeline.folder / "texts").glob("*.txt"))
    edited.write_text(edited.read_text() + "\n\nAnna Kell came back to the bridge in the autumn.\n")
    output = _measured("snakemake after an edit of one document, to its corpus", "snakemake", "--cores", "2", "corpora")
    print("  its jobs:", ", ".join(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", output)))
    _measured("snakemake from there to the model, nearly untrained", "snakemake", "--cores", "2", "runs")
    _measured("snakemake from there to score and report", "snakemake", "--cores", "2")


def _measured(label: str, program: str, *arguments: str) -> str:
    """Run a command to its end; print its seconds and the peak memory of all its processes together."""
    command = [sys.executable, str(ROOT / "benchmarks/pipeline.py"), "run", str(Path(sys.prefix) / "bin" / program), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{label}: {done.stdout[-3000:]}")
    print(f"{label}: {done.stdout.splitlines()[-1].rpartition(': ')[2]}", flush=True)
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) in (2, 3) and sys.argv[1].isdecimal() and sys.argv[2:] in ([], ["plan"]):
        main(int(sys.argv[1]), only_plan=len(sys.argv) == 3)
    else:
        sys.exit(__doc__)
