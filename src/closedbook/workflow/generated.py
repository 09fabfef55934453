"""What a run of Snakemake asked of providers, for MLflow: one record for each stage that asked."""

from collections import Counter

from closedbook.llm import account, ledger
from closedbook.llm.ledger import RETRIED
from closedbook.training import tracking
from closedbook.util import files
from closedbook.workflow.registry import Job


def totals() -> dict[str, Counter]:
    """Calls, tokens and dollars since the ledger began, by what asked: a strategy, or a stage."""
    found: dict[str, Counter] = {}
    if not (ledger.root() / "account.sqlite3").exists():
        return found
    for row in account.rows(ledger.root()):
        if row["outcome"] != "served":
            sums = {name: row[name] for name in ("calls", "input_tokens", "output_tokens", "usd")}
            found.setdefault(row["step"], Counter()).update(sums | {"retries": row["calls"] if row["outcome"] == RETRIED else 0})
    return found


def record(before: dict[str, Counter], jobs: list[Job]) -> None:
    """Log what was asked since `before` (of totals); `jobs` are those of the run, of whose results what was dropped is counted."""
    for step, sums in totals().items():
        since = {name: value - before.get(step, Counter())[name] for name, value in sums.items()}
        if since["calls"]:
            tracking.log_calls(step, since | {"dropped": _dropped(step, jobs)})


def _dropped(step: str, jobs: list[Job]) -> int:
    """Passages of a strategy that were asked for and are not there, and entity lists that fell back."""
    of_it = [job for job in jobs if job.name.startswith((f"passages/{step}/", f"{step}/")) and "output" in job.files.outputs]
    made = [files.read_json(path) for job in of_it if (path := job.files.outputs["output"]).exists()]
    return sum(len(one.get("dropped", [])) + (one.get("why") is not None) for one in made)
