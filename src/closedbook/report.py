"""The report step: how much is known with the book closed, what was taught, and what was dropped, fell back and was paid."""

import base64
import csv
from pathlib import Path
from statistics import fmean

from closedbook import files, plots, tally
from closedbook.lineage import page as lineage
from closedbook.strategies import STRATEGIES

COLUMNS = ("strategy", "corpus_tokens", "train_tokens", "seed", "task", "accuracy", "stderr", "n", "n_documents")
ORDER = ("base", *STRATEGIES)
"""of the lines; mixtures come after them, by name"""
EXCERPT = 1200
"""characters shown of an example; a whole document is longer than anybody reads here"""


def build(
    *, scores: list[Path], runs: list[Path], corpora: list[Path], documents: list[Path], entities: list[Path], passages: list[Path],
    tasks: list[str], notes: list[str], examples: int, seed: int, folder: Path,
) -> None:
    """Write report.html, accuracy.png, losses.png, table.csv, metrics.json and losses.csv into `folder`, and the lineage page.

    `runs` are run.json files, each with its losses.csv beside it; `corpora` are folders. The first of `tasks` is the headline; `notes` are
    caveats in plain words; `examples` passages a strategy are shown, chosen by `seed`.
    """
    folder = Path(folder)
    found = _in_order(scores)
    rows = _rows(found, tasks)
    curves = [_with_losses(run) for run in _in_order(runs)]
    headline = [row for row in rows if row["task"] == tasks[0]]
    _write_csv(folder / "table.csv", COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
    _write_csv(folder / "losses.csv", ("arm", "step", "loss"), _loss_rows(curves))
    files.write_json(folder / "metrics.json", _metrics(rows))
    plots.accuracy(
        folder / "accuracy.png",
        points=[row for row in headline if row["strategy"] != "base"],
        base=[row for row in headline if row["strategy"] == "base"],
        otherwise=found[0]["explanation"],
    )
    plots.losses(folder / "losses.png", curves=curves)
    page = _page(
        headline=headline,
        others={task: [row for row in rows if row["task"] == task] for task in tasks[1:]} if rows else {},
        explanation=found[0]["explanation"],
        curves=curves,
        tally=tally.take(entities=entities, passages=passages, examples=examples, seed=seed),
        notes=notes,
        pictures={name: _embedded(folder / f"{name}.png") for name in ("accuracy", "losses")},
    )
    files.write_text(folder / "report.html", page)
    lineage.build(
        scores=[score["path"] for score in found], runs=[curve["path"] for curve in curves], corpora=corpora, documents=documents,
        entities=entities, passages=passages, folder=folder,
    )


def table(scores: list[Path], tasks: list[str]) -> str:
    """The arms as plain text, one block a task, the way a terminal shows them."""
    found = _in_order(scores)
    rows = _rows(found, tasks)
    if not rows:
        lines = [("arm", "corpus tokens", "train tokens", "seed")]
        lines += [(row["arm"], f"{row['corpus_tokens']:,}", f"{row['train_tokens']:,}", _seed(row)) for row in found]
        return f"{_aligned(lines)}\n{found[0]['explanation']}"
    return "\n\n".join(_task_block(task, [row for row in rows if row["task"] == task]) for task in tasks)


def _task_block(task: str, rows: list[dict]) -> str:
    lines = [(task, "accuracy", "corpus tokens", "train tokens", "seed")]
    for row in rows:
        accuracy = _with_error(row["accuracy"], row["stderr"])
        lines.append((row["arm"], accuracy, f"{row['corpus_tokens']:,}", f"{row['train_tokens']:,}", _seed(row)))
    return _aligned(lines)


def _aligned(lines: list[tuple]) -> str:
    """The first column to the left, the others to the right, two spaces apart."""
    first, *others = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join([line[0].ljust(first), *(cell.rjust(n) for cell, n in zip(line[1:], others))]) for line in lines)


def _seed(row: dict) -> str:
    return "–" if row["seed"] is None else str(row["seed"])


def _with_error(value: float, stderr: float | None) -> str:
    """The mean ± its standard error, which a single question has none of."""
    return f"{value:.3f}" if stderr is None else f"{value:.3f} ± {stderr:.3f}"


def _in_order(records: list[Path]) -> list[dict]:
    """Scores or runs: the base first, then strategy by strategy and mixture by mixture, each from its smallest arm to its largest."""
    found = [{**files.read_json(path), "path": Path(path)} for path in records]
    sizes = ("corpus_tokens", "train_tokens", "arm")
    order = [*ORDER, *sorted({one["strategy"] for one in found} - {*ORDER})]
    return sorted(found, key=lambda one: (order.index(one["strategy"]), *(one[name] for name in sizes), one["seed"] or 0))


def _rows(found: list[dict], tasks: list[str]) -> list[dict]:
    """One row a score and task, task by task; none where there were no questions."""
    facts = ("run", "arm", "strategy", "corpus_tokens", "train_tokens", "seed")
    return [
        {**{name: score[name] for name in facts}, "task": task, **score["tasks"][task]}
        for task in tasks
        for score in found
        if score["tasks"]
    ]


def _with_losses(run: dict) -> dict:
    with open(run["path"].parent / "losses.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {**run, "steps": [int(row["step"]) for row in rows], "losses": [float(row["loss"]) for row in rows]}


def _loss_rows(curves: list[dict]):
    """(arm, step, loss); over several seeds, which train for as many steps, their mean."""
    arms = {}
    for curve in curves:
        arms.setdefault(curve["arm"], []).append(curve)
    for arm, seeds in arms.items():
        for step, *losses in zip(seeds[0]["steps"], *(curve["losses"] for curve in seeds), strict=True):
            yield arm, step, fmean(losses)


def _metrics(rows: list[dict]) -> dict:
    """{arm: {task: accuracy}}; over several seeds, their mean."""
    values = {}
    for row in rows:
        values.setdefault(row["arm"], {}).setdefault(row["task"], []).append(row["accuracy"])
    return {arm: {task: round(fmean(seeds), 4) for task, seeds in tasks.items()} for arm, tasks in values.items()}


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
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number="{:,}".format, usd="{:,.4f}".format)
    return environment.get_template("report.html.j2").render(
        **facts, with_error=_with_error, shown_seed=_seed, excerpt=EXCERPT,
        colours={line: colour for line, (colour, _) in plots.looks(row["strategy"] for row in facts["headline"]).items()},
    )
