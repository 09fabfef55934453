"""An arm's strategy, one or a mixture of several: its name, the shares of tokens, and whether all that it asks for can be asked."""

import math
from fractions import Fraction
from importlib import import_module

from closedbook.generation.strategies import STRATEGIES
from closedbook.llm import prompts
from closedbook.params import OWN_MODELS, Params
from closedbook.util.errors import UserError

ENTITIES_PROMPT = {"entities": ("max",)}
JUDGE_PROMPTS = {"judge": ("passage",), "verdict": ("summary",)}


def names(strategy: str | dict[str, float]) -> list[str]:
    """The strategies in it, in the order of STRATEGIES, however they were written down."""
    return [name for name in STRATEGIES if name in ([strategy] if isinstance(strategy, str) else strategy)]


def label(strategy: str | dict[str, float]) -> str:
    """One name for equal mixtures: "qa", "qa+active_reading", and "qa:2+active_reading:1" where the shares differ."""
    shares = _whole(_given(strategy))
    equal = len(set(shares.values())) == 1
    return "+".join(name if equal else f"{name}:{share}" for name, share in shares.items())


def shares(strategy: str | dict[str, float]) -> dict[str, int]:
    """The share of each group of passages, in the smallest whole numbers. A group is a strategy ("qa"), or, where its kinds share
    equally, one of its kinds ("spa/lesson")."""
    groups = {}
    for name, share in _given(strategy).items():
        kinds = [f"{name}/{kind}" for kind in STRATEGIES[name].PROMPTS] if STRATEGIES[name].EQUAL_KINDS else [name]
        groups |= dict.fromkeys(kinds, share / len(kinds))
    return _whole(groups)


def _given(strategy: str | dict[str, float]) -> dict[str, Fraction]:
    return {name: Fraction(1 if isinstance(strategy, str) else str(strategy[name])) for name in names(strategy)}


def _whole(shares: dict[str, Fraction]) -> dict[str, int]:
    whole = {name: share * math.lcm(*(other.denominator for other in shares.values())) for name, share in shares.items()}
    return {name: int(share / math.gcd(*map(int, whole.values()))) for name, share in whole.items()}


def check(params: Params) -> None:
    """Raises UserError for a prompt file that is missing or can't be filled, and for an arm that needs a model where there is none, or
    another one than there is."""
    for arm, settings in params.arms.items():
        for strategy in names(settings.strategy):
            if params.llm.model is None:
                _check_writable(params, arm, strategy)
            else:
                prompts.check(STRATEGIES[strategy].PROMPTS)
                _check_played(params.llm.model, arm, strategy)
    if params.llm.model is not None:
        prompts.check(ENTITIES_PROMPT)
    if params.judge.model is not None:
        prompts.check(JUDGE_PROMPTS)


def _check_played(model: str, arm: str, strategy: str) -> None:
    """A language model that is code of ours knows some prompts only."""
    played = import_module(OWN_MODELS[model]).played() if model in OWN_MODELS else STRATEGIES[strategy].PROMPTS
    if unknown := [name for name in STRATEGIES[strategy].PROMPTS if name not in played]:
        raise UserError(f"params.yaml: arms.{arm}.strategy: {strategy} ({', '.join(unknown)}) is more than {model} can write: name another "
                        "llm.model, or take another strategy")


def _check_writable(params: Params, arm: str, strategy: str) -> None:
    needing = STRATEGIES[strategy].needs_model(params.passages)
    if needing:
        section = getattr(params.passages, strategy)
        choices = next((f" or leave them out of passages.{strategy}.{name}" for name in ("styles", "kinds")
                        if set(getattr(section, name, needing)) > set(needing)), "")
        raise UserError(f"params.yaml: arms.{arm}.strategy: {strategy} ({', '.join(needing)}) needs a language model, and llm.model is "
                        f"null: name one{choices}, or take another strategy")
