"""Base models and trained ones, loaded alike: safetensors only, and never code that comes with a model."""

import socket
from contextlib import contextmanager
from pathlib import Path

from closedbook.models import frame
from closedbook.util import files
from closedbook.util.errors import UserError, writing

BASE = "base.model"
"""the parameter that names the base"""
FACTS = ("run.json", "assistant.json")
"""what lies beside a trained model and says what it is"""


def tokenizer(reference: Path):
    """The tokenizer of a base (its base.json, or the folder that holds it), or of a run or an assistant (its folder).

    Raises UserError where there is none, or none that closedbook can use.
    """
    return pretrained_tokenizer(*source(reference))


def model(reference: Path, dtype: str):
    """The causal language model of a base or a run, as `tokenizer` finds it; dtype: float32, bfloat16, or auto for the stored one."""
    return pretrained_model(*source(reference), dtype=dtype)


def pretrained_model(name: str, revision: str | None, **options):
    """A causal language model of transformers. Raises UserError where a weight is missing, which it would draw at random otherwise."""
    from transformers import AutoModelForCausalLM

    quiet()
    with _explained(name, revision, "a causal language model in safetensors form"):
        model, found = AutoModelForCausalLM.from_pretrained(
            name, revision=revision, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **options
        )
    if lacking := sorted(found["missing_keys"]):
        raise UserError(f"params.yaml: base.model: {name} lacks {len(lacking)} weights, as {lacking[0]}: download it whole, or take a model for "
                        "causal language modelling")  # fmt: skip
    return model


def empty(name: str, revision: str | None = None):
    """A model without its weights, on torch's meta device, with what it knows of generation."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config(name, revision), trust_remote_code=False)
    try:
        model.generation_config = GenerationConfig.from_pretrained(name, revision=revision)
    except OSError:  # a model need not have one; transformers makes it from the configuration, as it did above
        pass
    return model


def num_parameters(folder: Path) -> int:
    """Of a saved model, each counted once."""
    return empty(str(folder)).num_parameters()


def weights_sha256(hashes: dict[str, str]) -> str | None:
    """One digest of a model's weights, from {file: SHA-256} of its folder: the file's own, or, of several, one of their list; None of none."""
    named = {Path(file).name: sha256 for file, sha256 in hashes.items()}
    weights = {name: sha256 for name, sha256 in named.items() if name.startswith("model") and name.endswith(".safetensors")}
    if len(weights) < 2:
        return next(iter(weights.values()), None)
    return files.sha256_text("".join(f"{sha256}  {name}\n" for name, sha256 in sorted(weights.items())))


def save(model, tokenizer, folder: Path) -> None:
    """Write a trained model, in one file of weights or in shards with an index, and its tokenizer, so that from_pretrained takes the folder."""
    with writing(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    files.give_usual_modes(folder)


def stored_dtype(reference: Path):
    """The torch.dtype in which a model's weights are stored."""
    import torch

    return config(*source(reference)).dtype or torch.float32


def facts(folder: Path) -> dict:
    """What is recorded of a run or an assistant, in its folder."""
    return files.read_json(next(path for name in FACTS if (path := folder / name).exists()))


def is_assistant(folder: Path) -> bool:
    return (folder / FACTS[1]).exists()


def pinned(model: Path) -> dict:
    """The base.json of a base (its own path, or its folder's), or, for a run's or an assistant's folder, that of the base it began with."""
    place = model / "base.json" if model.is_dir() else model
    return files.read_json(place) if place.exists() else facts(model)["base"]


def source(reference: Path) -> tuple[str, str | None]:
    """What from_pretrained is given: a name or folder, and a revision."""
    reference = Path(reference)
    pinned = reference / "base.json" if reference.is_dir() else reference
    if not pinned.exists():
        return str(reference), None
    base = files.read_json(pinned)
    if Path(base["load"]).is_absolute() and not Path(base["load"]).exists():
        raise UserError(f"{base['load']}: the base's folder (base.model) is not there on {socket.gethostname()}: mount it on each machine that trains "
                        "and scores, or bring it back")  # fmt: skip
    return base["load"], base["revision"]


