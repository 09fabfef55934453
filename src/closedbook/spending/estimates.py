"""What a call will take, in tokens, dollars and seconds: as answers to the same prompt took by the ledger, else by assumptions that are said."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from closedbook import models, prompts
from closedbook.llm import prices
from closedbook.params import Llm
from closedbook.records import Document
from closedbook.spending.calls import Taken

ANSWER_TOKENS = 960
"""of an answer where the ledger has none to the prompt: EntiGraph's authors got 455 million tokens from about 475,000 calls"""
TOKENS_A_SECOND = 50
"""at which a model writes, where the ledger does not tell"""
BASE = Path("results/base")
SAMPLED = 8
"""documents that are tokenised to learn how the base model's tokens compare with the writer's"""


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
        return self.counted_tokens(prompt, document) * self.scale

    def output_tokens(self, prompt: str) -> float:
        known = self._answers[prompt]
        return known.output_tokens / known.metered if known.metered else min(ANSWER_TOKENS, self.llm.max_tokens)

    def seconds(self, prompt: str) -> float:
        known = self._answers[prompt]
        return known.seconds / known.answers if known.answers else self.output_tokens(prompt) / TOKENS_A_SECOND

    def basis(self, prompt: str) -> str:
        """What the estimates for a prompt rest on."""
        known = self._answers[prompt]
        if known.answers:
            return f"{prompt}: by {known.answers:,} answers in the ledger"
        return f"{prompt}: assumed {self.output_tokens(prompt):,.0f} tokens an answer, written at {TOKENS_A_SECOND} a second, for the ledger has none"

    def counted_tokens(self, prompt: str, document: str) -> int:
        """What is sent, as LiteLLM counts."""
        own = prices.tokens(self.llm.model, prompts.template("system")) + prices.tokens(self.llm.model, prompts.template(prompt))
        return self.lengths[document] + own

    @cached_property
    def _answers(self) -> dict[str, Taken]:
        """By prompt."""
        totals = defaultdict(Taken)
        for (prompt, _), taken in self.learnt.items():
            totals[prompt] = totals[prompt].plus(taken)
        return totals

    @cached_property
    def scale(self) -> float:
        """Tokens that the provider counted, for one that LiteLLM counts."""
        here = [(prompt, document, taken) for (prompt, document), taken in self.learnt.items() if document in self.documents]
        ours = sum(taken.metered * self.counted_tokens(prompt, document) for prompt, document, taken in here)
        return sum(taken.input_tokens for _, _, taken in here) / ours if ours else 1.0

    @cached_property
    def base_scale(self) -> float | None:
        """The base model's tokens for one of the writer's; None where its tokenizer is not here."""
        if not (BASE / "base.json").exists():
            return None
        sample = list(self.documents)[:SAMPLED]
        encoded = models.tokenizer(BASE).backend_tokenizer.encode_batch([self.documents[name].text for name in sample])
        return sum(len(one.ids) for one in encoded) / (self.scale * sum(self.lengths[name] for name in sample))
