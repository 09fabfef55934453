"""Reads params.yaml: YAML 1.2, typed, unknown keys refused with the nearest known one named."""

import re
import reprlib
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from closedbook.util import files, plain_yaml
from closedbook.util.errors import UserError, did_you_mean

Share = Annotated[float, Field(ge=0, lt=1)]
NumberOrAll = NonNegativeInt | Literal["all"]
Threads = Annotated[int, Field(ge=1, le=1024)]
Seconds = Annotated[float, Field(gt=0, le=10_000_000)]
API = "api-"
"""what the name of an API model's score begins with, and no arm's name"""
RENAMED = {"readers": "api_models", "llm.batch": "limits.batch"}
"""keys of earlier versions, or looked for where they are not, and what they are called"""
LONGEST = 300
"""characters of a wrong value that are shown"""


class Settings(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _none_twice(values: list) -> list:
    if len(set(values)) < len(values):
        raise ValueError("must name none twice")
    return values


NoneTwice = AfterValidator(_none_twice)


def _can_be_a_path(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value.encode()) > 4000 or any(len(part.encode()) > 255 for part in value.split("/")):
        raise ValueError("is too long for a path")
    return value


Place = Annotated[str, AfterValidator(_can_be_a_path)]
"""a file, a folder, or a name that may be one"""


class Documents(Settings):
    source: Literal["miniature", "quality", "folder"]
    path: Place
    limit: PositiveInt | None
    papers: bool = False


class Miniature(Settings):
    books: PositiveInt
    questions: PositiveInt
    people: Annotated[int, Field(ge=1, le=2)]
    same_book: Annotated[int, Field(ge=0, le=3)]
    base_books: Annotated[int, Field(ge=8)]
    base_steps: PositiveInt
    reading: bool
    narrative: Annotated[float, Field(ge=0, le=0.5)]


OWN_BASES = {"miniature": "closedbook.miniature.base", "miniature-to-talk": "closedbook.miniature.talk"}
"""base models that are trained here, by base.model, and the module that does it"""


class Base(Settings):
    model: Place
    revision: Place | None
    end_of_text: str | None


class Spacy(Settings):
    model: Place


OWN_MODELS = {"miniature/author": "closedbook.miniature.provider", "miniature/judge": "closedbook.miniature.judge"}
"""language models that are code of ours: they need no key and cost nothing. The module that answers for each is imported when it is asked"""


class Endpoint(Settings):
    """A model by LiteLLM's name, and where it is served; the model null: none."""

    OWN: ClassVar[str] = "miniature/author"
    """the one of OWN_MODELS that can do what this model is asked for"""
    model: str | None
    api_base: str | None

    @field_validator("model")
    @classmethod
    def _provider_first(cls, value):
        if value is not None and not re.fullmatch("[^/]+/.+", value):
            raise ValueError(f"must name its provider first, as in openai/{value.strip('/') or 'gpt-4.1'}")
        if value is not None and value.startswith("miniature/") and value != cls.OWN:
            raise ValueError(f"no such model: the miniature has {cls.OWN} only for this")
        return value

    @field_validator("api_base")
    @classmethod
    def _no_secret_in_it(cls, value):
        if value is not None and "@" in value.partition("//")[2].partition("/")[0]:
            raise ValueError("must hold no user and password: keys belong into the environment")
        return value


class LanguageModel(Endpoint):
    temperature: Annotated[float, Field(ge=0, le=2)] | None
    max_tokens: PositiveInt


class Llm(LanguageModel):
    sections: Annotated[int, Field(ge=100)] | None


class Entities(Settings):
    max: Annotated[int, Field(ge=2)]
    attempts: PositiveInt
    fallback: Literal["spacy", "error"]


class Rephrase(Settings):
    styles: Annotated[list[Literal["easy", "medium", "hard", "qa"]], Field(min_length=1), NoneTwice]
    samples: PositiveInt


class RephraseNamed(Settings):
    samples: PositiveInt


class Entigraph(Settings):
    order: Literal["seeded", "ranked", "harmonic"]
    singles: NumberOrAll
    pairs: NumberOrAll
    triplets: NumberOrAll
    summary: bool


class Summaries(Settings):
    kinds: Annotated[list[Literal["notes", "concepts", "facts"]], Field(min_length=1), NoneTwice]
    samples: PositiveInt
    paraphrases: NonNegativeInt = 0

    @field_validator("paraphrases")
    @classmethod
    def _of_facts(cls, value, info):
        if value and "facts" not in info.data.get("kinds", ["facts"]):
            raise ValueError("paraphrases are of facts, and kinds has none: add facts to it, or set paraphrases: 0")
        return value


class Spa(Settings):
    samples: PositiveInt


class Qa(Settings):
    kinds: Annotated[list[Literal["recall", "reasons"]], Field(min_length=1), NoneTwice]
    samples: PositiveInt


class Identifiers(Settings):
    samples: PositiveInt


class ActiveReading(Settings):
    proposals: PositiveInt
    ways: Annotated[int, Field(ge=1, le=10)]
    samples: PositiveInt


class Focal(Settings):
    proposals: PositiveInt
    questions: PositiveInt
    samples: PositiveInt


class Across(Settings):
    shared: PositiveInt
    pairs: PositiveInt
    samples: PositiveInt
    embedder: Endpoint = Endpoint(model=None, api_base=None)
    alike: Annotated[float, Field(gt=0, le=1)] = 0.9


class Imported(Settings):
    path: Place | None
    text: str
    document: str
    source: str | None
    license: str | None


class PassageSettings(Settings):
    attempts: PositiveInt
    rephrase: Rephrase
    rephrase_named: RephraseNamed
    entigraph: Entigraph
    summaries: Summaries
    spa: Spa
    qa: Qa
    identifiers: Identifiers
    active_reading: ActiveReading
    focal: Focal
    across: Across
    imported: Imported


class Replay(Settings):
    path: Place
    rate: Share
    held_out: NonNegativeInt


class Filters(Settings):
    min_words: PositiveInt | None
    max_words: PositiveInt | None
    languages: Annotated[list[str], Field(min_length=1), NoneTwice] | None
    question_words: Annotated[int, Field(ge=5)]
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None

    @field_validator("languages")
    @classmethod
    def _known(cls, value):
        from lingua import Language  # it loads for a second, and few name languages

        known = {language.iso_code_639_1.name.lower() for language in Language.all()} if value else set()
        if unknown := [code for code in value or [] if code not in known]:
            raise ValueError(f"must be ISO 639-1 codes of languages that lingua detects, as en and de: {unknown[0]!r} is none")
        return value

    @model_validator(mode="after")
    def _some_length(self):
        if self.min_words and self.max_words and self.min_words > self.max_words:
            raise ValueError(f"min_words, {self.min_words}, must not exceed max_words, {self.max_words}: no passage could be both")
        return self


class Corpora(Settings):
    filters: Filters
    held_out: NonNegativeInt
    replay: Replay


class Judge(LanguageModel):
    OWN: ClassVar[str] = "miniature/judge"
    passages: PositiveInt
    attempts: PositiveInt


class Lora(Settings):
    r: PositiveInt
    alpha: Annotated[float, Field(gt=0)]
    dropout: Share
    target_modules: Literal["all-linear"] | Annotated[list[str], Field(min_length=1), NoneTwice] = "all-linear"


class Teacher(Settings):
    model: Place
    revision: Place | None = None


Objective = Literal["next_token", "distil"]


class Training(Settings):
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1), NoneTwice]
    block_size: Annotated[int, Field(ge=2)]
    batch_size: PositiveInt
    accumulation: PositiveInt
    learning_rate: Annotated[float, Field(gt=0)]
    min_learning_rate: Annotated[float, Field(ge=0, le=1)]
    warmup: Share
    weight_decay: Annotated[float, Field(ge=0)]
    beta2: Annotated[float, Field(gt=0, lt=1)]
    optimizer: str
    lora: Lora | None
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    attention: str
    compile: bool
    threads: Threads
    processes: Annotated[int, Field(ge=1, le=1024)]
    nodes: Annotated[int, Field(ge=1, le=1024)]
    sharding: Literal["none", "fsdp"]
    gradient_checkpointing: bool
    checkpoint_steps: PositiveInt
    evaluate_steps: PositiveInt | None
    objective: Objective = "next_token"
    teacher: Teacher | None = None

    @property
    def world(self) -> int:
        """Processes in all."""
        return self.processes * self.nodes

    @field_validator("optimizer")
    @classmethod
    def _known_optimizer(cls, value):
        if value != "adamw_torch_fused":
            from transformers.training_args import OptimizerNames  # it loads for a second, and few name another one

            known = [name.value for name in OptimizerNames if not name.value.startswith(("galore_", "apollo_"))]  # these need further settings
            if value not in known:
                raise ValueError(f"must be one of transformers' optimizers, as adamw_torch_fused: {did_you_mean(value, known, ', '.join(known))}")
        return value

    @field_validator("attention")
    @classmethod
    def _known_attention(cls, value):
        if value not in ("sdpa", "eager"):
            from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

            known = ["eager", *(name for name in ALL_ATTENTION_FUNCTIONS.valid_keys() if "|" not in name)]
            if value not in known:
                raise ValueError(f"must be one of transformers' attentions: {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _shares_the_batch(self):
        """The passes of a step share its examples: `accumulation` of them in each of the processes."""
        passes = self.accumulation * self.world
        if self.batch_size % passes:
            fitting = sorted(number for number in range(1, self.batch_size + 1) if self.batch_size % number == 0)
            near = f"{self.batch_size // passes * passes or passes} or {(self.batch_size // passes + 1) * passes}"
            raise ValueError(
                f"batch_size, {self.batch_size}, must be a multiple of accumulation × processes × nodes, {self.accumulation} × {self.processes} × "
                f"{self.nodes} = {passes}: give batch_size {near}, or make their product one of {', '.join(map(str, fitting))}"
            )
        return self

    @model_validator(mode="after")
    def _something_to_shard_over(self):
        if self.sharding != "none" and self.world == 1:
            raise ValueError(f"sharding: {self.sharding} needs several processes: set processes or nodes, or sharding: none")
        return self


def _known_strategies(value):
    """A strategy's name, or two and more with the share of tokens that each gives."""
    shares = {value: 1} if isinstance(value, str) else value
    strategies = ["raw", *(name for name in PassageSettings.model_fields if name != "attempts")]
    known = ", ".join(strategies)
    if not isinstance(shares, dict) or (value is shares and len(shares) < 2):
        raise ValueError(f"must be one of {known}, or two and more of them with their shares of the tokens, as in {{qa: 1, entigraph: 2}}")
    for name, share in shares.items():
        if name not in strategies:
            raise ValueError(f"no strategy {name!r}: the strategies are {known}")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < float("inf"):
            raise ValueError(f"the share of {name} must be a number above 0")
    return value


class Chat(Settings):
    """How dialogues become text: the tokenizer of an instruct model, and a chat template in place of its own."""

    instruct: Place | None = None
    revision: Place | None = None
    template: Place | None = None


class Dialogues(Chat):
    path: Place
    rate: Annotated[float, Field(gt=0, lt=1)]


class Arm(Settings):
    strategy: Annotated[str | dict[str, float], BeforeValidator(_known_strategies)]
    corpus_tokens: PositiveInt | Literal["all"]
    train_tokens: PositiveInt | None = None
    epochs: PositiveInt | None = None
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1), NoneTwice] | None = None
    tasks: Annotated[list[str], Field(min_length=1), NoneTwice] | None = None
    dialogues: Dialogues | None = None
    order: Literal["shuffled", "by_document"] = "shuffled"
    objective: Objective | None = None

    @model_validator(mode="after")
    def _one_length(self):
        if (self.train_tokens is None) == (self.epochs is None):
            raise ValueError("needs exactly one of train_tokens (tokens seen) and epochs (times over the corpus)")
        return self


