"""The scores stage: what lm-evaluation-harness measures of a model that answers closed-book, open-book, or with retrieved chunks.

    PYTHONPATH=src python -m closedbook job scores/RUN
"""

from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

from closedbook.evaluation import forgetting, harness, instructions, whose
from closedbook.evaluation.tasks import FOLDER, check_tasks
from closedbook.params import Limits
from closedbook.sources.replay import Replay
from closedbook.util import files

NO_QUESTIONS = "no questions: accuracy not measured"


def job(*, limits: Limits, **given) -> None:
    build(**given)


def build(
    *, model: Path, questions: list[Path], documents: list[Path], retrieved: list[Path], replay: list[Path], params: SimpleNamespace,
    output: Path, samples: Path, include_path: Path = FOLDER,
) -> None:
    """Score one model on the tasks of `params.scores`: the numbers into `output`, the answers behind them into `samples`.

    `model` is the folder of a run, with its run.json, of a base, with its base.json, or of an assistant, with its assistant.json, which is asked
    in its chat template. `documents` are read by the tasks that show the
    document, `retrieved` (chunks.jsonl) by those that show chunks of it; forgetting is measured on what is held out of `replay`. `params`
    has, beside `scores`, `seed` where a task samples, `retrieval` where one shows chunks, and `seed` and `held_out` beside `replay`. A row
    of `samples` is one question under one task. There is an output without tasks of a run that was refused, which says why, and where no
    document has a question; where there is nothing to measure no model is loaded. Raises UserError for an unknown task, a model that can't be loaded or has diverged, a prompt that its
    context does not hold, and a letter that its tokenizer makes two tokens of: all but diverged before any task runs.
    """
    check_tasks(params.scores.tasks, include_path)
    if why := whose.refused(model):
        write(whose.model(model), [], {}, output, samples, explanation=why, refused=True, forgetting=None)
        return
    asked, where = rows(questions), places(questions, documents, retrieved)
    lm = harness.loaded(model, params.scores) if asked or replay or params.scores.forgetting or params.scores.instructions else None
    scored = harness.evaluate(lm, model, params, where, include_path) if asked else {}
    held_out = Replay(replay[0], params.seed, params.held_out) if replay else None
    more = {"forgetting": forgetting.measure(lm, model, held_out, params.scores.forgetting)}
    if params.scores.instructions:
        more["instructions"] = instructions.measure(lm, params.scores.instructions)
    write(whose.model(model), asked, scored, output, samples, **more)


def rows(questions: list[Path]) -> list[dict]:
    """All questions of these files."""
    return [row for path in questions for row in files.read_json(path)]


def places(questions: list[Path], documents: list[Path], retrieved: list[Path]) -> dict:
    """Where a task finds questions, documents and chunks, in the words of lm_eval's metadata."""
    found = {"data_file": [str(path) for path in questions], "documents": [str(path) for path in documents]}
    return found | {"retrieved": str(path) for path in retrieved}


def write(facts: dict, asked: list[dict], scored: dict[str, tuple[dict, list[dict]]], output: Path, samples: Path, **more) -> None:
    """Write what was measured of the questions asked, which stand document by document; `facts` say whose score it is."""
    assert all(len(answers) == len(asked) for _, answers in scored.values()), "a question was dropped"
    files.write_json_lines(samples, [answer for _, answers in scored.values() for answer in answers])
    files.write_json(output, {
        **facts,
        "n": len(asked),
        "explanation": None if asked else NO_QUESTIONS,
        "questions_sha256": _digest(asked),
        "questions": {document: _digest(list(rows)) for document, rows in groupby(asked, key=lambda row: row["document"])},
        "tasks": {name: summary for name, (summary, _) in scored.items()},
        **more,
    })  # fmt: skip


def _digest(asked: list[dict]) -> str:
    return files.sha256_text(files.canonical(asked))
