"""Recipes: what goes into a job besides its input files: the parameters that it reads, prompts, assets, and which files those are.

A function for each stage gives its recipes by name: a stage ("entities"), or a stage and what it is about ("runs/raw-s1"). The registry
adds the code.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from closedbook import layout
from closedbook.evaluation import instructions, summarising, tasks
from closedbook.generation.strategies import STRATEGIES, is_document, is_of_pairs, mixture
from closedbook.llm import prompts
from closedbook.params import API, OWN_BASES, OWN_MODELS, Arm, Chat, Params, Scores, tuned
from closedbook.sources import given
from closedbook.util import files, fingerprint
from closedbook.util.errors import UserError

PACKAGE = Path(__file__).parent.parent
WORLD = Path("src/closedbook/miniature/world.yaml")

HUMAN = "human"
"""whose summaries came with the documents"""

DECIDES_NO_BYTE = {"seeds", "checkpoint_steps"}
"""settings of training that are in no recipe: each seed has a run of its own, and a training that is resumed ends with the same bytes"""

Bound = dict[str, int | None]
"""each document, and the training seed whose runs alone learn it (None: every run does)"""
Recipes = dict[str, dict]


def documents(params: Params, bound: Bound) -> Recipes:
    return {"documents": recipe("documents", {})}


def base(params: Params, bound: Bound) -> Recipes:
    named = params.training.lora.target_modules if params.training.lora else []
    chosen = {**_chosen(params, "base", training={"block_size"}), "letters": any(map(tasks.compares_letters, tasks_of(params))),
              "linear": [] if named == "all-linear" else named}
    if params.base.model == "miniature":
        chosen = _chosen(params, "seed", "base", miniature={"people", "base_books", "base_steps", "reading", "narrative"},
                         training={"device", "dtype", "threads"})
    if params.base.model == "miniature-to-talk":
        chosen = _chosen(params, "base", training={"device", "dtype", "threads"})
    maker = OWN_BASES.get(params.base.model)
    return {"base": recipe("base", chosen, assets={"maker": fingerprint.digest(f"{maker}:make")} if maker else {}, reads={"files": base_files(params)})}


def entities(params: Params, bound: Bound) -> Recipes:
    if params.llm.model is None:
        return {"entities": recipe("entities", _chosen(params, "spacy", llm={"model"}, entities={"max"}))}
    chosen = _chosen(params, "seed", "llm", "entities", "spacy")
    return {"entities": recipe("entities", chosen, prompts=["entities"], assets=_own("author", params.llm.model))}


def passages(params: Params, bound: Bound) -> Recipes:
    return {f"passages/{strategy}": _passages(params, strategy) for strategy in strategies(params)}


def pairs(params: Params, bound: Bound) -> Recipes:
    chosen = params.passages.across.model_dump(exclude={"samples"})
    found = recipe("pairs", {"passages": {"across": chosen}, "bound": bound}, documents=bound)
    return {"pairs": found} if any(map(is_of_pairs, strategies(params))) else {}


def judgements(params: Params, bound: Bound) -> Recipes:
    judged = judged_strategies(params)
    found = recipe("judgements", {**_chosen(params, "seed", "judge"), "strategies": judged}, prompts=["judge"], documents=bound,
                   assets=_own("judge", params.judge.model), reads={"strategies": judged})
    return {"judgements": found} if judged else {}


def tokens(params: Params, bound: Bound) -> Recipes:
    filters = params.corpora.filters
    alone = filters.model_dump(include={"min_words", "max_words", "languages"})
    found = {"filters": alone, "sketches": filters.near_duplicates is not None}
    return {f"tokens/{strategy}": recipe("tokens", found) for strategy in strategies(params)}


def overlap(params: Params, bound: Bound) -> Recipes:
    return {f"tokens/overlap/{strategy}{of_seed(seed, bound)}": recipe("overlap", _question_words(params), documents=taught_to(seed, bound),
                                                                       reads={"strategies": [strategy]})
            for arm, seed in arms_and_seeds(params) for strategy in mixture.names(params.arms[arm].strategy)}  # fmt: skip


def replay(params: Params, bound: Bound) -> Recipes:
    return {"tokens/replay/all": recipe("replay", _replayed(params), reads={"replay": params.corpora.replay.path})}


def replay_overlap(params: Params, bound: Bound) -> Recipes:
    chosen = {**_question_words(params), **_replayed(params)}
    return {f"tokens/replay_overlap/{replay_overlap_of(seed, bound)}": recipe("replay_overlap", chosen, documents=taught_to(seed, bound),
                                                                              reads={"replay": params.corpora.replay.path})
            for _, seed in arms_and_seeds(params)}  # fmt: skip


def corpora(params: Params, bound: Bound) -> Recipes:
    return {f"corpora/{corpus_of(params, arm, seed, bound)}": _corpus(params, params.arms[arm], seed, bound) for arm, seed in arms_and_seeds(params)}


def teacher(params: Params, bound: Bound) -> Recipes:
    distilling = [(arm, seed) for arm, seed in arms_and_seeds(params) if objective_of(params, arm) == "distil"]
    return {f"teacher/{corpus_of(params, arm, seed, bound)}": _teacher(params, arm, seed, bound) for arm, seed in distilling}


def runs(params: Params, bound: Bound) -> Recipes:
    return {f"runs/{layout.run_name(arm, seed)}": _run(params, arm, seed, bound) for arm, seed in arms_and_seeds(params)}


def dialogues(params: Params, bound: Bound) -> Recipes:
    found = {}
    for name, seed in assistants_and_seeds(params):
        one = params.assistants[name]
        if one.method == "sft":
            block_size = tuned(params.training, one, name).block_size
            found |= _dialogues(params, name, f"assistants.{name}", one, one.path, block_size, seed, bound)
    for name, seed in arms_and_seeds(params):
        if one := params.arms[name].dialogues:
            found |= _dialogues(params, name, f"arms.{name}.dialogues", one, one.path, None, seed, bound)
    return found


def assistants(params: Params, bound: Bound) -> Recipes:
    return {f"assistants/{layout.run_name(name, seed)}": _assistant(params, name, seed, bound) for name, seed in assistants_and_seeds(params)}


def retrieval(params: Params, bound: Bound) -> Recipes:
    settings = params.retrieval.model_dump(exclude={"order", "temperature"})
    found = recipe("retrieval", {"retrieval": settings}, documents=bound)
    return {"retrieval": found} if any(map(tasks.shows_chunks, all_tasks(params))) else {}


def scores(params: Params, bound: Bound) -> Recipes:
    found = {}
    for name, one in models_here(params).items():
        found[f"scores/{name}"] = scored = _scored(params, tasks_of(params, one.arm), one.asked_about(bound))
        scored["reads"] |= _as_assistant(one)
    return found


def released(params: Params, bound: Bound) -> Recipes:
    found = {}
    for name, one in params.released.items():
        found[f"scores/{name}"] = scored = _scored(params, tasks_of(params, name), bound, step="released")
        scored["params"]["released"] = {"name": name, "model": one.model, "revision": one.revision}
        scored["reads"]["files"] = _files_in(Path(one.model))
    return found


def api_models(params: Params, bound: Bound) -> Recipes:
    return {f"scores/{API}{name}": _api_model(params, name, bound) for name in _answering(params)}


def summaries(params: Params, bound: Bound) -> Recipes:
    chosen = _chosen(params, scores={"summary_tokens", "batch_size", "device", "dtype", "threads"})
    return {f"summaries/{name}": recipe("summaries", chosen, prompts=summarising.CHAT if one.is_assistant else summarising.HEADINGS,
                                        documents=one.asked_about(bound), reads=_as_assistant(one))
            for name, one in summing_up(params).items()}  # fmt: skip


def api_summaries(params: Params, bound: Bound) -> Recipes:
    return {f"summaries/{API}{name}": _api_summaries(params, name, bound) for name, one in params.api_models.items() if tasks.SUMMARY in one.tasks}


def human_summaries(params: Params, bound: Bound) -> Recipes:
    return {f"summaries/{HUMAN}": recipe("human_summaries", {}, documents=bound)} if summary_names(params) else {}


def verdicts(params: Params, bound: Bound) -> Recipes:
    chosen = _chosen(params, "seed", judge={*type(params.judge).model_fields} - {"passages"})
    found = summaries(params, bound) | api_summaries(params, bound) | human_summaries(params, bound)
    return {f"verdicts/{name.partition('/')[2]}": recipe("verdicts", chosen, prompts=["verdict"], documents=its["documents"],
                                                         assets=_own("judge", params.judge.model)) for name, its in found.items()}  # fmt: skip


def report(params: Params, bound: Bound) -> Recipes:
    chosen = {**_chosen(params, "seed", "report"), "scores": {"tasks": all_tasks(params)}}
    names = {"strategies": strategies(params), "corpora": corpus_names(params, bound), "runs": run_names(params), "scores": score_names(params),
             "judged": judged_strategies(params)} | ({"verdicts": summed_up} if (summed_up := summary_names(params)) else {})
    names |= {"dialogues": [name.rpartition("/")[2] for name in talks]} if (talks := dialogues(params, bound)) else {}
    assets = _digests(PACKAGE.glob("analysis/templates/*"))
    return {"report": recipe("report", chosen, documents=bound, assets=assets, reads=names)}


class Here(NamedTuple):
    """A model that is asked on this machine."""

    arm: str | None = None
    """None: the base"""
    seed: int | None = None
    is_assistant: bool = False

    def asked_about(self, bound: Bound) -> list[str]:
        """Documents."""
        return list(bound) if self.seed is None else taught_to(self.seed, bound)


def models_here(params: Params) -> dict[str, Here]:
    """By name: the base, runs, and assistants, which are asked what the runs are that they are made from."""
    runs = {layout.run_name(name, seed): Here(name, seed) for name, seed in arms_and_seeds(params)}
    made = {layout.run_name(name, seed): Here(params.assistants[name].run, seed, True) for name, seed in assistants_and_seeds(params)}
    return {"base": Here(), **runs, **made}


def summing_up(params: Params) -> dict[str, Here]:
    """Those that write summaries."""
    return {name: one for name, one in models_here(params).items() if tasks.SUMMARY in asked_of(params, one.arm)}


def _as_assistant(one: Here) -> dict:
    """What a recipe reads of who is asked."""
    return {"assistant": True} if one.is_assistant else {}


def arms_and_seeds(params: Params) -> list[tuple[str, int]]:
    """The arm and the training seed of each run."""
    return [(name, seed) for name, arm in params.arms.items() for seed in arm.seeds or params.training.seeds]


def objective_of(params: Params, arm: str) -> str:
    """What its runs are trained for: an arm's own, or that of all."""
    return params.arms[arm].objective or params.training.objective


