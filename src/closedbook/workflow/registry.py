"""The only list of stages: what each runs, reads, writes and depends on. Rules, receipts, recipes, DVC, lineage and prune follow it.

A stage is one kind of work: one module, one rule file, one DVC stage, one folder of results. Its jobs are named STAGE/WHAT ("runs/raw-s1",
"passages/entigraph/mill"); the receipt of each lies under that name in results/receipts/. To add a stage, add an entry here, its module and
its rule; docs/architecture.md shows it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path

from closedbook import layout
from closedbook.evaluation import tasks
from closedbook.generation.strategies import STRATEGIES, is_of_pairs
from closedbook.params import Params
from closedbook.util import fingerprint
from closedbook.workflow import recipes
from closedbook.workflow.receipts import ARMS, CHECKPOINTS, FOLDER, WORK
from closedbook.workflow.recipes import Bound

CORPUS = ("corpus.json", "pieces.json", "passages.npy", "passages.jsonl", "lines.npy", "held_out.npy", "rejected.jsonl")
REPLAY = ("replay.json", "tokens.npy", "offsets.npy", "replay.jsonl", "lines.npy", "held_out.npy", "held_out_offsets.npy")
DIALOGUES = ("dialogues.json", "tokens.npy", "is_answer.npy", "offsets.npy", "dialogues.jsonl", "lines.npy", "rejected.jsonl")
ASSISTANT = ("assistant.json", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
REPORT = ("report.html", "table.csv", "comparisons.json", "curve.json", "diversity.json", "losses.csv", "metrics.json",
          "accuracy.png", "losses.png")
"""the files of these folders"""
Given = dict[str, Path | list[Path]]


@dataclass(frozen=True, kw_only=True)
class Files:
    """What one job reads and writes, by the names of the stage's arguments."""

    inputs: Given = field(default_factory=dict)
    """files, lists of files, or folders, of which all files are read"""
    outputs: dict[str, Path] = field(default_factory=dict)
    """files"""
    folders: dict[str, Path] = field(default_factory=dict)
    """folders that are the job's own: it is given an empty one, whose files take their places once all are there"""
    holds: tuple[str, ...] = ()
    """the files that such a folder holds at least, by name"""
    work: dict[str, Path] = field(default_factory=dict)
    """folders for what is half done"""
    asides: dict[str, Path] = field(default_factory=dict)
    """files that decide nothing of what is written, as who is to be named in an error, or how often a training is kept: another content is no
    reason to run"""

    @property
    def writes(self) -> list[Path]:
        """All files that the job writes at least: a model brings more, of names that its kind decides."""
        return [*self.outputs.values(), *(folder / name for folder in self.folders.values() for name in self.holds)]

    def read(self) -> list[Path]:
        return [path for given in self.inputs.values() for path in (given if isinstance(given, list) else [given])]


@dataclass(frozen=True, kw_only=True)
class Stage:
    module: str
    """has `job(params, limits, **files)`: the recipe's parameters, the limits, and the files by name; it may return facts for the receipt.
    Where it is a coroutine function, many documents are worked on at once."""
    result: str
    """what one of its results is called"""
    recipes: Callable[[Params, Bound], dict[str, dict]]
    """what goes into its jobs besides files, by the recipe's name; one recipe serves all documents of a stage that works by document"""
    files: Callable[[list[str], dict], Files]
    """of a job, from the parts of its name after the first, and its recipe"""
    watches: tuple[str, ...]
    """what DVC watches in params.yaml"""
    reads: tuple[str, ...] = ()
    """the folders under results/ that DVC has as dependencies"""
    also_reads: tuple[str, ...] = ()
    """further dependencies of DVC's: paths of the project, or ${parameters}"""
    per_document: bool = False
    within: str | None = None
    """the stage among whose results its own are"""
    folders: tuple[str, ...] = ()
    """folders under results/ that it owns, beside the one of its name"""
    asks: Callable[[dict], list[str]] = lambda recipe: []
    """the language models, by LiteLLM's names, that its jobs ask, by their recipe's parameters: they wait for these most of the time"""
    computed: bool = False
    """whether the kind of processor decides bits"""

    def job(self) -> Callable:
        """Imported only when it runs: some modules load for seconds."""
        return import_module(self.module).job

    def code(self, without: frozenset[str] = frozenset()) -> str:
        """The digest of what it runs."""
        return fingerprint.of_stage(self.module, f"{__name__}:{self.files.__name__}", without)


