"""Scores: what lm-evaluation-harness measures of a model that answers with the book closed."""

import difflib
import logging
import math
from pathlib import Path

from closedbook import files, forgetting, models, params
from closedbook.errors import UserError
from closedbook.replay import Replay

TASKS = Path("evals/quality")
NO_QUESTIONS = "no questions: accuracy not measured"
BASE = {"run": "base", "arm": "base", "strategy": "base", "corpus_tokens": 0, "train_tokens": 0, "seed": None}
"""what a score says of the base in an arm's place: it has read nothing of the documents"""


def build(
    *, model: Path, questions: list[Path], replay: Path, settings: params.Scores, held_out: int, seed: int, output: Path, samples: Path,
    include_path: Path = TASKS,
) -> None:
    """Score one model on the tasks of `settings`: the numbers into `output`, the answers behind them into `samples`.

    `model` is the folder of a run, with its run.json, or of a base, with its base.json.
    A row of `samples` is one question under one task. Where no document has a question there is an output without tasks. What the model
    has forgotten is measured on the last `held_out` texts of `replay` (in the order that `seed` gives) and on lm_eval's own tasks of
    `settings`. Where there is nothing to measure no model is loaded. Raises UserError for an unknown task, a model that can't be loaded or has diverged, a prompt longer than its
    context, and a letter that its tokenizer makes two tokens of.
    """
    check_tasks(settings.tasks, include_path)
    rows = [row for path in questions for row in files.read_json(path)]
    lm = _load(model, settings) if rows or held_out or settings.forgetting else None
    scored = _evaluate(lm, model, questions, settings, include_path) if rows else {}
    assert all(len(answers) == len(rows) for _, answers in scored.values()), "a question was dropped"
    files.write_json_lines(samples, [answer for _, answers in scored.values() for answer in answers])
    numbers = {
        "n": len(rows),
        "explanation": None if rows else NO_QUESTIONS,
        "questions_sha256": files.sha256_text(files.canonical(rows)),
        "tasks": {name: summary for name, (summary, _) in scored.items()},
        "forgetting": forgetting.measure(lm, model, Replay(replay, seed, held_out), settings.forgetting),
    }
    files.write_json(output, {**_facts(model), **numbers})


def _facts(model: Path) -> dict:
    if (model / "base.json").exists():
        return BASE
    run = files.read_json(model / "run.json")
    return {name: run[name] for name in BASE}


def check_tasks(tasks: list[str], include_path: Path) -> None:
    """Raises UserError for a task that has no {task}.yaml in `include_path`, and names the nearest one that has."""
    known = sorted(path.stem for path in include_path.glob("*.yaml"))
    for task in tasks:
        if task not in known:
            near = difflib.get_close_matches(task, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"known there: {', '.join(known)}"
            raise UserError(f"params.yaml: scores.tasks: {task!r} is not a task of {include_path}; {hint}")


def _load(model: Path, settings: params.Scores):
    """The model as lm_eval's."""
    import torch
    from lm_eval.models.huggingface import HFLM

    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # its warnings here are all about what is meant, as acc_hard's smaller n
    torch.set_num_threads(settings.threads)
    models.check_device(settings.device, "scores.device")
    loaded = models.model(model, settings.dtype).to(settings.device)
    return HFLM(pretrained=loaded, tokenizer=models.tokenizer(model), batch_size=settings.batch_size)


def _evaluate(lm, model: Path, questions: list[Path], settings: params.Scores, include_path: Path) -> dict[str, tuple[dict, list[dict]]]:
    """{task: (summary, answers)}, in the order asked for."""
    from lm_eval import evaluate
    from lm_eval.tasks import TaskManager

    metadata = {"data_file": [str(path) for path in questions]}
    tasks = TaskManager(include_path=str(include_path), include_defaults=False, metadata=metadata).load(settings.tasks)["tasks"]
    for task in tasks.values():
        _check_requests(task, lm, model)
    scored = {}
    for name, task in tasks.items():  # one at a time: the last digits depend on the batch, so a task's would on the tasks beside it
        print(f"{model}: {len(task.instances) // 4:,} questions under {name}", flush=True)
        scored[name] = _scored(task, evaluate(lm, {"tasks": {name: task}}))
        _check_finite(scored[name][1], model)
    return scored


def _check_requests(task, lm, model: Path) -> None:
    """Prompt and choice must fit the context, or lm_eval cuts them from the left; a letter must be one token, as the task means it."""
    task.build_all_requests()
    for request in task.instances:
        prompt, choice = request.args
        num_tokens = len(lm.tok_encode(prompt + choice))
        if num_tokens - 1 > lm.max_length:  # the last token is predicted, never read
            raise UserError(
                f"{model}: question {request.doc['id']} needs {num_tokens - 1} tokens under {task.task_name}, and the model's context"
                f" holds {lm.max_length}: take a base.model with a longer context, or leave {task.task_name} out of scores.tasks"
            )
        num_choice = num_tokens - len(lm.tok_encode(prompt))
        if isinstance(task.config.doc_to_choice, list) and num_choice != 1:
            raise UserError(
                f"{model}: its tokenizer makes {num_choice} tokens of the letter {choice!r}, and {task.task_name} compares letters of"
                f" one token: leave {task.task_name} out of scores.tasks, or take another base.model"
            )


def _scored(task, results: dict) -> tuple[dict, list[dict]]:
    """lm_eval's results of one task as (summary, answers)."""
    name = task.task_name
    measured = {key.removesuffix(",none"): value for key, value in results["results"][name].items() if key.endswith(",none")}
    metrics = {key: None if value == "N/A" else value for key, value in sorted(measured.items())}  # N/A: no error of a single question
    metric = "acc_norm" if "acc_norm" in metrics else "acc"
    answers = [_answer(task, sample, metric) for sample in results["samples"][name]]
    summary = {
        "version": task.VERSION,
        "metric": metric,
        "accuracy": metrics[metric],
        "stderr": metrics[f"{metric}_stderr"],
        "accuracy_hard": metrics.get(f"{metric}_hard"),
        "stderr_hard": metrics.get(f"{metric}_hard_stderr"),
        "n": len(answers),
        "n_hard": sum(answer["difficult"] is True for answer in answers),
        "n_documents": len({answer["document"] for answer in answers}),
        "metrics": metrics,
    }
    return summary, answers


def _answer(task, sample: dict, metric: str) -> dict:
    """One question's answer: the choice that `metric` takes for it, and the summed log-likelihood (nats) of each."""
    doc = sample["doc"]
    log_likelihoods = [log_likelihood for log_likelihood, _ in sample["filtered_resps"]]
    lengths = [len(choice) if metric == "acc_norm" else 1 for choice in task.doc_to_choice(doc)]
    values = [value / length for value, length in zip(log_likelihoods, lengths, strict=True)]
    return {
        "task": task.task_name,
        "id": doc["id"],
        "document": doc["document"],
        "difficult": doc["difficult"],
        "gold": doc["gold"],
        "chosen": values.index(max(values)),
        "correct": bool(sample[metric]),
        "log_likelihoods": log_likelihoods,
    }


def _check_finite(answers: list[dict], model: Path) -> None:
    for answer in answers:
        if not all(map(math.isfinite, answer["log_likelihoods"])):
            raise UserError(
                f"{model}: question {answer['id']}: log-likelihoods {answer['log_likelihoods']} are not all numbers: the training has"
                " diverged; lower training.learning_rate and train again"
            )