def assistants_and_seeds(params: Params) -> list[tuple[str, int]]:
    """The name of each assistant and the training seed of the run that it is made from."""
    return [(name, seed) for name, one in params.assistants.items() for seed in params.arms[one.run].seeds or params.training.seeds]


def taught_to(run_seed: int, bound: dict[str, int | None]) -> list[str]:
    """The documents that a run of this seed learns and is asked about."""
    return [document for document, seed in bound.items() if seed in (None, run_seed)]


def of_seed(run_seed: int, bound: Bound) -> str:
    """What the name of a result ends with where seeds have documents of their own: "-s1"."""
    return "" if set(bound.values()) == {None} else f"-s{run_seed}"


def replay_overlap_of(run_seed: int, bound: Bound) -> str:
    """Which list says what of replay a run does not read: that of all, or its seed's."""
    return of_seed(run_seed, bound).removeprefix("-") or "all"


def corpus_of(params: Params, arm: str, run_seed: int, bound: Bound) -> str:
    """The name of the corpus of a run, which says what it is: "raw-all", "entigraph-200000", "qa-2-spa-1-5000"; arms that differ in nothing
    else than how long they train have one together."""
    its = params.arms[arm]
    return re.sub(r"[^a-z0-9]+", "-", f"{mixture.label(its.strategy)}-{its.corpus_tokens}") + of_seed(run_seed, bound)


