"""Whether scores may stand side by side."""

from closedbook.errors import UserError


def check(scores: list[dict], tasks: list[str]) -> None:
    """Raises UserError unless those of `scores` (contents of their files) that have one of `tasks` asked the same questions in the same
    version of it."""
    for task in tasks:
        measured = [score for score in scores if task in score["tasks"]]
        _same({score["run"]: score["questions_sha256"] for score in measured}, "were asked other questions")
        _same({score["run"]: score["tasks"][task]["version"] for score in measured}, f"were scored by other versions of {task}")


def _same(values: dict, differ: str) -> None:
    """`values` by run."""
    if len(set(values.values())) > 1:
        shown = ", ".join(f"{run}: {str(value)[:12]}" for run, value in values.items())
        raise UserError(f"results/scores: the runs {differ} ({shown}), so their scores are not comparable: delete results/scores and run"
                        " snakemake --cores all")
