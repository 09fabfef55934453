"""What came of an experiment, for the terminal: the table of arms, which scores can't be relied on, and where the results lie."""

from closedbook import layout
from closedbook.analysis import table
from closedbook.util.errors import UserError
from closedbook.workflow import recipes, upkeep
from closedbook.workflow.plan import Plan
from closedbook.workflow.snakemake import Graph


def lines(plan: Plan) -> list[str]:
    """Raises UserError where nothing is scored yet."""
    names = {layout.score(name): f"scores/{name}" for name in recipes.score_names(plan.params)}
    scores = [path for path in names if path.is_file()]
    if not scores:
        raise UserError(f"{layout.SCORES}: no scores of params.yaml yet: run make reproduce, or snakemake --cores all")
    doubted = doubts(plan)
    doubtful = {path: doubted[name] for path, name in names.items() if path in scores and name in doubted}
    found = table.text(scores, recipes.all_tasks(plan.params), {path.stem for path in doubtful}).splitlines()
    return [*found, "", *(f"* {path}: {why}" for path, why in doubtful.items()), *_where(plan)]


def doubts(plan: Plan) -> dict[str, str]:
    """{job: why its result is not what params.yaml, code and documents give now}"""
    verdicts = upkeep.check(plan)
    stale = {job.name: why for job in plan.jobs.values() if (why := verdicts[job.receipt])}
    behind = Graph(plan.jobs).due(stale)
    return {name: stale.get(name, "made from results that are stale: closedbook fresh names them") for name in behind}


def _where(plan: Plan) -> list[str]:
    report, runs = layout.REPORT / "report.html", [name for name in recipes.run_names(plan.params) if layout.run_facts(name).is_file()]
    return [f"report: {report}"] * report.is_file() + [f"models: {layout.RUNS}/, for {', '.join(runs)}"] * bool(runs)