def corpus_names(params: Params, bound: Bound) -> list[str]:
    return list(dict.fromkeys(corpus_of(params, arm, seed, bound) for arm, seed in arms_and_seeds(params)))


def trained_on(params: Params, bound: Bound) -> dict[str, dict]:
    """{corpus: {arm that trains on it: how long}}"""
    found: dict[str, dict] = {}
    for arm, seed in arms_and_seeds(params):
        found.setdefault(corpus_of(params, arm, seed, bound), {})[arm] = params.arms[arm].model_dump(include={"train_tokens", "epochs"})
    return found


def checkpoint_steps(params: Params) -> dict[str, int]:
    """Of each run and assistant that is trained, by its name."""
    found = {layout.run_name(arm, seed): params.training.checkpoint_steps for arm, seed in arms_and_seeds(params)}
    return found | {layout.run_name(name, seed): tuned(params.training, one, name).checkpoint_steps
                    for name, seed in assistants_and_seeds(params) if (one := params.assistants[name]).method == "sft"}


def base_files(params: Params) -> list[str]:
    """What the base is made from, where that is files here: the miniature's world, for the one that talks also the base that comes with the
    project, or the folder of a model of one's own.
    """
    if params.base.model == "miniature":
        return [params.documents.path if params.documents.source == "miniature" else str(WORLD)]
    if params.base.model == "miniature-to-talk":
        return [str(WORLD), *_files_in(WORLD.parent / "trained")]
    return _files_in(Path(params.base.model))


