"""The plan: what params.yaml and the documents ask for, known before any job runs.

Planning writes, only where their content changed, one recipe file a job kind and one article file a document under .closedbook/;
these are the first inputs of the graph.
"""

from dataclasses import dataclass
from pathlib import Path

from closedbook import params, sources
from closedbook.evaluation import forgetting, tasks
from closedbook.generation.strategies import check
from closedbook.stages import base
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts, registry
from closedbook.workflow.receipts import LIMITS, WORK
from closedbook.workflow.registry import Job

BASE_REPLAY = "results/base/replay.jsonl"


@dataclass(frozen=True, kw_only=True)
class Plan:
    params: params.Params
    documents: dict[str, int | None]
    """each by its id, and the training seed whose runs alone learn it (None: every run does)"""
    recipes: dict[str, dict]
    jobs: dict[str, Job]
    """every job of the whole pipeline, by name, each after those whose results it reads"""
    written: dict[Path, str]
    """what planning writes for the jobs, by path: recipes and articles"""

    def receipts(self) -> dict[Path, dict]:
        """The receipt of every job, and its recipe."""
        return {job.receipt: self.recipes[job.recipe] for job in self.jobs.values()}


def make(write: bool = True) -> Plan:
    """Read params.yaml and the source; write recipes, article files and limits, unless told not to, as a look beside a live run must.

    Raises UserError for everything wrong with either, before any work begins.
    """
    settings = params.load()
    tasks.check_tasks(settings.scores.tasks)
    for name, arm in settings.arms.items():
        tasks.check_tasks(arm.tasks or [], field=f"arms.{name}.tasks")
    for name, reader in settings.readers.items():
        tasks.check_tasks(reader.tasks, field=f"readers.{name}.tasks")
        tasks.check_in_words(reader.tasks, reader.model)
    forgetting.check_tasks(settings.scores.forgetting)
    _check_base(settings)
    _check_replay(settings.corpora.replay.path)
    check.check(settings)
    articles = sources.articles(settings.documents, settings.miniature, settings.seed, settings.training.seeds)
    documents = {article.id: article.seed for article in articles}
    planned = registry.planned(settings, documents)
    texts = {WORK / "recipes" / f"{name}.json": recipe for name, recipe in planned.items()}
    texts |= {WORK / "sources" / f"{article.id}.json": article.as_dict() for article in articles}
    written = {path: files.canonical(value) + "\n" for path, value in texts.items()}
    plan = Plan(params=settings, documents=documents, recipes=planned, jobs=registry.jobs(planned, list(documents)), written=written)
    if write:
        keep(plan)
    return plan


def keep(plan: Plan) -> None:
    """Write what the jobs of a plan read."""
    _keep(plan.written)
    files.write_json(LIMITS, plan.params.limits.model_dump())


def _check_base(settings: params.Params) -> None:
    """A base that comes with the receipt of its making is not made anew: that params.yaml asks for another would change nothing."""
    receipt = Path(settings.base.model) / base.RECEIPT
    if not receipt.is_file():
        return
    try:
        made = receipts.read(receipt)["recipe"]["params"].get("miniature", {})
    except UserError as error:
        raise UserError(f"params.yaml: base.model: {str(error).removesuffix(receipts.REMEDY)}: take the folder anew, or, if that file is "
                        "something else, rename it") from None
    for name, then in made.items():
        now = getattr(settings.miniature, name)
        if now != then and name != "people":  # that one is about the books to be learned too
            raise UserError(f"params.yaml: miniature.{name}: the base in {settings.base.model} was made with {then}, not {now}: set "
                            f"base.model: miniature to make another, or give {then}")


def _check_replay(path: str) -> None:
    if path != BASE_REPLAY and not Path(path).is_file():
        raise UserError(f"params.yaml: corpora.replay.path: {path}: no such file: give it rows {{\"text\": ...}}, or set {BASE_REPLAY} and, "
                        "unless base.model is miniature, rate 0.0")


def _keep(wanted: dict[Path, str]) -> None:
    """Make the folders of recipes and articles hold just these files, touching none that is right already."""
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)
    for path in [*(WORK / "recipes").rglob("*.json"), *(WORK / "sources").rglob("*.json")]:
        if path not in wanted:
            path.unlink()