class Released(Settings):
    """An arm that is a model that exists: it is scored, and not trained."""

    model: Place
    revision: Place | None = None
    tasks: Annotated[list[str], Field(min_length=1), NoneTwice] | None = None


class Assistant(Chat):
    run: str
    method: Literal["vector", "sft", "merged"]
    strength: Annotated[list[Annotated[float, Field(gt=0, le=2)]], Field(min_length=1), NoneTwice] = [0.5, 0.75, 1.0]
    path: Place | None = None
    loss: Literal["assistant", "all"] = "assistant"
    epochs: PositiveInt = 2
    training: dict[str, object] = {}

    @model_validator(mode="after")
    def _only_what_is_read(self):
        needed = {"vector": "instruct", "sft": "path"}.get(self.method)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"method {self.method} needs {needed}: {NEEDED[needed]}")
        if unread := sorted(self.model_fields_set - {"run", "method"} - READ_BY[self.method]):
            raise ValueError(f"method {self.method} does not read {unread[0]}: it reads {', '.join(sorted(READ_BY[self.method])) or 'nothing else'}")
        return self


READ_BY = {"vector": {*Chat.model_fields, "strength"}, "sft": {*Chat.model_fields, "path", "loss", "epochs", "training"}, "merged": set()}
"""what each method reads of an assistant's settings; a merged one takes the rest from its arm's dialogues"""
NEEDED = {"instruct": "the instruct model that was made from base.model", "path": "a file of dialogues, or a data set's name on the Hugging Face Hub"}


