"""What a project costs as its documents become many: a table by their number, and by how much each cost grows.

    python benchmarks/documents.py                       265 and 2,000 documents of 50 passages each, 10,000 of 5
    python benchmarks/documents.py DOCUMENTS PASSAGES    one such project

Documents of 300 words are made up; entity lists and passages are a loopback server's, of which those of all documents are taken as the answers
of an engine (closedbook asks): asked one by one they would take an hour. Nearly nothing is trained. Each command is a user's; seconds by
the clock, seconds of processors, and the peak memory of all its processes together.
"""

import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import model_server  # noqa: E402
from pipeline import Pipeline  # noqa: E402  (tests/pipeline.py: a copy of the project with a toy base)

SIZES = ((265, 50), (2_000, 50), (10_000, 5))
"""documents, and passages of each"""
WORDS_A_DOCUMENT, ANSWER_WORDS = 300, (40, 120)
SYLLABLES = "ka lo mi ren tas vel dor an eth ru".split()
QUESTIONS_EVERY = 10
"""documents, of which one has a question"""
ASKED = "the keeper of harbour went to council and wrote about bridge"


class Cost(NamedTuple):
    seconds: float
    processors: float
    """seconds"""
    gib: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.processors:.1f} s), {self.gib:.2f} GiB"


def main(sizes) -> None:
    measured = {documents: costs(documents, passages) for documents, passages in sizes}
    print("| what | " + " | ".join(f"{documents:,} documents" for documents in measured) + " | grows, seconds of processors |")
    print("|---|" + "---|" * (len(measured) + 1))
    for what in next(iter(measured.values())):
        found = [its[what] for its in measured.values()]
        print(f"| {what} | " + " | ".join(map(str, found)) + f" | {growth([cost.processors for cost in found])} |")


def growth(processors: list[float]) -> str:
    return ", ".join(f"× {after / before:.1f}" for before, after in zip(processors, processors[1:]))


def costs(documents: int, passages: int) -> dict[str, Cost]:
    """Of each command, by what it is for."""
    with tempfile.TemporaryDirectory() as folder, model_server.ModelServer() as server:
        pipeline = _project(Path(folder) / "pipeline", server.url, documents, passages)
        found = {"planning, nothing made": _measured(pipeline, "snakemake", "--cores", "2", "--dry-run")}
        _answer_all(pipeline)
        found["all but what is asked, and all recorded"] = _measured(pipeline, "snakemake", "--cores", "2")
        for name, command in {
            "no-op": ("snakemake", "--cores", "2"),
            "no-op, dvc repro": ("dvc", "repro"),
            "closedbook fresh": ("python", "-m", "closedbook", "fresh"),
            "closedbook audit": ("python", "-m", "closedbook", "audit"),
            "closedbook trace --text, its first time": ("python", "-m", "closedbook", "trace", "--text", ASKED),
            "closedbook trace --text": ("python", "-m", "closedbook", "trace", "--text", ASKED),
        }.items():
            found[name] = _measured(pipeline, *command)
        (pipeline.folder / "results/receipts/report/report.json").unlink()
        found["the report"] = _measured(pipeline, "python", "-m", "closedbook", "job", "report/report")
        _write_document(pipeline.folder / "texts", documents)
        server.begin(0.0)
        found["one document added, to its corpus"] = _measured(pipeline, "snakemake", "--cores", "2", "corpora")
        print(f"one document added to {documents:,}: {server.counts()['received']} requests of {passages + 1}", flush=True)
    return found


def _project(folder: Path, url: str, documents: int, passages: int) -> Pipeline:
    pipeline = Pipeline(folder, documents={"source": "folder", "path": "texts"}, entities={"max": 8},
                        llm={"model": "openai/toy", "api_base": url, "max_tokens": 400},
                        passages={"attempts": 2, "rephrase": {"styles": ["easy"], "samples": passages}},
                        arms={"rephrase": {"strategy": "rephrase", "corpus_tokens": 10_000, "epochs": 1}},
                        limits={"concurrency": 64, "max_calls": None, "max_usd": None, "max_tokens": None})  # fmt: skip
    texts = pipeline.folder / "texts"
    texts.mkdir()
    for number in range(documents):
        _write_document(texts, number)
    rows = [{"document": f"document-{number:05}.txt", "question_unique_id": f"q{number}", "question": "Who wrote?", "options": ["a", "b", "c", "d"],
             "gold_label": 1} for number in range(0, documents, QUESTIONS_EVERY)]  # fmt: skip
    (texts / "questions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (pipeline.folder / "answers.jsonl").touch()
    pipeline.commit()
    return pipeline


def _write_document(folder: Path, number: int) -> None:
    draw = random.Random(number)
    names = ["".join(draw.choices(SYLLABLES, k=4)).capitalize() for _ in range(12)]
    sentences = [f"{draw.choice(names)} went to {draw.choice(names)} in the spring and wrote about the bridge." for _ in range(WORDS_A_DOCUMENT // 12)]
    (folder / f"document-{number:05}.txt").write_text("\n\n".join(" ".join(sentences[start : start + 5]) for start in range(0, len(sentences), 5)))


def _answer_all(pipeline: Pipeline) -> None:
    """What the server would answer to each request, by way of files."""
    pipeline.closedbook("asks", "export", "asks")
    model, counts = model_server.Model(ANSWER_WORDS), model_server.Counts()
    with open(pipeline.folder / "answers.jsonl", "w", encoding="utf-8") as answers:
        for line in (line for path in sorted((pipeline.folder / "asks").iterdir()) for line in open(path, encoding="utf-8")):
            request = json.loads(line)
            body = json.loads(model.reply(counts, json.dumps(request["body"]).encode()))
            answers.write(json.dumps({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}}) + "\n")
    print(pipeline.closedbook("asks", "import", "answers.jsonl").strip().splitlines()[0], flush=True)


def _measured(pipeline: Pipeline, program: str, *arguments: str) -> Cost:
    before = _processors()
    command = [sys.executable, str(ROOT / "benchmarks/pipeline.py"), "run", str(Path(sys.prefix) / "bin" / program), *arguments]
    done = subprocess.run(command, cwd=pipeline.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": "src"})  # fmt: skip
    last = done.stdout.splitlines()[-1]
    if done.returncode:
        sys.exit(f"{program} {' '.join(arguments)}: {done.stdout[-3000:]}")
    seconds, gib = re.search(r": ([\d.]+) s, peak ([\d.]+) GiB", last).groups()
    found = Cost(float(seconds), _processors() - before, float(gib))
    print(f"{program} {' '.join(arguments)}: {found}", flush=True)
    return found


def _processors() -> float:
    """Seconds of processors that processes which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    if len(sys.argv) in (1, 3) and all(map(str.isdecimal, sys.argv[1:])):
        main([tuple(map(int, sys.argv[1:]))] if len(sys.argv) == 3 else SIZES)
    else:
        sys.exit(__doc__)
