"""The report stage: how much is known closed-book, how sure that is, and what was taught, dropped, replaced by a fallback and paid."""

import base64
import csv
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

from closedbook import layout, params
from closedbook.analysis import asked, certainty, diversity, fits, plots, summed_up, table, tally
from closedbook.analysis.compare import assistants, forgotten, overview, resampling, words
from closedbook.evaluation import whose
from closedbook.util import files

TEMPLATES = Path(__file__).parent.parent / "analysis/templates"
SERVED = f"http://127.0.0.1:{layout.PORT}/"
"""where links lead: to closedbook serve, if it runs"""
EXCERPT = 1200
"""characters shown of an example; a whole document is longer than anybody reads here"""


def job(*, params: SimpleNamespace, limits: params.Limits, **paths) -> None:
    build(tasks=params.scores.tasks, settings=params.report, seed=params.seed, **paths)


def build(
    *, scores: list[Path], samples: list[Path], questions: list[Path], runs: list[Path], corpora: list[Path], entities: list[Path],
    passages: list[Path], judgements: list[Path], summaries: list[Path], verdicts: list[Path], tasks: list[str],
    settings: params.Report, seed: int, folder: Path, dialogues: list[Path] = (),
) -> None:
    """Write report.html, accuracy.png, losses.png, table.csv, comparisons.json, curve.json, diversity.json, metrics.json and losses.csv
    into `folder`.

    `samples` has a {run}.samples.jsonl for each of `scores`; `runs` are run.json files, each with its losses.csv beside it; `corpora` are
    folders; `judgements` is their one file, or nothing; `verdicts` has a file for each of `summaries`; `dialogues` are dialogues.json files. The
    first of `tasks` is the headline; `seed` chooses the examples of passages, and the questions that are shown where they are many, and draws the
    resamples behind the intervals of forgetting.
    """
    folder = Path(folder)
    found = _with_samples(table.in_order(scores), samples)
    rows = table.rows(found, tasks)
    curves = [_with_losses(run) for run in table.in_order(runs)]
    summed = [files.read_json(path) for path in summaries], table.in_order(verdicts)
    compared = _compared(found, tasks, seed) | ({"summaries": summed_up.rows(summed[1])} if verdicts else {})
    drawn = [row for row in rows if row["strategy"] != whose.ASSISTANT]
    fitted = {task: fits.of(found, task, [row for row in drawn if row["task"] == task]) for task in tasks}
    _write_numbers(folder, found, rows, curves, compared, fitted)
    files.write_json(folder / "diversity.json", varied := diversity.measure(corpora, passages))
    headline = [row for row in rows if row["task"] == tasks[0]]
    of_arms = [row for row in drawn if row["task"] == tasks[0]]
    plots.accuracy(
        folder / "accuracy.png", rows=of_arms, fits=fitted[tasks[0]], paper=settings.paper_curve, otherwise=found[0]["explanation"]
    )
    plots.losses(folder / "losses.png", curves=[run for run in curves if run["steps"]])
    judged = files.read_json(judgements[0]) if judgements else None
    by_task = {task: listed for task in tasks if (listed := [row for row in rows if row["task"] == task])}
    page = _page(
        headline=headline,
        asked=asked.listed(found, questions, corpora, passages, tasks[0], seed) if headline else None,
        others={task: listed for task, listed in by_task.items() if task != tasks[0]},
        answered={task: listed for task, listed in by_task.items() if table.details(listed[0])},
        explanation=found[0]["explanation"],
        compared=compared | {"comparisons": compared["comparisons"][tasks[0]]},
        fits=fitted[tasks[0]],
        repeated=plots.repeated(of_arms),
        diversity=varied,
        paper_curve=settings.paper_curve,
        curves=[run for run in curves if run["steps"]],
        bases=[*dict.fromkeys(run["base"]["model"] for run in curves)],
        distilled=[run for run in curves if "teacher" in run],
        tally=tally.take(entities=entities, passages=passages, judged=judged, summed=summed, examples=settings.examples, seed=seed),
        judged=judged,
        judge=summed[1][0]["judge"] if verdicts else None,
        summed_up=compared.get("summaries", []),
        corpora=[{"name": Path(folder).name, **files.read_json(Path(folder) / "corpus.json")} for folder in corpora],
        dialogues=[{"name": path.parent.name, **files.read_json(path)} for path in dialogues],
        notes=settings.notes,
        pictures={name: _embedded(folder / f"{name}.png") for name in ("accuracy", "losses")},
    )
    files.write_text(folder / "report.html", page)


