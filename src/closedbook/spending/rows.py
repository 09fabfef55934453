"""What a step asks, over all documents, with what that will take."""

from dataclasses import dataclass, fields

from closedbook.llm import prices
from closedbook.params import Params
from closedbook.spending.asking import Job
from closedbook.spending.estimates import Estimates


@dataclass(frozen=True, kw_only=True)
class Row:
    """Of one step or of several. Tokens, dollars and seconds are those of the calls still to be asked."""

    calls: int = 0
    answered: int = 0
    """calls whose answers are in the ledger, or in results that are fresh"""
    to_ask: int = 0
    is_bound: bool = False
    """what is asked depends on answers that are not there yet: so much at most"""
    input_tokens: float = 0.0
    cached_tokens: float = 0.0
    """of the input, those that the provider then has in its cache; none in what follows under "most" """
    output_tokens: float = 0.0
    usd: float | None = 0.0
    """None where no price is known"""
    seconds: float = 0.0
    corpus_tokens: float = 0.0
    """of all passages, those that cost no call too; in the generator's tokens where the base model's tokenizer is not here"""
    most_calls: int = 0
    """if each call took all its attempts"""
    most_tokens: float = 0.0
    """if each of those was as long as it may be"""
    most_usd: float | None = 0.0

    def __add__(self, other: "Row") -> "Row":
        sums = {}
        for one in fields(self):
            mine, its = getattr(self, one.name), getattr(other, one.name)
            sums[one.name] = None if None in (mine, its) else mine or its if one.name == "is_bound" else mine + its
        return Row(**sums)


def row(jobs: list[Job], estimates: Estimates, price: prices.Prices, params: Params) -> Row:
    """Of the jobs of one step."""
    attempts = (params.entities if jobs[0].step == "entities" else params.passages).attempts
    asked = [(prompt, job.document.id, number) for job in jobs for prompt, number in job.open.items()]
    to_ask = sum(number for _, _, number in asked)
    known = sum(job.known.total() for job in jobs)
    read = sum(number * estimates.input_tokens(prompt, document) for prompt, document, number in asked)
    cached = sum(number * estimates.cached_tokens(prompt, document) for prompt, document, number in asked)
    written = sum(number * estimates.output_tokens(prompt) for prompt, _, number in asked)
    counted = sum(number * estimates.counted_tokens(prompt, document) for prompt, document, number in asked)
    most_read = counted * prices.MARGIN + to_ask * prices.FRAME
    most_written = to_ask * params.llm.max_tokens
    seconds = sum(number * estimates.seconds(prompt) for prompt, _, number in asked)
    return Row(
        calls=known + to_ask, answered=known, to_ask=to_ask, is_bound=any(job.is_bound for job in jobs),
        input_tokens=read, cached_tokens=cached, output_tokens=written, seconds=seconds / max(min(params.limits.concurrency, to_ask), 1),
        usd=price.usd(round(read), round(written), cached=round(cached)),
        corpus_tokens=sum(_corpus_tokens(job, estimates) for job in jobs), most_calls=attempts * to_ask,
        most_tokens=attempts * (most_read + most_written), most_usd=price.usd(round(attempts * most_read), attempts * most_written),
    )  # fmt: skip


def _corpus_tokens(job: Job, estimates: Estimates) -> float:
    if job.step == "entities":
        return 0.0
    written = sum(number * estimates.output_tokens(prompt) for prompt, number in job.written.items())
    summaries = job.at_hand["summary"] * estimates.output_tokens("entities")
    document = job.at_hand["document"] * estimates.lengths[job.document.id] * estimates.scale()
    return (written + summaries + document) * (estimates.base_scale or 1.0)
