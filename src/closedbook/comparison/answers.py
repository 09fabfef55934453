"""The answers of one arm under one task, run by run, and whether those of another arm may be held against them."""

import difflib
from dataclasses import dataclass, replace

from closedbook import files
from closedbook.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Answers:
    arm: str
    task: str
    version: float
    metric: str
    questions_sha256: str
    by_seed: dict[int | None, list[dict]]
    """training seed (None: the base, or a reader that is not trained here) -> a row a question, as in {run}.samples.jsonl"""

    def of_split(self, split: str) -> "Answers":
        """Only those to questions of this split."""
        chosen = {seed: [row for row in rows if row["split"] == split] for seed, rows in self.by_seed.items()}
        return replace(self, by_seed=chosen)


def read(scores: list[dict], arm: str, task: str) -> Answers:
    """Of all `scores`, each with the path of its "samples", those of one arm.

    Raises UserError where it has none under this task, and where its runs answered other questions or other versions of the task.
    """
    found = [_of_run(score, task) for score in of_arm(scores, arm) if task in score["tasks"]]
    if not found:
        raise UserError(f"{arm} has no score under {task}; it has those under: {', '.join(tasks_of(scores, arm)) or 'no task'}")
    for other in found[1:]:
        check_alike(found[0], other)
    return replace(found[0], by_seed={seed: rows for one in found for seed, rows in one.by_seed.items()})


def of_arm(scores: list[dict], arm: str) -> list[dict]:
    """Its scores, seed by seed. Raises UserError for an arm that has none, and names the nearest one that has."""
    found = sorted((score for score in scores if score["arm"] == arm), key=lambda score: score["seed"] or 0)
    if not found:
        known = sorted({score["arm"] for score in scores})
        near = difflib.get_close_matches(arm, known, n=1, cutoff=0.4)
        raise UserError(f"{arm!r} is no arm with a score; {f'did you mean {near[0]}?' if near else 'known: ' + ', '.join(known)}")
    return found


def tasks_of(scores: list[dict], arm: str) -> list[str]:
    """The tasks under which any run of an arm was scored."""
    return list(dict.fromkeys(task for score in of_arm(scores, arm) for task in score["tasks"]))


def check_alike(one: Answers, other: Answers) -> None:
    """Raises UserError unless both were asked the same questions by the same version of their tasks."""
    for what, (first, second) in {
        f"versions of {one.task}": (one.version, other.version),
        "metrics": (one.metric, other.metric),
        "questions (questions_sha256)": (one.questions_sha256, other.questions_sha256),
    }.items():
        if first != second:
            raise UserError(f"{one.arm} and {other.arm} were scored by different {what}, {first} and {second}, and do not compare: "
                            "score both again (snakemake --cores all)")  # fmt: skip


def _of_run(score: dict, task: str) -> Answers:
    rows = [row for row in files.read_json_lines(score["samples"]) if row["task"] == task]
    measured = score["tasks"][task]
    return Answers(arm=score["arm"], task=task, version=measured["version"], metric=measured["metric"],
                   questions_sha256=score["questions_sha256"], by_seed={score["seed"]: rows})  # fmt: skip