class Retrieval(Settings):
    characters: PositiveInt
    embedder: Endpoint
    reranker: Endpoint
    candidates: PositiveInt
    chunks: Annotated[list[PositiveInt], Field(min_length=1), NoneTwice]
    order: Annotated[list[Literal["best_first", "best_last"]], Field(min_length=1), NoneTwice]
    temperature: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1), NoneTwice]

    @field_validator("chunks")
    @classmethod
    def _among_the_candidates(cls, value, info):
        candidates = info.data.get("candidates", max(value))
        if max(value) > candidates:
            raise ValueError(f"must not exceed retrieval.candidates, {candidates}: the prompt's chunks are chosen among them")
        return value


class Cot(Settings):
    samples: PositiveInt
    temperature: Annotated[float, Field(ge=0)]
    max_tokens: PositiveInt

    @field_validator("temperature")
    @classmethod
    def _samples_differ(cls, value, info):
        if value == 0 and info.data.get("samples", 1) > 1:
            raise ValueError("must be above 0 where scores.cot.samples is above 1: without it all responses are the same")
        return value


class Scores(Settings):
    tasks: Annotated[list[str], Field(min_length=1), NoneTwice]
    cot: Cot
    forgetting: Annotated[list[str], NoneTwice]
    summary_tokens: PositiveInt
    instructions: Annotated[list[str], NoneTwice] = []
    batch_size: PositiveInt
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    threads: Threads


