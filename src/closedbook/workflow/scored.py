"""How well runs and assistants do, for MLflow: the accuracy of each task stands with the record of the training."""

from pathlib import Path

from closedbook import models
from closedbook.training import tracking
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts
from closedbook.workflow.plan import Plan
from closedbook.workflow.registry import Job


def record(plan: Plan) -> None:
    """Log what the scores say that are here and as they were made; what MLflow has already is not logged again."""
    jobs = [job for job in plan.jobs.values() if job.stage == "scores" and job.receipt.exists()]
    tracking.log_scores({(job.name.partition("/")[2], model): accuracies for job in jobs for model, accuracies in _measured(job).items()})


def _measured(job: Job) -> dict[str, dict[str, float]]:
    """{SHA-256 of the weights that were scored: {metric: accuracy}}; nothing of a score that was edited."""
    try:
        receipt = receipts.read(job.receipt)
    except UserError:
        return {}
    score = job.files.outputs["output"]
    if not score.is_file() or files.sha256_file(score) != receipt["outputs"].get(str(score)):
        return {}
    weights = {path: sha256 for path, sha256 in receipt["inputs"].items() if Path(path).parent == job.files.inputs["model"]}
    return {models.weights_sha256(weights): {f"accuracy.{name}": one["accuracy"] for name, one in files.read_json(score)["tasks"].items()}}