@dataclass(frozen=True, kw_only=True)
class Job:
    name: str
    stage: str
    """whose code it runs"""
    recipe: str
    """the name of its recipe"""
    files: Files

    @cached_property
    def receipt(self) -> Path:
        return FOLDER / f"{self.name}.json"

    @property
    def place(self) -> str:
        """The stage among whose results its own are: an API model's score is one of the scores."""
        return self.name.partition("/")[0]


def _each(place: Callable[[str], Path], recipe: dict) -> list[Path]:
    """Of all documents of a recipe."""
    return [*map(place, recipe["documents"])]


def _documents(about: list[str], recipe: dict) -> Files:
    (document,) = about
    return Files(inputs={"source": layout.source(document)},
                 outputs={"document": layout.document(document), "questions": layout.questions(document)})


def _base(about: list[str], recipe: dict) -> Files:
    folder = layout.BASE
    return Files(inputs={"sources": [Path(path) for path in recipe["reads"]["files"]]}, folders={"folder": folder},
                 holds=("base.json", "replay.jsonl", "tokenizer.json"), work={"checkpoints": WORK / "checkpoints" / "base"})


def _entities(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"document": layout.document(about[0])}, outputs={"output": layout.entities(about[0])})


def _passages(about: list[str], recipe: dict) -> Files:
    strategy, document = about
    listed = [layout.entities(document)] if STRATEGIES[strategy].NEEDS_ENTITIES else []
    rows = {"rows": [*map(Path, recipe["reads"]["rows"])]} if "reads" in recipe else {}
    rows |= {"pairs": [layout.pairs(document)]} if is_of_pairs(strategy) else {}
    return Files(inputs={"document": layout.document(document), "entities": listed, **rows},
                 outputs={"output": layout.passages(strategy, document)})


def _pairs(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"documents": _each(layout.document, recipe), "entities": _each(layout.entities, recipe)},
                 folders={"folder": layout.PAIRS}, holds=tuple(f"{document}.json" for document in recipe["documents"]))


def _written(recipe: dict) -> list[Path]:
    """The passages of all strategies and documents of a recipe."""
    return [layout.passages(strategy, document) for strategy in recipe["reads"]["strategies"] for document in recipe["documents"]]


def _judgements(about: list[str], recipe: dict) -> Files:
    folder = layout.JUDGEMENTS
    return Files(inputs={"documents": _each(layout.document, recipe), "passages": _written(recipe)},
                 folders={"folder": folder}, holds=("judgements.json",))


def _tokens(about: list[str], recipe: dict) -> Files:
    strategy, document = about
    sketches = {"sketches": layout.tokens(strategy, document, ".sketches.npy")} if recipe["params"]["sketches"] else {}
    return Files(inputs={"passages": layout.passages(strategy, document), **_spelling()},
                 outputs={"tokens": layout.tokens(strategy, document), "index": layout.tokens(strategy, document, ".jsonl"), **sketches})


def _spelling() -> Given:
    """What of the base says how a text is tokenised."""
    return {"tokenizer": layout.BASE / "tokenizer.json", "pinned": layout.BASE_FACTS}


def _taught(recipe: dict) -> Given:
    """What is asked about the documents that are taught together, and what they say."""
    return {"questions": _each(layout.questions, recipe), "documents": _each(layout.document, recipe)}


def _overlap(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"passages": _written(recipe), **_taught(recipe)}, outputs={"output": layout.overlap(about[1])})


def _replay(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"replay": Path(recipe["reads"]["replay"]), **_spelling()}, folders={"folder": layout.replay(about[1])},
                 holds=REPLAY)