def pretrained_tokenizer(name: str, revision: str | None, *, mended: bool = True, field: str = BASE):
    """`mended`: without the end that it may set after a text: training sets that, and scoring asks for what follows; `field`: the parameter
    that names it."""
    from transformers import AutoTokenizer

    quiet()
    with _explained(name, revision, "a tokenizer", field):
        result = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    for ambient in ("is_local", "local_files_only"):
        result.init_kwargs.pop(ambient, None)  # would be saved: the same tokenizer in other bytes where HF_HUB_OFFLINE is set
    if not result.is_fast:
        raise UserError(f"params.yaml: {field}: {name} has no tokenizer.json, which tokenising needs: save its fast tokenizer beside it")
    if result.eos_token_id is None:
        raise UserError(f"params.yaml: {field}: the tokenizer of {name} has no eos_token, which ends what is written: set it in its config")
    if mended:
        frame.drop_end(result)
    return result


def tokenizer_sha256(tokenizer) -> str:
    """SHA-256 of a tokenizer as it was loaded: equal ones give equal tokens."""
    return files.sha256_text(tokenizer.backend_tokenizer.to_str())


def config(name: str, revision: str | None, *, field: str = BASE, **options):
    from transformers import AutoConfig

    with _explained(name, revision, "a configuration", field):
        return AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False, **options)


def context(config) -> int | None:
    """How many tokens a model reads at once; None where its config says no limit."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def weights(name: str, revision: str | None, *, field: str = BASE) -> list[Path]:
    """The safetensors files of a model, as its index has them; of a name on the Hub they are downloaded."""
    from transformers.utils import cached_file

    with _explained(name, revision, "weights in safetensors form", field):
        index = cached_file(name, "model.safetensors.index.json", revision=revision, _raise_exceptions_for_missing_entries=False)
        named = sorted(set(files.read_json(index)["weight_map"].values())) if index else ["model.safetensors"]
        return [Path(cached_file(name, file, revision=revision)) for file in named]


def commit(name: str, revision: str | None) -> str | None:
    """The commit that a revision of a model on the Hub stands for now; None for a folder."""
    from transformers.utils import cached_file
    from transformers.utils.hub import extract_commit_hash

    with _explained(name, revision, "a configuration"):
        return extract_commit_hash(cached_file(name, "config.json", revision=revision), None)


def quiet() -> None:
    """No progress bars nor hints of transformers on stderr, where closedbook shows its own progress."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


@contextmanager
def _explained(name: str, revision: str | None, what: str, field: str = BASE):
    """transformers and its libraries raise all kinds for what can be wrong with a name, a folder, an account or a connection."""
    at = f" at revision {revision}" if revision else ""
    try:
        yield
    except ImportError as error:
        raise UserError(f"params.yaml: {field}: {name}{at} gives {what} only with a library that is not installed "
                        f"({' '.join(str(error).split())[:300]}): install it into .venv, or take a model that is saved in safetensors and "
                        "tokenizer.json form") from error  # fmt: skip
    except Exception as error:
        raise UserError(
            f"params.yaml: {field}: {name}{at} does not give {what} ({' '.join(str(error).split())[:300]}). It must be a folder that "
            f"holds one or a name on the Hugging Face Hub; {field.rpartition('.')[0]}.revision must be one of its commits, branches or tags. For a gated model "
            "accept its licence on its page, then set HF_TOKEN or run `hf auth login`; HF_HUB_OFFLINE=1 allows only what is downloaded."
        ) from error


def check_device(device: str, name: str) -> None:
    """Raises UserError where the device that the parameter `name` asks for is not there: another one would give other bytes."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"params.yaml: {name}: cuda: torch sees no CUDA device here: set it to cpu, or install torch's build for your GPU")
