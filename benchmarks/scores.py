"""What scoring costs, and how far its figures move with the batch size.

    PYTHONPATH=src python benchmarks/scores.py letters MODEL QUESTIONS       seconds after loading for 200 questions under quality_closed
    PYTHONPATH=src python benchmarks/scores.py batches MODEL QUESTIONS 1 32  largest difference in log-probability, and each answer flipped

MODEL is a run's folder or results/base; QUESTIONS is results/questions.
"""

import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from closedbook import params
from closedbook.evaluation import harness, tasks
from closedbook.stages import scores
from closedbook.util import files

NUM_QUESTIONS = 200


def letters(model: Path, questions: Path) -> None:
    """Where there are fewer questions, the first ones are asked again; nothing is cached."""
    rows = [row for path in sorted(questions.glob("*.json")) for row in files.read_json(path)]
    asked = [rows[number % len(rows)] for number in range(NUM_QUESTIONS)]
    settings = params.load().scores.model_copy(update={"tasks": ["quality_closed"], "threads": 2})
    lm = harness.loaded(model, settings)
    _measured(lm, asked[:1], settings)  # loads what is left of the libraries
    started, computed = time.monotonic(), time.process_time()
    _measured(lm, asked, settings)
    print(f"{NUM_QUESTIONS} questions under quality_closed, {settings.threads} threads, batches of {settings.batch_size}, after loading: "
          f"{time.monotonic() - started:.1f} s ({time.process_time() - computed:.1f} s of all cores)")


def _measured(lm, rows: list[dict], settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files.write_json(Path(folder) / "questions.json", rows)
        harness.measure(lm, SimpleNamespace(scores=settings), {"data_file": f"{folder}/questions.json"}, tasks.FOLDER, "the model")


def batches(model: Path, questions: Path, sizes: list[int]) -> None:
    one, other = (_answers(model, questions, size) for size in sizes)
    for task in dict.fromkeys(row["task"] for row in one):
        pairs = [(a, b) for a, b in zip(one, other, strict=True) if a["task"] == task]
        moved = max(abs(x - y) for a, b in pairs for x, y in zip(a["log_likelihoods"], b["log_likelihoods"], strict=True))
        flipped = [(a, b) for a, b in pairs if a["chosen"] != b["chosen"]]
        print(f"{task}: {len(pairs)} questions in batches of {sizes[0]} and of {sizes[1]}: log-probabilities differ by {moved:.2g} at most,"
              f" {len(flipped)} answers flipped")
        for a, b in flipped:
            print(f"  {a['id']}: {'ABCD'[a['chosen']]} then {'ABCD'[b['chosen']]}, right is {'ABCD'[a['gold']]}; {a['log_likelihoods']}")


def _answers(model: Path, questions: Path, batch_size: int) -> list[dict]:
    settings = params.load().scores.model_copy(update={"batch_size": batch_size})
    with tempfile.TemporaryDirectory() as folder:
        output, samples = Path(folder) / "score.json", Path(folder) / "samples.jsonl"
        scores.build(model=model, questions=sorted(questions.glob("*.json")), documents=[], retrieved=[], replay=[], output=output, samples=samples,
                     params=SimpleNamespace(scores=settings))
        return files.read_json_lines(samples)


if __name__ == "__main__":
    if sys.argv[1:2] == ["letters"] and len(sys.argv) == 4:
        letters(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["batches"] and len(sys.argv) == 6:
        batches(Path(sys.argv[2]), Path(sys.argv[3]), [int(size) for size in sys.argv[4:]])
    else:
        sys.exit(__doc__)