def _replay_overlap(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"replay": Path(recipe["reads"]["replay"]), **_taught(recipe)},
                 outputs={"output": layout.replay_overlap(about[1])})


def _pieces(recipe: dict, end: str = ".npy") -> list[Path]:
    """Of all strategies and documents of a recipe."""
    return [layout.tokens(strategy, document, end) for strategy in recipe["reads"]["strategies"] for document in recipe["documents"]]


def _corpora(about: list[str], recipe: dict) -> Files:
    near = recipe["params"]["filters"]["near_duplicates"] is not None
    overlap = [*map(layout.overlap, recipe["reads"]["overlap"])]
    return Files(inputs={"index": _pieces(recipe, ".jsonl"), "pieces": _pieces(recipe), "sketches": _pieces(recipe, ".sketches.npy") if near else [],
                         "overlap": overlap, "pinned": layout.BASE_FACTS},
                 folders={"folder": layout.CORPORA / about[0]}, holds=CORPUS, asides={"arms": ARMS})


def _teacher(about: list[str], recipe: dict) -> Files:
    reads = recipe["reads"]
    return Files(inputs={"corpus": layout.CORPORA / reads["corpus"], "pieces": _pieces(recipe), "documents": _each(layout.document, recipe),
                         "passages": _written(recipe) if recipe["params"]["llm"]["sections"] else [], "base": layout.BASE,
                         "files": [*map(Path, reads["files"])]},
                 folders={"folder": layout.TEACHER / about[0]}, holds=("teacher.json", "passages.npy"),
                 work={"checkpoints": WORK / "checkpoints" / f"teacher-{about[0]}"})


def _runs(about: list[str], recipe: dict) -> Files:
    folder, reads = layout.RUNS / about[0], recipe["reads"]
    return Files(inputs={"corpus": layout.CORPORA / reads["corpus"], "pieces": _pieces(recipe), "replay": layout.replay(),
                         "replay_overlap": layout.replay_overlap(reads["replay_overlap"]), "base": layout.BASE,
                         "dialogues": [*map(layout.dialogues, reads.get("dialogues", []))],
                         "teacher": [layout.TEACHER / name for name in reads.get("teacher", [])]},
                 folders={"folder": folder},
                 holds=("run.json", "schedule.npy", "losses.csv", "held_out.csv", "config.json", "tokenizer.json"),
                 work={"checkpoints": WORK / "checkpoints" / about[0]}, asides={"checkpoint_steps": CHECKPOINTS})


def _dialogues(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"pinned": layout.BASE_FACTS, "files": [*map(Path, recipe["reads"]["files"])], **_taught(recipe)},
                 folders={"folder": layout.dialogues(about[1])}, holds=DIALOGUES)


def _assistants(about: list[str], recipe: dict) -> Files:
    reads = recipe["reads"]
    return Files(inputs={"run": layout.RUNS / reads["run"], "base": layout.BASE, "files": [*map(Path, reads["files"])],
                         "dialogues": [*map(layout.dialogues, reads["dialogues"])],
                         "questions": _each(layout.questions, recipe) if reads["questions"] else []},
                 folders={"folder": layout.ASSISTANTS / about[0]}, holds=ASSISTANT, work={"checkpoints": WORK / "checkpoints" / about[0]},
                 asides={"checkpoint_steps": CHECKPOINTS})


def _retrieval(about: list[str], recipe: dict) -> Files:
    folder = layout.RETRIEVAL
    return Files(inputs={"documents": _each(layout.document, recipe), "questions": _each(layout.questions, recipe)},
                 folders={"folder": folder}, holds=("chunks.jsonl", "retrieval.json"))


def _asked(about: list[str], recipe: dict) -> Files:
    """What both kinds of scores read and write."""
    asked = recipe["params"]["scores"]["tasks"]
    return Files(inputs={
        "questions": _each(layout.questions, recipe),
        "documents": _each(layout.document, recipe) if recipe["reads"]["documents"] else [],
        "retrieved": [layout.RETRIEVAL / "chunks.jsonl"] if any(map(tasks.shows_chunks, asked)) else [],
    }, outputs={"output": layout.score(about[0]), "samples": layout.samples(about[0])})


