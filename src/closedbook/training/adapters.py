"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft: trained in place of the weights, and merged into them at the end."""

from pathlib import Path

from closedbook import params
from closedbook.util import files
from closedbook.util.errors import UserError

FOLDER = "adapter"
"""in a run's folder"""


def added(model, lora: params.Lora | None):
    """The model with adapters to be trained, all else of it frozen; without `lora` the model as it is.

    Raises UserError for modules that the model does not have, or that no adapter fits.
    """
    if lora is None:
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.target_modules, task_type="CAUSAL_LM")
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise UserError(f"params.yaml: training.lora.target_modules: {lora.target_modules}: {' '.join(str(error).split())[:300]}") from None


def merged(model, folder: Path, began: str, revision: str | None):
    """Save the adapters of a trained model to `folder`, for the model that it `began` with, and return the model with them merged."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # a card of peft's, all of whose lines are to be filled in
    config = files.read_json(folder / "adapter_config.json")
    config |= {"base_model_name_or_path": began, "revision": revision, "target_modules": sorted(config["target_modules"])}
    files.write_json(folder / "adapter_config.json", config)  # peft writes a set in an order that differs from process to process
    return model.merge_and_unload()
