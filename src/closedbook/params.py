"""The one reader of params.yaml: YAML 1.2, typed, unknown keys refused with the nearest known one named."""

import difflib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from closedbook.errors import UserError

Share = Annotated[float, Field(ge=0, lt=1)]
NumberOrAll = NonNegativeInt | Literal["all"]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _none_twice(values: list) -> list:
    if len(set(values)) < len(values):
        raise ValueError("must name none twice")
    return values


NoneTwice = AfterValidator(_none_twice)


class Documents(Settings):
    source: Literal["miniature", "quality", "folder"]
    path: str
    limit: PositiveInt | None


class Miniature(Settings):
    books: PositiveInt
    questions: PositiveInt
    base_books: Annotated[int, Field(ge=8)]
    base_steps: PositiveInt


class Base(Settings):
    model: str
    revision: str | None


class Spacy(Settings):
    model: str


class Llm(Settings):
    model: str | None
    api_base: str | None
    temperature: Annotated[float, Field(ge=0, le=2)]
    max_tokens: PositiveInt

    @field_validator("model")
    @classmethod
    def _provider_first(cls, value):
        if value is not None and "/" not in value:
            raise ValueError(f"must name its provider first, as in openai/{value or 'gpt-4.1'}")
        return value


    @field_validator("api_base")
    @classmethod
    def _no_secret_in_it(cls, value):
        if value is not None and "@" in value.partition("//")[2].partition("/")[0]:
            raise ValueError("must hold no user and password: keys belong into the environment")
        return value


class Entities(Settings):
    max: Annotated[int, Field(ge=2)]
    attempts: PositiveInt
    fallback: Literal["spacy", "error"]


class Rephrase(Settings):
    styles: Annotated[list[Literal["easy", "medium", "hard"]], Field(min_length=1), NoneTwice]
    samples: PositiveInt


class Entigraph(Settings):
    singles: NumberOrAll
    pairs: NumberOrAll
    triplets: NumberOrAll
    summary: bool


class PassageSettings(Settings):
    attempts: PositiveInt
    rephrase: Rephrase
    entigraph: Entigraph


class Replay(Settings):
    path: str
    rate: Share
    held_out: NonNegativeInt


class Corpora(Settings):
    replay: Replay


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
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    threads: PositiveInt
    gradient_checkpointing: bool
    checkpoint_steps: PositiveInt

    @field_validator("accumulation")
    @classmethod
    def _shares_the_batch(cls, value, info):
        batch_size = info.data.get("batch_size", value)
        if batch_size % value:
            raise ValueError(f"must divide batch_size, {batch_size}: the forward passes of a step share its examples")
        return value


class Arm(Settings):
    strategy: Literal["raw", "rephrase", "entigraph"]
    corpus_tokens: PositiveInt | Literal["all"]
    train_tokens: PositiveInt | None = None
    epochs: PositiveInt | None = None

    @model_validator(mode="after")
    def _one_length(self):
        if (self.train_tokens is None) == (self.epochs is None):
            raise ValueError("needs exactly one of train_tokens (tokens seen) and epochs (times over the corpus)")
        return self


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
    batch_size: PositiveInt
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    threads: PositiveInt


class Report(Settings):
    examples: NonNegativeInt
    paper_curve: bool
    notes: list[str]


class Limits(Settings):
    concurrency: PositiveInt
    timeout: Annotated[float, Field(gt=0)]
    retries: NonNegativeInt
    input_usd_per_million: Annotated[float, Field(ge=0)] | None
    output_usd_per_million: Annotated[float, Field(ge=0)] | None


class Params(Settings):
    seed: NonNegativeInt
    documents: Documents
    miniature: Miniature
    base: Base
    spacy: Spacy
    llm: Llm
    entities: Entities
    passages: PassageSettings
    corpora: Corpora
    training: Training
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    scores: Scores
    report: Report
    limits: Limits

    @field_validator("arms")
    @classmethod
    def _names_fit_paths(cls, arms):
        for name in arms:
            if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or name == "base":
                raise ValueError(f"{name!r} can't name an arm: small letters, digits and hyphens, and not 'base'")
        return arms


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check a whole parameter file.

    Raises UserError that names the file, each wrong field, its value, and what would be right.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(Path(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file: copy one from presets/ (cp presets/folder.yaml {path})") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: must hold the keys {', '.join(Params.model_fields)}, holds {data!r}")
    try:
        return Params(**data)
    except ValidationError as error:
        raise UserError("\n".join(_explain(path, problem) for problem in error.errors())) from None


def typed(sections: dict) -> SimpleNamespace:
    """The settings in a recipe as the classes above, holding no more than the recipe does.

    A step is given these, so that reading a parameter which its recipe does not name is an AttributeError, not a stale result.
    """
    kinds = {**{name: field.annotation for name, field in Params.model_fields.items()}, "arm": Arm}
    return SimpleNamespace(**{name: _only(kinds.get(name), value) for name, value in sections.items()})


def _only(kind, value):
    if not (isinstance(kind, type) and issubclass(kind, Settings)):
        return value
    return kind.model_construct(**{name: _only(kind.model_fields[name].annotation, item) for name, item in value.items()})


def _explain(path, problem) -> str:
    where = ".".join(str(part) for part in problem["loc"] if part not in ("constrained-int", "literal['all']", "int", "float"))
    if problem["type"] == "extra_forbidden":
        parent = _settings_at(problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), parent.model_fields, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(parent.model_fields)}"
        return f"{path}: {where}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{path}: {where}: missing; see params.yaml in the repository for its meaning"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {where}: {message[:1].lower() + message[1:]}, not {problem['input']!r}"


def _settings_at(location) -> type[Settings]:
    """The settings class that a path of keys leads to."""
    current = Params
    for key in location:
        if key in current.model_fields:
            current = current.model_fields[key].annotation
            current = Arm if current == dict[str, Arm] else current
    return current