def _scores(about: list[str], recipe: dict) -> Files:
    files = _asked(about, recipe)
    return replace(files, inputs={"model": _model(about[0], recipe), **files.inputs, "replay": [Path(path) for path in recipe["reads"]["replay"]]})


def _released(about: list[str], recipe: dict) -> Files:
    files = _asked(about, recipe)
    reads = {name: [*map(Path, recipe["reads"][name])] for name in ("files", "replay")}
    return replace(files, inputs={**files.inputs, "files_of": reads["files"], "replay": reads["replay"]})


def _model(name: str, recipe: dict) -> Path:
    """The folder of a model that is asked here."""
    made = layout.ASSISTANTS if recipe.get("reads", {}).get("assistant") else layout.RUNS
    return layout.BASE if name == "base" else made / name


def _summed_up(about: list[str], recipe: dict) -> Files:
    """What both kinds of models read and write."""
    return Files(inputs={"documents": _each(layout.document, recipe), "entities": _each(layout.entities, recipe)},
                 outputs={"output": layout.summaries(about[0])})


def _summaries(about: list[str], recipe: dict) -> Files:
    files = _summed_up(about, recipe)
    return replace(files, inputs={"model": _model(about[0], recipe), **files.inputs})


def _human_summaries(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"sources": _each(layout.source, recipe)}, outputs={"output": layout.summaries(about[0])})


def _verdicts(about: list[str], recipe: dict) -> Files:
    return Files(inputs={"summaries": layout.summaries(about[0]), "documents": _each(layout.document, recipe)},
                 outputs={"output": layout.verdicts(about[0])})


def _report(about: list[str], recipe: dict) -> Files:
    folder, scores = layout.REPORT, recipe["reads"]["scores"]
    return Files(inputs={
        "questions": _each(layout.questions, recipe), "entities": _each(layout.entities, recipe), "passages": _written(recipe),
        "corpora": [layout.CORPORA / name for name in recipe["reads"]["corpora"]],
        "scores": [*map(layout.score, scores)], "samples": [*map(layout.samples, scores)],
        "runs": [*map(layout.run_facts, recipe["reads"]["runs"])],
        "judgements": [layout.JUDGED] if recipe["reads"]["judged"] else [],
        "verdicts": [*map(layout.verdicts, recipe["reads"].get("verdicts", []))],
        "summaries": [*map(layout.summaries, recipe["reads"].get("verdicts", []))],
        "dialogues": [layout.dialogues(name) / "dialogues.json" for name in recipe["reads"].get("dialogues", [])],
    }, folders={"folder": folder}, holds=REPORT)


def _models(*sections: str) -> Callable[[dict], list[str]]:
    def asked(params: dict) -> list[str]:
        found = []
        for section in sections:
            settings = params
            for name in section.split("."):
                settings = settings.get(name) or {}
            found += [settings["model"]] if settings.get("model") else []
        return found

    return asked


