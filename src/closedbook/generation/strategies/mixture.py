"""An arm's strategy, which is one or a mixture of several: its strategies, its name, and the shares of tokens that each gives."""

import math
from fractions import Fraction

from closedbook.generation.strategies import STRATEGIES


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
