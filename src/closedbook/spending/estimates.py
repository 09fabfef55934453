"""What a call will take, in tokens and seconds: as answers to the same prompt in the ledger took, else by assumptions that are said."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property

from closedbook import layout, models
from closedbook.generation import sections
from closedbook.llm import prices, prompts
from closedbook.params import OWN_MODELS, Llm
from closedbook.records import Document
from closedbook.spending.calls import Taken

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
        return known.seconds / known.answers if known.answers else self.output_tokens(prompt) / TOKENS_A_SECOND

    def bases(self, asked: list[str]) -> list[str]:
        """What the estimates for these prompts rest on."""
        known = [f"{prompt} ({self._answers[prompt].answers:,})" for prompt in asked if self._answers[prompt].answers]
        others = [prompt for prompt in asked if not self._answers[prompt].answers]
        told = [f"by answers in the ledger: {', '.join(known)}"] if known else []
        return told + ([f"assumed, for the ledger has no answers: {min(ANSWER_TOKENS, self.llm.max_tokens):,} tokens per answer, written at "
                        f"{TOKENS_A_SECOND} per second: {', '.join(others)}"] if others else [])

    def counted_tokens(self, prompt: str, document: str) -> int:
        """What is sent, as LiteLLM counts."""
        own = prices.tokens(self.llm.model, prompts.template("system")) + prices.tokens(self.llm.model, prompts.template(prompt))
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
        if not (layout.BASE / "base.json").exists():
            return None
        sample = list(self.documents)[:SAMPLED]
        encoded = models.tokenizer(layout.BASE).backend_tokenizer.encode_batch([self.documents[name].text for name in sample])
        return sum(len(one.ids) for one in encoded) / (self.scale() * sum(self.lengths[name] for name in sample))
