"""Libraries that some settings of a training need, and that closedbook does not bring."""

from importlib.util import find_spec

from closedbook import params
from closedbook.util.errors import UserError

OPTIMIZERS = {
    "bitsandbytes": ("_8bit", "paged_", "_bnb", "lion_32bit", "ademamix"),
    "torchao": ("adamw_torch_8bit", "adamw_torch_4bit"),
    "torch_xla": ("adamw_torch_xla",),
    "torch_npu": ("adamw_torch_npu",),
    "lomo_optim": ("lomo", "adalomo"),
    "grokadamw": ("grokadamw",),
    "schedulefree": ("schedule_free_",),
    "torchdistx": ("adamw_anyprecision",),
    "optimi": ("stable_adamw",),
}
"""by the library: parts of the names of transformers' optimizers that need it (transformers.trainer_optimizer)"""
ATTENTION = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface", "flash_attention_4": "flash_attn"}


def check(settings: params.Training) -> None:
    """Raises UserError where the optimizer or the attention of a training needs a library that is not installed."""
    for field, value, library in (("optimizer", settings.optimizer, _of_optimizer(settings.optimizer)),
                                  ("attention", settings.attention, ATTENTION.get(settings.attention))):  # fmt: skip
        if library and not find_spec(library):
            raise UserError(f"params.yaml: training.{field}: {value} needs the library {library}, which is not installed: install it into .venv, "
                            f"or give {'adamw_torch_fused' if field == 'optimizer' else 'sdpa'}")  # fmt: skip


def _of_optimizer(name: str) -> str | None:
    """The longest part decides: adamw_torch_8bit is torchao's, adamw_8bit is not."""
    parts = [(part, library) for library, own in OPTIMIZERS.items() for part in own if part in name]
    return max(parts, key=lambda found: len(found[0]), default=(None, None))[1]
