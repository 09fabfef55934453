"""Whether scores may stand side by side."""

from closedbook import layout
from closedbook.util.errors import UserError


def check(scores: list[dict], tasks: list[str]) -> None:
    """Raises UserError unless those of `scores` (contents of their files) that have one of `tasks` asked the same questions about a
    document, those of one training seed all of the same, in the same version of the task."""
    for task in tasks:
        measured = [score for score in scores if task in score["tasks"]]
        for document in dict.fromkeys(document for score in measured for document in score["questions"]):
            asked = {score["run"]: score["questions"][document] for score in measured if document in score["questions"]}
            _same(asked, f"were asked other questions about {document}")
        for seed in {score["seed"] for score in measured}:
            _same({score["run"]: score["questions_sha256"] for score in measured if score["seed"] == seed}, "were asked other questions")
        _same({score["run"]: score["tasks"][task]["version"] for score in measured}, f"were scored by other versions of {task}")


def _same(values: dict, differ: str) -> None:
    """`values` by run."""
    if len(set(values.values())) > 1:
        shown = ", ".join(f"{run}: {str(value)[:12]}" for run, value in values.items())
        raise UserError(f"{layout.SCORES}: the runs {differ} ({shown}), so their scores are not comparable: delete {layout.SCORES} and run"
                        " snakemake --cores all")