STEPS = {
    "documents": Stage(
        module="closedbook.stages.documents", result="document",
        recipes=recipes.documents, files=_documents, per_document=True, folders=("questions",),
        watches=("seed", "documents", "miniature", "training.seeds"), also_reads=("${documents.path}",),
    ),
    "base": Stage(
        module="closedbook.stages.base", result="base",
        recipes=recipes.base, files=_base, computed=True, also_reads=("${documents.path}",),
        watches=("seed", "base", "documents.source", "documents.path", "miniature", "training.device", "training.dtype", "training.threads",
                 "training.block_size", "training.lora", "arms", "scores.tasks"),
    ),
    "entities": Stage(
        module="closedbook.stages.entities", result="entity list",
        recipes=recipes.entities, files=_entities, per_document=True, asks=_models("llm"),
        reads=("documents", "base"), watches=("seed", "entities", "llm", "spacy"),
    ),
    "pairs": Stage(
        module="closedbook.stages.pairs", result="pairs of documents",
        recipes=recipes.pairs, files=_pairs, asks=_models("passages.across.embedder"),
        reads=("documents", "entities", "base"), watches=("arms", "passages", "training.seeds"),
    ),
    "passages": Stage(
        module="closedbook.stages.passages", result="passages",
        recipes=recipes.passages, files=_passages, per_document=True, asks=_models("llm"),
        reads=("documents", "entities", "pairs", "base"),
        watches=("seed", "arms", "llm", "passages"),
    ),
    "judgements": Stage(
        module="closedbook.stages.judgements", result="judgements",
        recipes=recipes.judgements, files=_judgements, asks=_models("judge"),
        reads=("documents", "passages", "base"),
        watches=("seed", "arms", "judge"),
    ),
    "tokens": Stage(
        module="closedbook.stages.tokens", result="tokens",
        recipes=recipes.tokens, files=_tokens, per_document=True, reads=("documents", "questions", "passages", "base"),
        also_reads=("${corpora.replay.path}",), watches=("seed", "arms", "assistants", "corpora", "training.seeds", "training.block_size"),
    ),
    "overlap": Stage(
        module="closedbook.stages.overlap", result="passages that hold a question",
        recipes=recipes.overlap, files=_overlap, within="tokens", watches=(),
    ),
    "replay": Stage(
        module="closedbook.stages.replay", result="replay",
        recipes=recipes.replay, files=_replay, within="tokens", watches=(),
    ),
    "replay_overlap": Stage(
        module="closedbook.stages.replay_overlap", result="replay texts that hold a question",
        recipes=recipes.replay_overlap, files=_replay_overlap, within="tokens", watches=(),
    ),
    "dialogues": Stage(
        module="closedbook.stages.dialogues", result="dialogues",
        recipes=recipes.dialogues, files=_dialogues, within="tokens", watches=(),
    ),
    "corpora": Stage(
        module="closedbook.stages.corpora", result="corpus",
        recipes=recipes.corpora, files=_corpora, reads=("tokens", "base"), watches=("seed", "arms", "corpora", "training.seeds"),
    ),
    "teacher": Stage(
        module="closedbook.stages.teacher", result="teacher",
        recipes=recipes.teacher, files=_teacher, computed=True, reads=("documents", "passages", "tokens", "corpora", "base"),
        watches=("seed", "arms", "training", "corpora", "llm.sections"),
    ),
    "runs": Stage(
        module="closedbook.stages.runs", result="run",
        recipes=recipes.runs, files=_runs, computed=True, reads=("tokens", "corpora", "teacher", "base"),
        watches=("seed", "arms", "training", "corpora.replay"),
    ),
    "assistants": Stage(
        module="closedbook.stages.assistants", result="assistant",
        recipes=recipes.assistants, files=_assistants, computed=True, reads=("tokens", "runs", "questions", "base"), also_reads=("evals",),
        watches=("seed", "arms", "assistants", "training", "scores"),
    ),
    "retrieval": Stage(
        module="closedbook.stages.retrieval", result="chunks found for the questions",
        recipes=recipes.retrieval, files=_retrieval, computed=True,
        asks=_models("retrieval.embedder", "retrieval.reranker"), reads=("documents", "questions", "base"),
        watches=("retrieval", "arms", "scores.tasks", "api_models"),
    ),
    "scores": Stage(
        module="closedbook.stages.scores", result="score",
        recipes=recipes.scores, files=_scores, computed=True,
        reads=("questions", "documents", "retrieval", "runs", "assistants", "base"), also_reads=("evals", "${corpora.replay.path}"),
        watches=("seed", "arms", "assistants", "training.seeds", "scores", "corpora.replay.held_out", "retrieval", "api_models"),
    ),
    "released": Stage(
        module="closedbook.stages.released", result="score",
        recipes=recipes.released, files=_released, computed=True, within="scores", watches=(),
    ),
    "api_models": Stage(
        module="closedbook.stages.api_models", result="score",
        recipes=recipes.api_models, files=_asked, asks=_models("api_model"), within="scores", watches=(),
    ),
    "summaries": Stage(
        module="closedbook.stages.summaries", result="summaries",
        recipes=recipes.summaries, files=_summaries, computed=True,
        reads=("documents", "entities", "runs", "assistants", "base"), also_reads=("${documents.path}",),
        watches=("seed", "arms", "assistants", "training.seeds", "scores", "api_models"),
    ),
    "api_summaries": Stage(
        module="closedbook.stages.api_summaries", result="summaries",
        recipes=recipes.api_summaries, files=_summed_up, asks=_models("api_model"), within="summaries", watches=(),
    ),
    "human_summaries": Stage(
        module="closedbook.stages.human_summaries", result="summaries that people wrote",
        recipes=recipes.human_summaries, files=_human_summaries, within="summaries", watches=(),
    ),
    "verdicts": Stage(
        module="closedbook.stages.verdicts", result="verdicts",
        recipes=recipes.verdicts, files=_verdicts, asks=_models("judge"), reads=("documents", "summaries", "base"),
        watches=("seed", "arms", "assistants", "training.seeds", "scores.tasks", "judge", "api_models"),
    ),
    "report": Stage(
        module="closedbook.stages.report", result="report",
        recipes=recipes.report, files=_report,
        reads=("questions", "entities", "passages", "judgements", "tokens", "corpora", "runs", "scores", "summaries", "verdicts"),
        watches=("seed", "arms", "assistants", "training.seeds", "report", "scores.tasks", "judge.model", "api_models"),
    ),
}
STAGES = {name: stage for name, stage in STEPS.items() if stage.within is None}
"""the stages of dvc.yaml, in their order"""


