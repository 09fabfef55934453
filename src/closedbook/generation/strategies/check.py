"""What can be known before anything is asked: whether every prompt can be filled, and whether a model is there for those that need one."""

from closedbook.generation.strategies import STRATEGIES, mixture
from closedbook.llm import prompts
from closedbook.params import Params
from closedbook.util.errors import UserError

ENTITIES_PROMPT = {"entities": ("max",)}
JUDGE_PROMPT = {"judge": ("passage",)}


def check(params: Params) -> None:
    """Raises UserError for a prompt file that is missing or can't be filled, and for an arm that needs a model where there is none."""
    for arm, settings in params.arms.items():
        for strategy in mixture.names(settings.strategy):
            if params.llm.model is None:
                _check_writable(params, arm, strategy)
            else:
                prompts.check(STRATEGIES[strategy].PROMPTS)
    if params.llm.model is not None:
        prompts.check(ENTITIES_PROMPT)
    if params.judge.model is not None:
        prompts.check(JUDGE_PROMPT)


def _check_writable(params: Params, arm: str, strategy: str) -> None:
    needing = STRATEGIES[strategy].needs_model(params.passages)
    if needing:
        section = getattr(params.passages, strategy)
        choices = next((f" or leave them out of passages.{strategy}.{name}" for name in ("styles", "kinds")
                        if set(getattr(section, name, needing)) > set(needing)), "")
        raise UserError(f"params.yaml: arms.{arm}.strategy: {strategy} ({', '.join(needing)}) needs a language model, and llm.model is "
                        f"null: name one{choices}, or take another strategy")
