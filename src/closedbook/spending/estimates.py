"""What a call and a step will take: as answers to the same prompt in the ledger took, else by assumptions that are said."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from closedbook import layout, models
from closedbook.generation import sections
from closedbook.generation.strategies import across
from closedbook.llm import prices, prompts
from closedbook.params import OWN_MODELS, Limits, Llm, Params
from closedbook.records import Document
from closedbook.spending.asking import Job
from closedbook.spending.calls import Taken
from closedbook.spending.sums import Sums

ANSWER_TOKENS = 960
"""of an answer where the ledger has none to the prompt: EntiGraph's authors got 455 million tokens from about 475,000 calls"""
TOKENS_A_SECOND = 50
"""at which a model writes, where the ledger has no record"""
SAMPLED = 8
"""documents that are tokenised to learn how the base model's tokens compare with the generator's"""


@dataclass(frozen=True, eq=False)
class Estimates:
    llm: Llm
    documents: dict[str, Document]
    learnt: dict[tuple[str, str], Taken]
    """what the model's answers took, by prompt and document"""
    beside: dict[str, int] = field(default_factory=dict)
    """tokens of what a prompt shows beside the document, at most"""

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Tokens of each document, as LiteLLM counts for the model."""
        return {name: prices.tokens(self.llm.model, document.text) for name, document in self.documents.items()}

    def input_tokens(self, prompt: str, document: str) -> float:
        """By LiteLLM's count of what is sent, made to agree with what the provider counted before."""
        return self.counted_tokens(prompt, document) * self.scale(prompt)

    def cached_tokens(self, prompt: str, document: str) -> float:
        """Of the input, by the share that the provider had in its cache of the answers to the same prompt."""
        known = self._answers[prompt]
        return self.input_tokens(prompt, document) * known.cached_tokens / known.input_tokens if known.input_tokens else 0.0

    def output_tokens(self, prompt: str) -> float:
        known = self._answers[prompt]
        return known.output_tokens / known.metered if known.metered else min(ANSWER_TOKENS, self.llm.max_tokens)

    def seconds(self, prompt: str) -> float:
        if self.llm.model in OWN_MODELS:
            return 0.0  # as fast as this machine, which the number of requests in flight does not say
        known = self._answers[prompt]
        return known.seconds / known.timed if known.timed else self.output_tokens(prompt) / TOKENS_A_SECOND

    def bases(self, asked: list[str]) -> list[str]:
        """What the estimates for these prompts rest on."""
        known = [f"{prompt} ({self._answers[prompt].answers:,})" for prompt in asked if self._answers[prompt].answers]
        others = [prompt for prompt in asked if not self._answers[prompt].answers]
        told = [f"by answers in the ledger: {', '.join(known)}"] if known else []
        return told + ([f"assumed, for the ledger has no answers: {min(ANSWER_TOKENS, self.llm.max_tokens):,} tokens per answer, written at "
                        f"{TOKENS_A_SECOND} per second: {', '.join(others)}"] if others else [])

    def counted_tokens(self, prompt: str, document: str) -> int:
        """What is sent, as LiteLLM counts."""
        own = sum(prices.tokens(self.llm.model, prompts.template(part)) for part in ("system", prompt)) + self.beside.get(prompt, 0)
        if prompt in across.PROMPTS:
            return self.lengths[document] + max(self.lengths.values()) + own  # which one is beside it is not known before the entity lists
        parts = len(sections.split(self.documents[document], self.llm.sections))  # each question shows one of them
        return self.lengths[document] // parts + own

    @cached_property
    def _answers(self) -> dict[str, Taken]:
        """By prompt."""
        totals = defaultdict(Taken)
        for (prompt, _), taken in self.learnt.items():
            totals[prompt] = totals[prompt].plus(taken)
        return totals

    def scale(self, prompt: str | None = None) -> float:
        """Tokens that the provider counted, for one that LiteLLM counts: of a prompt's requests where the ledger has some, else of all."""
        return self._scales.get(prompt, self._scales.get(None, 1.0))

    @cached_property
    def _scales(self) -> dict[str | None, float]:
        theirs, ours = Counter(), Counter()
        here = [(*about, taken) for about, taken in self.learnt.items() if about[1] in self.documents]
        for prompt, document, taken in here:
            for group in (prompt, None):
                theirs[group] += taken.input_tokens
                ours[group] += taken.metered * self.counted_tokens(prompt, document)
        return {group: theirs[group] / number for group, number in ours.items() if number}

    @cached_property
    def base_scale(self) -> float | None:
        """The base model's tokens for one of the generator's; None where its tokenizer is not here."""
        if not layout.BASE_FACTS.exists():
            return None
        sample = list(self.documents)[:SAMPLED]
        encoded = models.tokenizer(layout.BASE).backend_tokenizer.encode_batch([self.documents[name].text for name in sample])
        return sum(len(one.ids) for one in encoded) / (self.scale() * sum(self.lengths[name] for name in sample))


