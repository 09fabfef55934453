"""What a preset for a folder of texts becomes for the documents that lie there: budgets, batch and block of their size."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from closedbook import layout, models, sources
from closedbook.params import Params, Training
from closedbook.spending import speed, trainings
from closedbook.stages import documents
from closedbook.util import files, tables
from closedbook.util.errors import UserError

BYTES_A_TOKEN = 4
"""an estimate, for the base may not be here: of English, and of Chinese with its three bytes a character"""
EPOCHS = 20
"""how often the documents themselves are read, and so how long every arm trains"""
WRITTEN = 5
"""tokens of a corpus of passages for one of the documents; it is read EPOCHS / WRITTEN times"""
LONGEST = 50_000
"""tokens of passages about one document: its pairs of entities, of which there are 780 at most, give so many"""
LEAST_STEPS, LEAST_BATCH, LEAST_BLOCK = 20, 2, 128
SHORT_PASSAGE = 100
"""tokens; docs/experiments.md has the lengths that were measured"""
FEWEST_PAIRS, MOST_PAIRS = 10, 780


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in documents.path."""

    tokens: list[int]
    """of each document, about"""
    questions: int
    asked_about: int
    """documents"""


@dataclass(frozen=True, kw_only=True)
class Fit:
    train_tokens: int
    """of each arm"""
    corpus_tokens: int
    """of each arm but raw"""
    pairs: int | str
    triplets: int
    block_size: int
    batch_size: int

    @property
    def steps(self) -> int:
        return -(-self.train_tokens // (self.block_size * self.batch_size))


def is_fitted(params: Params) -> bool:
    """Whether a preset's budgets follow the documents: those of a language model's texts, of QuALITY and of the miniature stand as they are."""
    return params.documents.source == "folder" and params.llm.model is None


def found(params: Params) -> Found | None:
    """None where there is no document yet. Raises UserError for a document or a question that planning would refuse."""
    path = Path(params.documents.path)
    if not path.exists() or not sources.listing.files(path, params.documents.source):
        return None
    with _silent("closedbook.sources"):  # planning says what is left out
        articles = sources.articles(params.documents, params.miniature, params.seed, params.training.seeds)
    sizes = [max(1, len(documents.document_of(article).text.encode()) // BYTES_A_TOKEN) for article in articles]
    asked = [len(article.questions) for article in articles]
    return Found(tokens=sizes, questions=sum(asked), asked_about=sum(map(bool, asked)))


@contextmanager
def _silent(name: str) -> Iterator[None]:
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def context(params: Params) -> int | None:
    """How many tokens the base reads at once; None where it is not here."""
    try:
        return models.context(models.config(params.base.model, params.base.revision, local_files_only=True))
    except UserError:
        return None


def fit(found: Found, training: Training, context: int | None) -> Fit:
    """Budgets for these documents, and blocks and batches of which each arm's training has LEAST_STEPS."""
    total, longest = sum(found.tokens), max(found.tokens)
    most = min(training.block_size, context or training.block_size)
    smallest = min(most, LEAST_BLOCK) * LEAST_BATCH
    train_tokens = max(EPOCHS * total, LEAST_STEPS * smallest)
    step = train_tokens // LEAST_STEPS
    block_size = min(most, _power(step // LEAST_BATCH))
    pairs = max(FEWEST_PAIRS, 2 * WRITTEN * longest // SHORT_PASSAGE)
    return Fit(train_tokens=train_tokens, corpus_tokens=sum(min(WRITTEN * tokens, LONGEST) for tokens in found.tokens),
               pairs="all" if pairs > MOST_PAIRS else pairs, triplets=min(pairs // 4, 100),
               block_size=block_size, batch_size=min(training.batch_size, _power(step // block_size)))  # fmt: skip


def _power(number: int) -> int:
    """The greatest power of two that is no more."""
    return 1 << (number.bit_length() - 1)


def changes(fit: Fit, params: Params) -> str:
    """As a preset has them."""
    arms = "".join(f"  {name}: {{strategy: {arm.strategy}, corpus_tokens: {'all' if arm.strategy == 'raw' else fit.corpus_tokens}, "
                   f"train_tokens: {fit.train_tokens}}}\n" for name, arm in params.arms.items())
    return (f"passages:\n  entigraph:\n    pairs: {fit.pairs}\n    triplets: {fit.triplets}\n"
            f"training:\n  block_size: {fit.block_size}\n  batch_size: {fit.batch_size}\narms:\n{arms}")


def told(found: Found, fit: Fit, params: Params, context: int | None, measure: bool) -> list[str]:
    """What was found and chosen, for the terminal. `params`: with the fit; `measure`: time ten steps where no earlier run says how long."""
    questions = f"{found.questions:,} questions about {found.asked_about:,} of them" if found.questions else (
        f"no questions, so accuracy is not measured: write {params.documents.path}/questions.jsonl or .csv (docs/documents.md)")
    return [
        f"{len(found.tokens):,} documents of about {sum(found.tokens):,} tokens; {questions}",
        f"{len(params.arms)} arms, {', '.join(params.arms)}: each reads {fit.train_tokens:,} tokens, in {fit.steps:,} steps of {fit.batch_size} x "
        f"{fit.block_size} tokens",
        f"base: {params.base.model}, " + (f"which reads {context:,} tokens at once" if context else "which is not here yet: it is downloaded when the run begins"),
        _time(fit, params, measure),
    ]


def _time(fit: Fit, params: Params, measure: bool) -> str:
    rate = _speed(params, measure)
    if rate is None:
        return "time of training is not known before one is measured: closedbook init --measure, or closedbook forecast --measure, times ten steps"
    runs = sum(len(arm.seeds or params.training.seeds) for arm in params.arms.values())
    seconds = runs * fit.train_tokens / rate / min(runs, trainings.side_by_side(params.training))
    return f"training: about {tables.duration(seconds)}, at {rate:,.0f} tokens a second, which was measured here"


def _speed(params: Params, measure: bool) -> float | None:
    known = layout.BASE_FACTS.exists() and files.read_json(layout.BASE_FACTS)["model"] == params.base.model
    rate = speed.earlier(params.training) if known else None
    if rate is None and measure:
        return speed.measured((params.base.model, params.base.revision), params.training)
    return rate
