"""The answers of arms under one task, run by run."""

from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import fmean

from closedbook.analysis import comparable
from closedbook.util import files
from closedbook.util.errors import UserError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Answers:
    arm: str
    task: str
    metric: str
    by_seed: dict[int | None, list[dict]]
    """training seed (None: the base, or an API model, which is not trained here) -> one row per question, as in {run}.samples.jsonl; seeds that
    learn documents of their own are asked about these"""

    def columns(self) -> tuple[list[float], list[str], list[int | None]]:
        """Of each answer of each seed: 1.0 where it is right, the document that its question is about, the seed."""
        answered = [(seed, row) for seed, rows in self.by_seed.items() for row in rows]
        return ([float(row["correct"]) for _, row in answered], [row["document"] for _, row in answered], [seed for seed, _ in answered])

    def from_seed(self, seed: int | None) -> dict[str, dict]:
        """Its run's answers by question; those of the base, or of an API model, stand beside any seed's."""
        return {row["id"]: row for row in self.by_seed[None if None in self.by_seed else seed]}

    def right(self) -> dict[str, float]:
        """{question: how often it was answered rightly, over the seeds that were asked it}"""
        found = defaultdict(list)
        for row in (row for rows in self.by_seed.values() for row in rows):
            found[row["id"]].append(float(row["correct"]))
        return {question: fmean(answers) for question, answers in found.items()}

    def of_split(self, split: str) -> "Answers":
        """Only those to questions of this split."""
        chosen = {seed: [row for row in rows if row["split"] == split] for seed, rows in self.by_seed.items()}
        return replace(self, by_seed=chosen)


def read(scores: list[dict], arms: list[str], task: str) -> list[Answers]:
    """Those of each of these arms, of all `scores`, each with the path of its "samples".

    Raises UserError for an arm that has none under this task, and where two of their runs were asked other questions, or by another
    version of the task.
    """
    found = {arm: [score for score in of_arm(scores, arm) if task in score["tasks"]] for arm in arms}
    for arm, runs in found.items():
        if not runs:
            raise UserError(f"{arm} has no score under {task}; it has those under: {', '.join(tasks_of(scores, arm)) or 'no task'}")
    comparable.check([score for runs in found.values() for score in runs], [task])
    return [_answers(arm, task, runs) for arm, runs in found.items()]


def _answers(arm: str, task: str, runs: list[dict]) -> Answers:
    by_seed = {score["seed"]: [row for row in files.read_json_lines(score["samples"]) if row["task"] == task] for score in runs}
    return Answers(arm=arm, task=task, metric=runs[0]["tasks"][task]["metric"], by_seed=by_seed)


def of_arm(scores: list[dict], arm: str) -> list[dict]:
    """Its scores, seed by seed; of a run (raw-s1) its own. Raises UserError for one that has none, and names the nearest that has."""
    found = sorted((score for score in scores if arm in (score["arm"], score["run"])), key=lambda score: score["seed"] or 0)
    if not found:
        known = sorted({score[name] for score in scores for name in ("arm", "run")})
        raise UserError(f"{arm!r} is no arm with a score; {did_you_mean(arm, known, otherwise='known: ' + ', '.join(known))}")
    return found


def tasks_of(scores: list[dict], arm: str) -> list[str]:
    """The tasks under which any run of an arm was scored."""
    return list(dict.fromkeys(task for score in of_arm(scores, arm) for task in score["tasks"]))


def common(*sides: dict[str, dict]) -> list[tuple[dict, ...]]:
    """The sides' answers to each question that all of them were asked, in the order of the first."""
    first, *others = sides
    return [(row, *(other[question] for other in others)) for question, row in first.items() if all(question in other for other in others)]
