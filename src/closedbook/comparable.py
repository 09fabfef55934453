"""Whether scores may stand side by side."""

from closedbook.errors import UserError


def check(scores: list[dict], tasks: list[str]) -> None:
    """Raises UserError unless all scores (the contents of their files) are of the same questions and, as far as they have them, the same
    versions of `tasks`."""
    _same({score["run"]: score["questions_sha256"] for score in scores if score["tasks"]}, "were asked other questions")
    for task in tasks:
        measured = {score["run"]: score["tasks"][task] for score in scores if task in score["tasks"]}
        for what in ("version", "metric"):
            _same({run: one[what] for run, one in measured.items()}, f"were scored by other {what}s of {task}")


def _same(values: dict, differ: str) -> None:
    """`values` by run."""
    if len(set(values.values())) > 1:
        shown = ", ".join(f"{run}: {str(value)[:12]}" for run, value in values.items())
        raise UserError(f"results/scores: the runs {differ} ({shown}), so their scores are not comparable: delete results/scores and run"
                        " snakemake --cores all")