class ApiModel(Endpoint):
    model: str
    tasks: Annotated[list[str], Field(min_length=1), NoneTwice]


class Report(Settings):
    examples: NonNegativeInt
    paper_curve: bool
    notes: list[str]


class Limits(Settings):
    max_calls: NonNegativeInt | None
    max_usd: Annotated[float, Field(ge=0)] | None
    max_tokens: NonNegativeInt | None
    concurrency: Annotated[int, Field(ge=1, le=10_000)]
    timeout: Seconds
    retries: NonNegativeInt
    deadline: Seconds
    requests_per_minute: PositiveInt | None
    tokens_per_minute: PositiveInt | None
    batch: bool
    input_usd_per_million: Annotated[float, Field(ge=0)] | None
    cached_input_usd_per_million: Annotated[float, Field(ge=0)] | None
    output_usd_per_million: Annotated[float, Field(ge=0)] | None

    @model_validator(mode="after")
    def _both_prices(self):
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise ValueError("needs both prices, input_usd_per_million and output_usd_per_million, or neither")
        if self.cached_input_usd_per_million is not None and self.input_usd_per_million is None:
            raise ValueError("cached_input_usd_per_million needs input_usd_per_million and output_usd_per_million too")
        return self


class Params(Settings):
    seed: NonNegativeInt
    documents: Documents
    miniature: Miniature
    base: Base
    spacy: Spacy
    llm: Llm
    entities: Entities
    passages: PassageSettings
    judge: Judge
    corpora: Corpora
    training: Training
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    released: dict[str, Released] = {}
    """those of the arms that have a model: no stage that trains sees them"""
    assistants: dict[str, Assistant] = {}
    retrieval: Retrieval
    scores: Scores
    api_models: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$")], ApiModel]
    report: Report
    limits: Limits

    @model_validator(mode="before")
    @classmethod
    def _released_apart(cls, data):
        arms = data.get("arms") if isinstance(data, dict) else None
        if not isinstance(arms, dict) or not (found := {name: one for name, one in arms.items() if isinstance(one, dict) and "model" in one}):
            return data
        return {**data, "arms": {name: one for name, one in arms.items() if name not in found}, "released": found}

    @field_validator("arms", "released", "assistants")
    @classmethod
    def _names_fit_paths(cls, named, info):
        for name in named:
            if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or name in ("base", "corpora") or name.startswith(API):
                raise ValueError(f"{name!r} can't name an {'assistant' if info.field_name == 'assistants' else 'arm'}: small letters, digits and hyphens, not 'base' or 'corpora', "
                                 f"and not {API!r} at the beginning")  # fmt: skip
        return named

    @field_validator("assistants")
    @classmethod
    def _of_an_arm(cls, assistants, info):
        arms = info.data.get("arms", {})
        for name, one in assistants.items():
            if name in arms:
                raise ValueError(f"{name} is an arm's name too, and scores are named after both: give the assistant another name")
            if arms and one.run not in arms:
                raise ValueError(f"{name}.run: {one.run!r} is no arm; {did_you_mean(one.run, arms, 'the arms are ' + ', '.join(arms))}")
            if arms and one.method == "merged" and arms[one.run].dialogues is None:
                raise ValueError(f"{name}.method: merged: arms.{one.run} has no dialogues: give it dialogues: {{path, rate}}, or another method")
            if "training" in info.data:
                tuned(info.data["training"], one, f"{name}.training")
        return assistants

    @model_validator(mode="after")
    def _room_for_documents(self):
        for name, arm in self.arms.items():
            if arm.dialogues and arm.dialogues.rate + self.corpora.replay.rate >= 1:
                raise ValueError(f"arms.{name}.dialogues.rate, {arm.dialogues.rate}, and corpora.replay.rate, {self.corpora.replay.rate}, are shares of "
                                 "all tokens: together they must be below 1")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _something_held_out(self):
        if self.training.evaluate_steps and not (self.corpora.held_out or self.corpora.replay.held_out):
            raise ValueError("training.evaluate_steps measures the loss on what no training reads, and nothing is held out: give "
                             "corpora.held_out or corpora.replay.held_out a number, or training.evaluate_steps: null")  # fmt: skip
        return self

    @field_validator("arms")
    @classmethod
    def _known_seeds(cls, arms, info):
        known = info.data["training"].seeds if "training" in info.data else None
        for name, arm in arms.items():
            if known and not {*(arm.seeds or [])} <= {*known}:
                raise ValueError(f"the seeds of {name} must be among training.seeds, {known}")
        return arms