@dataclass(frozen=True, kw_only=True)
class Row(Sums):
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


def row(jobs: list[Job], estimates: Estimates, price: prices.Prices, params: Params) -> Row:
    """Of the jobs of one step."""
    settings = {"entities": params.entities, "judgements": params.judge, "verdicts": params.judge}
    attempts = 1 if jobs[0].step == "summaries" else settings.get(jobs[0].step, params.passages).attempts
    asked = [(prompt, job.document.id, number) for job in jobs for prompt, number in job.open.items()]
    to_ask = sum(number for _, _, number in asked)
    known = sum(job.known.total() for job in jobs)
    read = sum(number * estimates.input_tokens(prompt, document) for prompt, document, number in asked)
    cached = sum(number * estimates.cached_tokens(prompt, document) for prompt, document, number in asked)
    written = sum(number * estimates.output_tokens(prompt) for prompt, _, number in asked)
    counted = sum(number * estimates.counted_tokens(prompt, document) for prompt, document, number in asked)
    most_read = counted * prices.MARGIN + to_ask * prices.FRAME
    most_written = to_ask * estimates.llm.max_tokens
    busy = sum(number * estimates.seconds(prompt) for prompt, _, number in asked) / max(min(params.limits.concurrency, to_ask), 1)
    return Row(
        calls=known + to_ask, answered=known, to_ask=to_ask, is_bound=any(job.is_bound for job in jobs),
        input_tokens=read, cached_tokens=cached, output_tokens=written, seconds=max(busy, _paced(to_ask, read + written, estimates.llm.model, params.limits)),
        usd=price.usd(round(read), round(written), cached=round(cached)),
        corpus_tokens=sum(_corpus_tokens(job, estimates) for job in jobs), most_calls=attempts * to_ask,
        most_tokens=attempts * (most_read + most_written), most_usd=price.most(round(attempts * most_read), attempts * most_written),
    )  # fmt: skip


def _paced(requests: int, tokens: float, model: str, limits: Limits) -> float:
    """Seconds that the limits of a minute make of them; a model that is code of ours has none."""
    if limits.batch or model in OWN_MODELS:
        return 0.0
    shares = ((requests, limits.requests_per_minute), (tokens, limits.tokens_per_minute))
    return max(60 * number / most if most else 0.0 for number, most in shares)


def _corpus_tokens(job: Job, estimates: Estimates) -> float:
    if not (job.written or job.at_hand):
        return 0.0
    written = sum(number * estimates.output_tokens(prompt) for prompt, number in job.written.items())
    summaries = job.at_hand["summary"] * estimates.output_tokens("entities")
    document = (job.at_hand["document"] + job.given) * estimates.lengths[job.document.id] * estimates.scale()
    return (written + summaries + document) * (estimates.base_scale or 1.0)
