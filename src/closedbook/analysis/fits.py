"""The curve of each strategy, through its arms: one point per size, on the questions that all its points share."""

from statistics import fmean

from closedbook.analysis import curve, table
from closedbook.analysis.compare import answers


def of(found: list[dict], task: str, rows: list[dict]) -> dict[str, dict]:
    """curve.fit of each strategy, and the number "n" of questions behind it: one point per size, of its longest training the mean over seeds on
    the questions that all points share. `found` are the scores, with the paths of their samples, and `rows` those of table.rows under the task."""
    return {strategy: _fit(longest, answers.read(found, [arm["arm"] for arm in longest], task)) for strategy, longest in sizes(rows).items()}


def sizes(rows: list[dict]) -> dict[str, list[dict]]:
    """Strategy -> the first row of the longest trained arm of each size, from the smallest to the largest."""
    points: dict[str, list[dict]] = {}
    for (strategy, _), arms in table.by_size(rows).items():
        points.setdefault(strategy, []).append(arms[-1][0])
    return points


def _fit(longest: list[dict], answered: list[answers.Answers]) -> dict:
    right = [arm.right() for arm in answered]
    shared = [question for question in right[0] if all(question in of_arm for of_arm in right)]
    if not shared:
        return {"n": 0, **curve.unfitted("its arms share no questions")}
    means = [fmean(of_arm[question] for question in shared) for of_arm in right]
    return {"n": len(shared), **curve.fit([(arm["corpus_tokens"], mean) for arm, mean in zip(longest, means, strict=True)])}
