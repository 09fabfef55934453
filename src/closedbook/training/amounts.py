"""How many tokens a run reads: of its corpus, repeats counted, and of replay beside it."""

from closedbook import params
from closedbook.util.errors import UserError


def train_tokens(name: str, arm: params.Arm, corpus_tokens: int) -> int:
    """Of a corpus of so many. Raises UserError where the arm `name` would not read it whole."""
    found = arm.train_tokens or arm.epochs * corpus_tokens
    if found < corpus_tokens:
        raise UserError(
            f"params.yaml: arms.{name}.train_tokens: {found} tokens seen can't cover the {corpus_tokens} distinct ones of the "
            f"corpus: give at least as many, or arms.{name}.corpus_tokens: {found}"
        )
    return found


def beside(rate: float, train_tokens: int, other: float = 0.0) -> int:
    """Of replay, or of dialogues, which are the share `rate` of all that is read; `other`: the share of what else is read beside the corpus."""
    return round(train_tokens * rate / (1 - rate - other))
