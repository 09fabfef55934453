"""What requests cost: by LiteLLM's prices, else by those in the parameters; and how many tokens they have."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata

from closedbook.llm import library
from closedbook.params import LanguageModel, Limits
from closedbook.util.errors import UserError

MARGIN = 1.25
"""LiteLLM has the tokenizers of few models; others count up to a quarter more in English"""
FRAME = 50
"""tokens around the messages: whose they are, where they begin and end"""


@dataclass(frozen=True)
class Prices:
    model: str
    version: str | None
    """whose prices: LiteLLM's version, "params", or None where neither has one"""
    per_million: tuple[float, float, float] | None
    """US dollars for a million tokens of input, of cached input and of output, where LiteLLM does not know them"""
    in_batch: bool = False
    """at LiteLLM's prices for batches, which are half the others where it has none"""

    def most(self, input_tokens: int, output_tokens: int, searches: int = 0) -> float | None:
        """Where the provider has nothing of the input in its cache, and charges for putting all of it there if it ever does."""
        written = 0 if self.per_million or self.version is None or self.in_batch else input_tokens
        whole = self.usd(input_tokens, output_tokens, searches)
        return max(whole, self.usd(input_tokens, output_tokens, searches, written=written)) if written else whole

    def usd(self, input_tokens: int, output_tokens: int, searches: int = 0, cached: int = 0, written: int = 0) -> float | None:
        """`cached`, `written`: those of the input that the provider has in its cache, or puts there."""
        if self.per_million:
            tokens = (input_tokens - cached, cached, output_tokens)
            return sum(price * number for price, number in zip(self.per_million, tokens, strict=True)) / 1e6
        if self.version is None:
            return None
        if self.in_batch:
            return _in_batch(self.model, input_tokens, output_tokens, cached)
        by_tokens = sum(library.litellm().cost_per_token(model=self.model, prompt_tokens=input_tokens, completion_tokens=output_tokens,
                                                         cache_read_input_tokens=cached, cache_creation_input_tokens=written))
        return by_tokens + searches * library.known(self.model).get("input_cost_per_query", 0)


def _in_batch(model: str, input_tokens: int, output_tokens: int, cached: int) -> float:
    from litellm.cost_calculator import batch_cost_calculator

    cached = cached if "cache_read_input_token_cost" in library.known(model) else 0  # it would count them as nothing
    counted = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "prompt_tokens_details": {"cached_tokens": cached}}
    return sum(batch_cost_calculator(library.litellm().Usage(**counted), model))


FREE = Prices("", None, (0.0, 0.0, 0.0))
"""of a model that is code of ours"""


def of(llm: LanguageModel, limits: Limits, in_batch: bool = False) -> Prices:
    """The parameters' are those of the models that LiteLLM does not know: a judge beside a server of one's own is paid as it is sold, and
    batches at the same price.

    Raises UserError where dollars are limited and no price is known.
    """
    known = library.known(llm.model)
    if known and {"input_cost_per_token", "output_cost_per_token"} <= known.keys():
        return Prices(llm.model, f"litellm {metadata.version('litellm')}{', batches' if in_batch else ''}", None, in_batch)
    if limits.input_usd_per_million is not None:
        cached = limits.cached_input_usd_per_million
        each = (limits.input_usd_per_million, limits.input_usd_per_million if cached is None else cached, limits.output_usd_per_million)
        return Prices(llm.model, "params", each)
    if limits.max_usd is not None:
        raise UserError(f"limits.max_usd {limits.max_usd:g}: the price of {llm.model} is not known, so dollars can't be limited: give "
                        "limits.input_usd_per_million and limits.output_usd_per_million, or set limits.max_usd to null")
    return Prices(llm.model, None, None)


def by_name(model: str, limits: Limits, in_batch: bool = False) -> Prices:
    """Of any model by LiteLLM's name, to compare with. Raises UserError where no price of it is known."""
    found = of(LanguageModel.model_construct(model=model), limits.model_copy(update={"max_usd": None}), in_batch)
    if found.version is None:
        raise UserError(f"{model}: LiteLLM knows no price of it: give another model, or limits.input_usd_per_million and "
                        "limits.output_usd_per_million")  # fmt: skip
    return found


@lru_cache(maxsize=64)
def tokens(model: str, text: str) -> int:
    """By LiteLLM's tokenizer for a model, or the one that it takes for models unknown to it. Of a document counted once."""
    return library.litellm().token_counter(model=model, text=text) if text else 0
