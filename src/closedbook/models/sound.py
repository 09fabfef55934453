"""Whether a base can be used: looked at where it is pinned, before a call is paid for texts that it could never learn from."""

from importlib.util import find_spec
from pathlib import Path

from closedbook import models
from closedbook.util.errors import UserError, nearest

POINTER = b"version https://git-lfs.github.com/spec/"
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
SAFE = ("save it with transformers' save_pretrained, which writes safetensors, where you trust it (.bin and .pt files are pickles: loading one "
        "can run code), or take another model")  # fmt: skip


def check_files(folder: Path, field: str = models.BASE) -> None:
    """Raises UserError for a model's folder of which files are not here, or in a form that closedbook does not read."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    for path in paths:
        with open(path, "rb") as handle:
            first = handle.read(len(POINTER))
        if first == POINTER:
            raise UserError(f"params.yaml: {field}: {path} is a pointer of Git LFS, not the file itself: run git lfs pull in its repository")
        alone = path.name == "tokenizer.model" and not (folder / "tokenizer.json").exists()
        if alone and first[:1] == b"\n" and not find_spec("sentencepiece"):  # tiktoken's files of that name are text
            raise UserError(f"params.yaml: {field}: {path} needs the library sentencepiece, which is not installed: save the model's fast "
                            "tokenizer (tokenizer.json) beside it, or install the library into .venv")  # fmt: skip
    forms = {path.suffix: path for path in paths if path.suffix in (".safetensors", ".gguf", *PICKLED) and path.name != "training_args.bin"}
    if forms and ".safetensors" not in forms:
        raise UserError(f"params.yaml: {field}: {[*forms.values()][0]}: weights must be in safetensors form: {SAFE}")


def check_weights(name: str, revision: str | None, tokenizer, used: list[int], field: str = models.BASE) -> None:
    """Raises UserError unless all weights are here and whole, and the embedding has a row for each id that a text can give and for those
    `used` around one. Of a name on the Hub they are downloaded; of each file only the header is read."""
    if how := getattr(models.config(name, revision), "quantization_config", None):
        method = how.get("quant_method") if isinstance(how, dict) else how.quant_method
        raise UserError(f"params.yaml: {field}: the weights of {name} are quantised ({method}), and such can't be trained: take the model "
                        "that they were made from")  # fmt: skip
    rows = models.pretrained_model(name, revision, device_map="meta").get_input_embeddings().weight.shape[0]
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}  # in a text they are spelled as text
    vocabulary = tokenizer.get_vocab()
    if beyond := [(number, token) for token, number in vocabulary.items() if number >= rows and (number not in special or number in used)]:
        number, token = min(beyond)
        raise UserError(f"params.yaml: {field}: the tokenizer of {name} gives {len(beyond)} ids that its embedding of {rows} rows does not "
                        f"have, as {number} ({token!r}): tokenizer and weights are of different models")  # fmt: skip


def check_block(pinned: dict, block_size: int) -> None:
    """Raises UserError for a block beyond the context of a base (its base.json)."""
    if pinned["context"] is not None and block_size > pinned["context"]:
        raise UserError(
            f"params.yaml: training.block_size: {block_size} tokens are more than {pinned['model']} (base.model) reads at once: its context "
            f"is {pinned['context']}; give {pinned['context']} or less"
        )


def check_linear(pinned: dict, wanted: list[str]) -> None:
    """Raises UserError where a base has no linear layer of a name that adapters are wanted for (training.lora.target_modules)."""
    import torch

    with torch.device("meta"):
        model = models.empty(pinned["load"], pinned["revision"])
    linear = sorted({name.rpartition(".")[2] for name, module in model.named_modules() if type(module).__name__ in ("Linear", "Conv1D")})
    for name in wanted:
        if name not in linear:
            raise UserError(f"params.yaml: training.lora.target_modules: {pinned['model']} (base.model) has no linear layer {name}: it has "
                            f"{', '.join(nearest(name, linear) or linear)}")  # fmt: skip


def check_letters(name: str, tokenizer) -> None:
    """Raises UserError where a letter that answers a question is not one token."""
    for letter in "ABCD":
        num_tokens = len(tokenizer.encode(f"Answer: {letter}")) - len(tokenizer.encode("Answer:"))
        if num_tokens != 1:
            raise UserError(f"params.yaml: scores.tasks: the tokenizer of {name} (base.model) makes {num_tokens} tokens of the letter ' {letter}', "
                            "and quality_closed compares letters of one token: leave that task out, or take another base.model")  # fmt: skip