def _files_in(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


def strategies(params: Params) -> list[str]:
    """The strategies of all arms, each once."""
    return list(dict.fromkeys(name for arm in params.arms.values() for name in mixture.names(arm.strategy)))


def judged_strategies(params: Params) -> list[str]:
    """Those whose passages the judge is asked about: of documents as they stand there is nothing to ask, and it sees one document at a time."""
    if params.judge.model is None:
        return []
    return [strategy for strategy in strategies(params) if not is_document(strategy) and not is_of_pairs(strategy)]


def tasks_of(params: Params, arm: str | None = None) -> list[str]:
    """The tasks that lm-evaluation-harness measures of an arm's runs; without an arm, of the base."""
    return tasks.measured(asked_of(params, arm))


def asked_of(params: Params, arm: str | None = None) -> list[str]:
    """The tasks of an arm's runs; without an arm, those of the base, which every arm is compared with."""
    further = [task for name, one in {**params.arms, **params.released}.items() if arm in (None, name) for task in one.tasks or []]
    return list(dict.fromkeys([*params.scores.tasks, *further]))


def all_tasks(params: Params) -> list[str]:
    """The tasks of runs and of API models, none twice."""
    return list(dict.fromkeys([*tasks_of(params), *(task for one in params.api_models.values() for task in tasks.measured(one.tasks))]))


def run_names(params: Params) -> list[str]:
    return [layout.run_name(arm, seed) for arm, seed in arms_and_seeds(params)]


def score_names(params: Params) -> list[str]:
    """Whose scores there are: the base's, those of runs, of assistants and of API models."""
    base, *trained = models_here(params)
    return [base, *params.released, *trained, *(f"{API}{name}" for name in _answering(params))]


def summary_names(params: Params) -> list[str]:
    """Whose summaries there are; people's too, where any are asked for."""
    found = [*summing_up(params), *(f"{API}{name}" for name, one in params.api_models.items() if tasks.SUMMARY in one.tasks)]
    return [*found, HUMAN] if found else []


def _answering(params: Params) -> list[str]:
    """The API models that are asked questions."""
    return [name for name, one in params.api_models.items() if tasks.measured(one.tasks)]


def recipe(step: str, params: dict, *, prompts=(), documents=None, assets: dict | None = None, reads: dict | None = None,
            without: frozenset[str] = frozenset()) -> dict:
    """`documents`: of a step that reads them all; `assets`: digests of what it uses beside code and prompts; `reads`: what else decides
    which files it reads; `without`: modules that the step imports and does not use under these parameters."""
    found = {"step": step, "params": params, "without": without, "prompts": _prompt_digests(prompts), "assets": assets or {}}
    return found | ({"documents": list(documents)} if documents is not None else {}) | ({"reads": reads} if reads else {})


def _chosen(params: Params, *whole: str, **parts: set[str]) -> dict:
    """Some sections of the parameters, whole or the named keys of them."""
    chosen = params.model_dump(include=dict.fromkeys(whole, True) | parts)
    return {name: chosen[name] for name in (*whole, *parts)}


def _prompt_digests(names) -> dict[str, str]:
    return {name: prompts.digest(name) for name in names}


def _digests(paths) -> dict[str, str]:
    return {path.name: files.sha256_file(path) for path in sorted(paths) if path.is_file()}


def _passages(params: Params, strategy: str) -> dict:
    if strategy == "imported":
        path = params.passages.imported.path
        return recipe("passages", {"strategy": strategy, **_chosen(params, "seed", passages={strategy})},
                      reads={"rows": [path] if given.is_file(path) else []})
    if not STRATEGIES[strategy].PROMPTS:
        return recipe("passages", {"strategy": strategy, "passages": {}, "seed": params.seed})
    if params.llm.model is None:
        return recipe("passages", {"strategy": strategy, **_chosen(params, "seed", llm={"model"}, passages={strategy})})
    chosen = {"strategy": strategy, **_chosen(params, "seed", "llm", passages={"attempts", strategy})}
    return recipe("passages", chosen, prompts=STRATEGIES[strategy].PROMPTS, assets=_own("author", params.llm.model), without=fingerprint.EXTRACTIVE)


def _question_words(params: Params) -> dict:
    return {"filters": {"question_words": params.corpora.filters.question_words}}


def _replayed(params: Params) -> dict:
    return {"seed": params.seed, "held_out": params.corpora.replay.held_out, "is_read": params.corpora.replay.rate > 0}


def _corpus(params: Params, arm: Arm, seed: int, bound: Bound) -> dict:
    its = mixture.names(arm.strategy)
    chosen = {"arm": {"strategy": mixture.label(arm.strategy), "corpus_tokens": arm.corpus_tokens}, "shares": mixture.shares(arm.strategy),
              "filters": params.corpora.filters.model_dump(), "held_out": params.corpora.held_out, "seed": params.seed}
    return recipe("corpora", chosen, documents=taught_to(seed, bound),
                  reads={"strategies": its, "overlap": [f"{name}{of_seed(seed, bound)}" for name in its]})


TAUGHT_BY = {"block_size", "batch_size", "accumulation", "device", "dtype", "attention", "threads", "processes", "nodes", "sharding", "teacher"}
"""settings of a training that decide what a teacher says, or where it computes"""


def _teacher(params: Params, name: str, seed: int, bound: Bound) -> dict:
    one = params.training.teacher
    reads = {"corpus": corpus_of(params, name, seed, bound), "strategies": mixture.names(params.arms[name].strategy),
             "files": _files(one.model if one else None)}
    return recipe("teacher", _chosen(params, training=TAUGHT_BY, llm={"sections"}), documents=taught_to(seed, bound), reads=reads)


def _run(params: Params, name: str, seed: int, bound: Bound) -> dict:
    arm, objective = params.arms[name], objective_of(params, name)
    training = params.training.model_dump(exclude=DECIDES_NO_BYTE | {"teacher"}) | {"objective": objective}
    chosen = {"training": training, "run_seed": seed, "seed": params.seed, "name": name,
              "arm": arm.model_dump(include={"train_tokens", "epochs"} | ({"order"} if arm.order != "shuffled" else set())),
              "replay": {"rate": params.corpora.replay.rate}}
    reads = {"corpus": corpus_of(params, name, seed, bound), "strategies": mixture.names(arm.strategy), "replay_overlap": replay_overlap_of(seed, bound)}
    if objective == "distil":
        reads["teacher"] = [reads["corpus"]]
    if arm.dialogues:
        chosen["dialogues"] = {"rate": arm.dialogues.rate}
        reads["dialogues"] = [f"{name}{of_seed(seed, bound)}"]
    return recipe("runs", chosen, documents=taught_to(seed, bound), reads=reads)


def _dialogues(params: Params, name: str, field: str, chat: Chat, path: str, longest: int | None, seed: int, bound: Bound) -> Recipes:
    chosen = {"path": path, "chat": _chat(chat), "field": field, "longest": longest, **_question_words(params)}
    found = recipe("dialogues", chosen, documents=taught_to(seed, bound), reads={"files": [*([path] if Path(path).is_file() else []), *_spelling(chat)]})
    return {f"tokens/dialogues/{name}{of_seed(seed, bound)}": found}


def _assistant(params: Params, name: str, seed: int, bound: Bound) -> dict:
    one = params.assistants[name]
    merged = params.arms[one.run].dialogues
    chat, field = (merged, f"arms.{one.run}.dialogues") if one.method == "merged" else (one, f"assistants.{name}")
    own = {"vector": {"method", "strength"}, "sft": {"method", "loss", "epochs"}, "merged": {"method"}}[one.method]
    chosen = {"name": name, "assistant": one.model_dump(include=own), "chat": _chat(chat), "field": field}
    reads = {"run": layout.run_name(one.run, seed), "files": _spelling(chat), "dialogues": [], "questions": False}
    if one.method == "sft":
        training = tuned(params.training, one, f"{field}.training").model_dump(exclude=DECIDES_NO_BYTE | {"objective", "teacher"})
        chosen |= {"training": training, "seed": params.seed, "run_seed": seed}
        reads["dialogues"] = [f"{name}{of_seed(seed, bound)}"]
    if one.method == "vector":
        reads["files"] = _files(one.instruct, one.template)
    if one.method == "vector" and len(one.strength) > 1:
        known_by = next((task for task in tasks_of(params, one.run) if tasks.is_closed_book(task)), None)
        if known_by is None:
            raise UserError(f"params.yaml: {field}.strength: which of several is best is chosen on validation questions, closed-book, and no task of "
                            f"arms.{one.run} is so: give one value, or scores.tasks a closed-book task")  # fmt: skip
        chosen |= _scores(params, params.scores.model_copy(update={"tasks": [known_by]}), CHOOSING)
        reads["questions"] = True
    return recipe("assistants", chosen, documents=taught_to(seed, bound), assets=_task_files(params) if reads["questions"] else {}, reads=reads)


CHOOSING = {"tasks", "cot", "instructions", "batch_size", "device", "dtype", "threads"}
"""settings of scores by which a strength is chosen"""


def _chat(chat: Chat) -> dict:
    return {name: getattr(chat, name) for name in Chat.model_fields}


def _spelling(chat: Chat) -> list[str]:
    """What an instruct model's tokenizer and a template are read from, where that is files here: weights are not."""
    return [path for path in _files(chat.instruct, chat.template) if not path.endswith(".safetensors")]


def _files(*places: str | None) -> list[str]:
    """All files of those that are files or folders here."""
    here = [Path(place) for place in places if place and Path(place).exists()]
    return sorted(str(path) for place in here for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file())


def _scored(params: Params, asked: list[str], documents, step: str = "scores") -> dict:
    read, held_out = _scores(params, params.scores.model_copy(update={"tasks": asked})), params.corpora.replay.held_out
    return recipe(step, read | _held_out(params), documents=documents, assets=_task_files(params),
                   reads={"documents": any(map(tasks.shows_document, asked)), "replay": [params.corpora.replay.path] if held_out else []})


def _api_model(params: Params, name: str, bound: Bound) -> dict:
    model = params.api_models[name]
    asked = _scores(params, params.scores.model_copy(update={"tasks": tasks.measured(model.tasks)}), {"tasks", "cot"})
    about = {"name": name, "api_model": model.model_dump(exclude={"tasks"})}
    return recipe("api_models", about | asked, documents=bound, assets=_task_files(), reads={"documents": True})


def _api_summaries(params: Params, name: str, bound: Bound) -> dict:
    about = {"name": name, "api_model": params.api_models[name].model_dump(exclude={"tasks"})}
    return recipe("api_summaries", about | _chosen(params, "seed", scores={"summary_tokens"}), prompts=summarising.CHAT, documents=bound)


def _held_out(params: Params) -> dict:
    """What says which replay text forgetting is measured on, where some is held out."""
    held_out = params.corpora.replay.held_out
    return {"seed": params.seed, "held_out": held_out} if held_out else {}


def _scores(params: Params, scores: Scores, names: set[str] | None = None) -> dict:
    """What the chosen tasks read: how responses are sampled only where some are, which chunks are shown only where some are.

    `names`: the settings of `scores` that count, where not all of them do.
    """
    in_words = any(map(tasks.answers_in_words, scores.tasks))
    chosen = {"scores": scores.model_dump(include=names, exclude={"summary_tokens"} | (set() if in_words else {"cot"}))}
    if in_words:
        chosen |= _chosen(params, "seed")
    if shown := [task for task in scores.tasks if tasks.shows_chunks(task)]:
        chosen |= _chosen(params, retrieval={"chunks", "order"} | ({"temperature"} if any(map(tasks.answers_in_words, shown)) else set()))
    return chosen


def _task_files(params: Params | None = None) -> dict[str, str]:
    """Of the tasks about questions, and of tasks of ours of instruction following that `params` name, by their folder too."""
    named = {instructions.folder(task) for task in params.scores.instructions} - {None} if params else set()
    own = {f"{path.parent.name}/{name}": sha256 for folder in named for path in _task_paths(folder) for name, sha256 in _digests([path]).items()}
    return _digests(_task_paths(tasks.FOLDER)) | own


def _task_paths(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.suffix != ".md"]


def _own(role: str, model: str | None) -> dict:
    """Of a language model that is code of ours its version, which says which code."""
    own = OWN_MODELS.get(model)
    return {role: import_module(own).version()} if own else {}