def _with_samples(scores: list[dict], samples: list[Path]) -> list[dict]:
    by_run = {path.name.removesuffix(".samples.jsonl"): path for path in samples}
    return [{**score, "samples": by_run[score["run"]]} for score in scores]


def _compared(found: list[dict], tasks: list[str], seed: int) -> dict:
    """What comparisons.json holds."""
    return {
        "comparisons": {task: overview.comparisons(found, task) for task in tasks},
        "shares": overview.shares(found),
        "forgetting": forgotten.rows(found, seed),
        "assistants": assistants.rows(found),
    }


def _write_numbers(folder: Path, found: list[dict], rows: list[dict], curves: list[dict], compared: dict, fitted: dict) -> None:
    header, cells = table.csv_rows(rows)
    refused = table.refused_rows(found, list(compared["comparisons"]))
    _write_csv(folder / "table.csv", header, [*cells, *([*row, *[None] * (len(header) - len(row))] for row in refused)])
    _write_csv(folder / "losses.csv", ("arm", "step", "loss"), _loss_rows(curves))
    files.write_json(folder / "comparisons.json", compared)
    files.write_json(folder / "curve.json", fitted)
    files.write_json(folder / "metrics.json", table.metrics(found, rows))


def _with_losses(run: dict) -> dict:
    rows, measured = (_csv(run["path"].parent / name) for name in ("losses.csv", "held_out.csv"))
    steps = [int(row["step"]) for row in measured]
    held_out = {name: (steps, [float(row[name]) for row in measured]) for name in ("passages", "replay") if measured and measured[0][name]}
    return {**run, "steps": [int(row["step"]) for row in rows], "losses": [float(row["loss"]) for row in rows], "held_out": held_out}


def _csv(path: Path) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _loss_rows(curves: list[dict]):
    """(arm, step, loss); over several seeds the mean of those that trained for so many steps."""
    arms = {}
    for run in curves:
        arms.setdefault(run["arm"], []).append(run)
    for arm, seeds in arms.items():
        by_step = {}
        for run in seeds:
            for step, loss in zip(run["steps"], run["losses"], strict=True):
                by_step.setdefault(step, []).append(loss)
        yield from ((arm, step, fmean(losses)) for step, losses in by_step.items())


def _write_csv(path: Path, header: tuple, rows) -> None:
    with files.whole_file(path) as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([round(cell, 6) if isinstance(cell, float) else cell for cell in row] for row in rows)


def _embedded(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"


def _page(**facts) -> str:
    """report.html.j2 with these facts; whatever comes from a document or a model is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    lines = [one["strategy"] for one in (*facts["headline"], *facts["corpora"])]
    environment.filters.update(number="{:,}".format, usd="{:,.4f}".format)
    return environment.get_template("report.html.j2").render(
        **facts, with_error=table.with_error, told_from_chance=table.told_from_chance, few=table.FEW, interval_of=table.interval_of,
        shown_seed=table.seed_of, parts=table.parts, served=SERVED, part_names=table.PARTS, by_arm=table.by_arm, details=table.details, book=table.book, untaught=(*table.UNTAUGHT, whose.ASSISTANT), excerpt=EXCERPT,
        questions_only=certainty.QUESTIONS, p_of=words.p_of, least=resampling.LEAST,
        colours={line: colour for line, (colour, _) in plots.looks(lines).items()},
    )
