"""Instruction following: tasks of lm_eval's own, as ifeval, or of evals/, by which a base, a run and an assistant are compared."""

from importlib.util import find_spec
from pathlib import Path

from closedbook.evaluation import forgetting
from closedbook.util.errors import UserError

EVALS = Path("evals")
NEEDS = {"ifeval": ("langdetect", "immutabledict", "nltk")}
"""libraries that lm_eval's tasks of these names need, and closedbook does not bring: the extra of that name does"""


def check_tasks(tasks: list[str]) -> None:
    """Raises UserError for a name that is no task, and for one that needs a library which is not installed."""
    forgetting.check_tasks([task for task in tasks if not folder(task)], field="scores.instructions")
    for task in tasks:
        if missing := [library for extra, needed in NEEDS.items() if extra in task for library in needed if not find_spec(library)]:
            raise UserError(f"params.yaml: scores.instructions: {task} needs {', '.join(missing)}, which closedbook does not bring: install the "
                            "extra into .venv (.venv/bin/pip install -e '.[ifeval]'), or name a task of evals/")  # fmt: skip


def measure(lm, tasks: list[str]) -> dict[str, dict]:
    """{task: {"metric", the first one that the task lists, its "value", "metrics": {metric: value}}}. An assistant is asked in its template.

    Raises UserError where a task's data can't be had.
    """
    return {task: _measured(lm, task) for task in tasks}


def _measured(lm, task: str) -> dict:
    try:
        found = forgetting.own_tasks(lm, [task], folder(task))[task]
    except (ConnectionError, FileNotFoundError) as error:
        raise UserError(f"params.yaml: scores.instructions: the data of {task} can't be had ({' '.join(str(error).split())[:300]}): connect once, so "
                        "that it is downloaded, or leave the task out") from error  # fmt: skip
    metrics, first = forgetting.metrics(found["results"][task]), found["configs"][task]["metric_list"][0]["metric"]
    return {"metric": first, "value": next(value for name, value in metrics.items() if name.partition(",")[0] == first), "metrics": metrics}


def folder(task: str) -> Path | None:
    """Where a task of ours lies; None of lm_eval's own."""
    return next((path.parent for path in sorted(EVALS.glob(f"*/{task}.yaml"))), None)