def planned(params: Params, bound: Bound) -> dict[str, dict]:
    """The recipes of all jobs, by name, each with the digest of the code that its job runs."""
    found = {}
    for stage in STEPS.values():
        for name, recipe in stage.recipes(params, bound).items():
            found[name] = recipe | {"code": stage.code(recipe.pop("without"))}
    return found


def job(name: str, recipe: dict) -> Job:
    """The job of a name, under its recipe."""
    stage, about = STEPS[recipe["step"]], name.partition("/")[2]
    return Job(name=name, stage=recipe["step"], recipe=recipe_of(name), files=stage.files(about.split("/"), recipe))


def jobs(found: dict[str, dict], documents: list[str]) -> dict[str, Job]:
    """Every job of these recipes, by its name, each after those whose results it reads."""
    return {each: job(each, recipe) for step in STEPS for name, recipe in found.items() if recipe["step"] == step
            for each in _named(name, step, documents)}


def _named(recipe: str, step: str, documents: list[str]) -> list[str]:
    if STEPS[step].per_document:
        return [f"{recipe}/{document}" for document in documents]
    return [recipe if "/" in recipe else f"{recipe}/{recipe}"]


def recipe_of(job: str) -> str:
    """The name of a job's recipe: of a document its stage's, of a stage's only job ("base/base") the stage."""
    place, _, about = job.partition("/")
    if place in STAGES and STAGES[place].per_document and not _is_within(place, about.partition("/")[0]):
        return job.rpartition("/")[0]
    return place if about == place else job


def _is_within(place: str, step: str) -> bool:
    """Whether a job is of a step that has its results among those of a stage: "tokens/overlap/raw"."""
    return step in STEPS and STEPS[step].within == place


def folders(stage: str) -> list[Path]:
    """Those that a stage owns: its results, and the receipts of them."""
    return [layout.RESULTS / stage, FOLDER / stage, *(layout.RESULTS / folder for folder in STAGES[stage].folders)]


def places(job: str) -> tuple[str, ...]:
    """How the paths begin that a job writes to, for where its receipt can't say it."""
    place, _, about = job.partition("/")
    if about == place:
        return (f"{layout.RESULTS / place}/",)
    owned = STAGES[place].folders if place in STAGES else ()
    return tuple(f"{layout.RESULTS / folder / about}{end}" for folder in (place, *owned) for end in "./")