UNTUNED = {"seeds": "each run of its arm is made into an assistant: arms.ARM.seeds says of which seeds these are",
           "evaluate_steps": "nothing is held out of dialogues", "objective": "there is no teacher for dialogues",
           "teacher": "there is no teacher for dialogues"}  # fmt: skip
"""settings of runs that an assistant has none of, and why"""


def tuned(training: Training, assistant: Assistant, field: str) -> Training:
    """The settings under which an assistant is trained: the runs', with its own in place of some. Raises ValueError for one that is none."""
    own = assistant.training
    if unread := UNTUNED.keys() & own.keys():
        name = min(unread)
        raise ValueError(f"{field}.{name}: is not an assistant's to say: {UNTUNED[name]}")
    try:
        return Training.model_validate(training.model_dump() | own | {"evaluate_steps": None, "objective": "next_token", "teacher": None})
    except ValidationError as error:
        raise ValueError("; ".join(_explain(field, one, Training) if one["loc"] else f"{field}: {one['msg']}" for one in error.errors())) from None


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check a whole parameter file.

    Raises UserError that names the file, each wrong field, its value, and what would be right.
    """
    try:
        data = plain_yaml.load(Path(path), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file: closedbook init NAME writes one out (closedbook init lists the presets)") from None
    return of(data, path)


def of(data, path: Path | str) -> Params:
    """The same of what a file holds, which `path` names in errors."""
    if not isinstance(data, dict):
        raise UserError(f"{path}: must hold the keys {', '.join(Params.model_fields)}, holds {_shown(data)}")
    return _checked(Params, data, path)


def limits(path: Path) -> Limits:
    """The limits that planning wrote for the jobs of a run. Raises UserError where there are none, or not whole ones."""
    if not path.exists():
        raise UserError(f"{path}: no such file: a run writes it from params.yaml")
    return _checked(Limits, files.read_json(path), path)


def _checked(kind: type[Settings], data, path):
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError("\n".join(_explain(path, problem, kind) for problem in error.errors())) from None


def typed(sections: dict) -> SimpleNamespace:
    """The settings in a recipe as the classes above, holding no more than the recipe does.

    A stage is given these, so that reading a parameter which its recipe does not name is an AttributeError, not a stale result.
    """
    fields = {name: field.annotation for name, field in Params.model_fields.items()}
    kinds = {**fields, "arm": Arm, "filters": Filters, "api_model": ApiModel, "assistant": Assistant, "chat": Chat, "released": None}
    return SimpleNamespace(**{name: _only(kinds.get(name), value) for name, value in sections.items()})


def _only(kind, value):
    kind = _class_of(kind)
    if kind is None or not isinstance(value, dict):
        return value
    return kind.model_construct(**{name: _only(kind.model_fields[name].annotation, item) for name, item in value.items()})


def _class_of(kind) -> type[Settings] | None:
    """The settings class that a field holds: of Lora | None, Lora; of dict[str, Arm], Arm."""
    return next((each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, Settings)), None)


def _explain(path, problem, kind: type[Settings]) -> str:
    parts = ("arms", *problem["loc"][1:]) if problem["loc"][:1] == ("released",) else problem["loc"]
    where = ".".join(str(part) for part in parts if part not in ("constrained-int", "literal['all']", "int", "float"))
    if problem["type"] == "extra_forbidden":
        parent = _settings_at(problem["loc"][:-1], kind)
        near = did_you_mean(str(problem["loc"][-1]), parent.model_fields, otherwise=f"known here: {', '.join(parent.model_fields)}")
        hint = f"did you mean {RENAMED[where]}?" if where in RENAMED else near
        return f"{path}: {where}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{path}: {where}: missing: a parameter file is whole, and a preset holds only what differs from the default; closedbook init NAME --force writes one out"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {where}: {message[:1].lower() + message[1:]}, not {_shown(problem['input'])}"


def _shown(value) -> str:
    """A value in short: YAML's aliases let a few lines hold an endless one."""
    short = reprlib.Repr()
    short.maxlevel, short.maxlist, short.maxdict, short.maxstring, short.maxother = 3, 20, 20, LONGEST, LONGEST
    text = short.repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _settings_at(location, current: type[Settings]) -> type[Settings]:
    """The settings class that a path of keys leads to, from `current`."""
    for key in location:
        if key in current.model_fields:
            current = _class_of(current.model_fields[key].annotation)
    return current
