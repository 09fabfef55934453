"""The tasks of evals/quality by their names, which say what each needs."""

from pathlib import Path

from closedbook.util.errors import UserError, did_you_mean

FOLDER = Path("evals/quality")
SUMMARY = "quality_summary"
"""the task that lm-evaluation-harness has no part in: summaries, which a judge takes apart"""
LEAST_FOR_VALIDATION = 5
"""documents with questions, without which there are no validation questions (VALIDATION in evals/quality/utils.py)"""


def shows_document(task: str) -> bool:
    """Whether the document stands in the prompt: the step needs results/documents."""
    return task.startswith("quality_open")


def shows_chunks(task: str) -> bool:
    """Whether retrieved chunks stand in the prompt: the step needs results/retrieval."""
    return task.startswith("quality_rag")


def is_closed_book(task: str) -> bool:
    """Whether the prompt holds nothing but the question."""
    return not (shows_document(task) or shows_chunks(task))


def answers_in_words(task: str) -> bool:
    """Whether the model writes its answers, several a question; otherwise the log-likelihoods of options are measured."""
    return task.endswith("_cot")


def recalls(task: str) -> bool:
    """Whether the model writes its answer on one line, once and without sampling: it holds the right one, or does not."""
    return task.endswith("_recall")


def compares_letters(task: str) -> bool:
    """Whether the log-likelihoods of single letters are measured: each must be one token."""
    return task == "quality_closed"


def measured(tasks: list[str]) -> list[str]:
    """Those that lm-evaluation-harness measures: a score holds them."""
    return [task for task in tasks if task != SUMMARY]


def check_tasks(tasks: list[str], include_path: Path = FOLDER, field: str = "scores.tasks") -> None:
    """Raises UserError for a task that has no {task}.yaml in `include_path`, and names the nearest one that has."""
    known = sorted([*(path.stem for path in include_path.glob("*.yaml")), SUMMARY])
    for task in tasks:
        if task not in known:
            hint = did_you_mean(task, known, otherwise=f"known there: {', '.join(known)}")
            raise UserError(f"params.yaml: {field}: {task!r} is not a task of {include_path}; {hint}")


def check_headline(tasks: list[str]) -> None:
    """Raises UserError where the first of scores.tasks, which is plotted, has no accuracy."""
    if tasks[0] == SUMMARY:
        raise UserError(f"params.yaml: scores.tasks: the first one is plotted by its accuracy, and {SUMMARY} has none: put another one before "
                        "it, as quality_closed_text")  # fmt: skip


def check_in_words(tasks: list[str], model: str) -> None:
    """Raises UserError for a task that measures log-likelihoods, which a `model` behind an API does not give, and for one whose line must be the
    most likely one."""
    for task in measured(tasks):
        if recalls(task):
            raise UserError(f"{task} goes on with a text, which {model} does not do through its API: ask it tasks that are answered step by step, as quality_cot")
        if not answers_in_words(task):
            raise UserError(
                f"{task} measures the log-likelihoods of options, which {model} does not give through its API: ask it tasks that"
                " are answered in words, as quality_cot"
            )
