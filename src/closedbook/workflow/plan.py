"""The plan: what params.yaml and the documents ask for, known before any job runs.

Planning writes, only where their content changed, one recipe file a job kind and one article file a document under .closedbook/;
these are the first inputs of the graph. The source is read anew where anything that its articles are made from has changed since the last
plan: a plan is made some thirty times in a run of DVC's stages, and reading ten thousand documents takes a minute.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from closedbook import layout, params, sources
from closedbook.evaluation import forgetting, instructions, tasks
from closedbook.generation.strategies import imported, mixture
from closedbook.models import pinning
from closedbook.params import Params
from closedbook.sources import given
from closedbook.training import amounts
from closedbook.util import files, fingerprint
from closedbook.util.errors import UserError
from closedbook.workflow import receipts, recipes, registry
from closedbook.workflow.receipts import ARMS, CHECKPOINTS, LIMITS, WORK
from closedbook.workflow.registry import Job

BASE_REPLAY = f"{layout.BASE}/replay.jsonl"
KEPT = WORK / "planned.json"
"""the hash of each file that the last plan wrote: the plan of an older state stays where its results are brought back, and nothing must run"""
SETTINGS = WORK / "params.json"
"""params.yaml as the last plan read it"""
IMPORTED = WORK / "imported.json"
"""of which state of rows, documents and columns the rows were found right"""
SOURCES_READ = WORK / "sources.json"
"""what the files in layout.SOURCES were made from, and the hash of each"""


class Articles(NamedTuple):
    documents: dict[str, int | None]
    """each by its id, and the training seed whose runs alone learn it (None: every run does)"""
    texts: dict[Path, str]
    """their files"""
    made_from: str
    """the digest of all that decides them"""

    def keep(self) -> None:
        """To be called when the files are written."""
        hashes = {path.name: files.sha256_text(text) for path, text in self.texts.items()}
        files.write_json(SOURCES_READ, {"made_from": self.made_from, "documents": self.documents, "sha256": hashes})


@dataclass(frozen=True, kw_only=True)
class Plan:
    params: params.Params
    articles: Articles
    recipes: dict[str, dict]
    jobs: dict[str, Job]
    """every job of the whole pipeline, by name, each after those whose results it reads"""
    written: dict[Path, str]
    """what planning writes for the jobs, by path: recipes and articles"""

    @property
    def documents(self) -> dict[str, int | None]:
        return self.articles.documents

    def receipts(self) -> dict[Path, dict]:
        """The receipt of every job, and its recipe."""
        return {job.receipt: self.recipes[job.recipe] for job in self.jobs.values()}


def make(write: bool = True, anew: bool = False) -> Plan:
    """Read params.yaml and the source; write recipes, article files and limits, unless `write` is false, as for a look beside a live run.

    `anew`: believe nothing that an earlier plan has written.

    Raises UserError for everything wrong with either, before any work begins.
    """
    if anew:
        fingerprint.parse_anew()
    settings = params.load()
    tasks.check_tasks(settings.scores.tasks)
    tasks.check_headline(settings.scores.tasks)
    for name, arm in settings.arms.items():
        tasks.check_tasks(arm.tasks or [], field=f"arms.{name}.tasks")
        if arm.corpus_tokens != "all":
            amounts.train_tokens(name, arm, arm.corpus_tokens)
    for name, one in settings.released.items():
        tasks.check_tasks(one.tasks or [], field=f"arms.{name}.tasks")
    for name, one in settings.api_models.items():
        tasks.check_tasks(one.tasks, field=f"api_models.{name}.tasks")
        tasks.check_in_words(one.tasks, one.model)
    forgetting.check_tasks(settings.scores.forgetting)
    _check_judge(settings)
    instructions.check_tasks(settings.scores.instructions)
    _check_base(settings)
    _check_replay(settings.corpora.replay.path)
    mixture.check(settings)
    articles = read_articles(settings, anew)
    _check_strengths(settings, articles)
    _check_imported(settings, articles)
    planned = registry.planned(settings, articles.documents)
    written = {WORK / "recipes" / f"{name}.json": files.canonical(recipe) + "\n" for name, recipe in planned.items()} | articles.texts
    jobs = registry.jobs(planned, list(articles.documents))
    plan = Plan(params=settings, articles=articles, recipes=planned, jobs=jobs, written=written)
    if write:
        keep(plan)
    return plan


def keep(plan: Plan) -> None:
    """Write what the jobs of a plan read."""
    _keep(plan.written)
    files.write_json(KEPT, {str(path): files.sha256_text(text) for path, text in plan.written.items()})
    plan.articles.keep()
    files.write_json(SETTINGS, plan.params.model_dump(mode="json"))
    files.write_json(LIMITS, plan.params.limits.model_dump())
    files.write_json(ARMS, recipes.trained_on(plan.params, plan.documents))
    files.write_json(CHECKPOINTS, recipes.checkpoint_steps(plan.params))


def kept() -> Plan:
    """What was kept, as far as it says which jobs there are: for Snakemake's own processes on other machines, which read the rules anew,
    whatever has been done to params.yaml and the documents meanwhile."""
    found = {path.relative_to(WORK / "recipes"): path for path in map(Path, files.read_json(KEPT)) if path.is_relative_to(WORK / "recipes")}
    planned = {str(name.with_suffix("")): files.read_json(path) for name, path in found.items()}
    articles = Articles(files.read_json(SOURCES_READ)["documents"], {}, "")
    jobs = registry.jobs(planned, list(articles.documents))
    return Plan(params=params.of(files.read_json(SETTINGS), SETTINGS), articles=articles, recipes=planned, jobs=jobs, written={})


def check_lengths(plan: Plan, verdicts: dict[Path, str | None]) -> None:
    """Raises UserError for a training that is shorter than its corpus, where that is here and fresh; where it must be made, its job does so."""
    for arm, seed in recipes.arms_and_seeds(plan.params):
        corpus = plan.jobs[f"corpora/{recipes.corpus_of(plan.params, arm, seed, plan.documents)}"]
        if verdicts[corpus.receipt] is None:
            facts = files.read_json(corpus.files.folders["folder"] / "corpus.json")
            amounts.train_tokens(arm, plan.params.arms[arm], facts["corpus_tokens"])


def _check_judge(settings: params.Params) -> None:
    if settings.judge.model is None and recipes.summary_names(settings):
        raise UserError(f"params.yaml: judge.model: null, and {tasks.SUMMARY} needs a judge: name a model, or miniature/judge for the miniature's "
                        f"books, or leave {tasks.SUMMARY} out of scores.tasks, arms and api_models")  # fmt: skip


def _check_strengths(settings: params.Params, articles: Articles) -> None:
    """A strength is chosen on the validation questions, which are those of every fifth document that has some."""
    several = [name for name, one in settings.assistants.items() if one.method == "vector" and len(one.strength) > 1]
    asked = {path.stem for path, text in articles.texts.items() if several and json.loads(text)["questions"]}
    for name in several:
        for seed in settings.arms[settings.assistants[name].run].seeds or settings.training.seeds:
            if len(asked.intersection(recipes.taught_to(seed, articles.documents))) < tasks.LEAST_FOR_VALIDATION:
                raise UserError(f"params.yaml: assistants.{name}.strength: which of several is best is chosen on validation questions, and there are "
                                f"none where fewer than {tasks.LEAST_FOR_VALIDATION} documents have questions: give one value, as [1.0]")  # fmt: skip


def _check_imported(settings: params.Params, articles: Articles) -> None:
    """Each row is looked at once for each state of the file, the documents and the columns: there may be half a million."""
    if "imported" not in recipes.strategies(settings):
        return
    chosen = settings.passages.imported
    if chosen.path is None or not (given.is_file(chosen.path) or "@" in chosen.path):
        problem = "null" if chosen.path is None else f"{chosen.path}: no such file"
        raise UserError(f"params.yaml: {imported.FIELD}: {problem}: an arm has the strategy imported: give it {imported.ROWS}, in a file or a data "
                        "set on the Hugging Face Hub, NAME@REVISION#SPLIT")
    titles = {(one := json.loads(text))["id"]: one["title"] for text in articles.texts.values()}
    hashes = receipts.Hashes.here()
    content = hashes.sha256(chosen.path) if given.is_file(chosen.path) else None
    hashes.save()
    state = files.sha256_text(files.canonical([chosen.model_dump(), content, titles]))
    if not IMPORTED.exists() or files.read_json(IMPORTED) != state:
        imported.check(settings.passages, titles)
        files.write_json(IMPORTED, state)


def _check_base(settings: params.Params) -> None:
    """A base that comes with the receipt of its making is not made anew: that params.yaml asks for another would change nothing."""
    receipt = Path(settings.base.model) / pinning.RECEIPT
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
        if not path.exists() or files.sha256_file(path) != files.sha256_text(text):
            files.write_text(path, text)
    for path in [*(WORK / "recipes").rglob("*.json"), *layout.SOURCES.rglob("*.json")]:
        if path not in wanted:
            path.unlink()


def read_articles(params: Params, anew: bool) -> Articles:
    """`anew`: as an audit must, for whoever can write to these files could make an edited source look unchanged.

    Raises UserError for whatever is wrong with the source.
    """
    made_from = _made_from(params)
    return (None if anew else _remembered(made_from)) or _read_source(params, made_from)


def _read_source(params: Params, made_from: str) -> Articles:
    found = sources.articles(params.documents, params.miniature, params.seed, params.training.seeds)
    texts = {layout.source(article.id): files.canonical(article.as_dict()) + "\n" for article in found}
    return Articles({article.id: article.seed for article in found}, texts, made_from)


def _remembered(made_from: str) -> Articles | None:
    """What the last plan wrote, where it was made from the same and every file is as it was."""
    known = files.read_json(SOURCES_READ) if SOURCES_READ.is_file() else {}
    if known.get("made_from") != made_from:
        return None
    texts = {}
    for path, sha256 in ((layout.SOURCES / name, sha256) for name, sha256 in known["sha256"].items()):
        content = path.read_bytes() if path.is_file() else b""
        if files.sha256_bytes(content) != sha256:
            return None
        texts[path] = content.decode("utf-8")
    return Articles(known["documents"], texts, made_from)


def _made_from(params: Params) -> str:
    source, path, hashes = params.documents.source, Path(params.documents.path), receipts.Hashes.here()
    within = (file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    contents = {ascii(str(file)): _sha256(file, hashes) for file in within}
    hashes.save()
    code = [fingerprint.digest("closedbook.sources:articles")]
    if maker := sources.GENERATED.get(source):
        code += [fingerprint.digest(f"{maker}:rows")]
    settings = params.model_dump(include={"documents", "miniature", "seed"}) | {"seeds": params.training.seeds}
    return files.sha256_text(files.canonical([settings, contents, code, receipts.versions()]))


def _sha256(file: Path, hashes: receipts.Hashes) -> str | None:
    """None of a file that can't be read, or whose name is no text: the source says why, unless it passes it over."""
    try:
        return hashes.sha256(str(file).encode().decode())
    except (OSError, UnicodeEncodeError):
        return None
