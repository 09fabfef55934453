"""What a training takes of one device and of the disk, by arithmetic: from the base's config and the settings, without its weights.

Of a dense transformer that is built as Llama is. `python benchmarks/memory.py` compares this with trainings; docs/spending.md has the
figures.
"""

from dataclasses import dataclass
from typing import NamedTuple

from closedbook import models, params

GIB = 2**30
LOGITS = 2**26
"""the most whose loss is computed at once: longer passes do it in parts"""
LOGIT_BYTES = 12
"""of each, in float32: itself, its log-probability and its gradient"""
SLACK = 0.15
"""of what comes and goes in a pass: blocks that allocators hold and can't use, and what libraries work in"""
RUNTIME = {"cpu": 0.55, "cuda": 1.0}
"""GiB of Python and its libraries; on a GPU of its context, the workspaces of cuBLAS, and what the allocator can't use"""
STATE = {"adamw": 8, "adam": 8, "lion": 4, "rmsprop": 4, "adagrad": 4, "ademamix": 12, "sgd": 0}
"""bytes of optimizer state for a trained parameter, in float32, by how the optimizer's name begins: Adam has two moments, Lion one"""
OTHER_STATE = 8
"""of an optimizer that is not known: as Adam's"""
EIGHT_BIT, ITS_SCALES = 1 / 4, 1 / 128
"""of the float32 state, in 8 bits, with one float32 for each 256 values (bitsandbytes)"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a base's config says of its size, in numbers of values."""

    parameters: int
    embeddings: int
    """parameters that no layer holds: of input, of output where it is not the same matrix, and the last norm"""
    tables: int
    """parameters of the input's embedding alone"""
    layer: int
    """parameters of the largest layer"""
    layers: int
    hidden: int
    heads: int
    queries: int
    """width of all heads together"""
    keys: int
    """width of all keys, fewer than queries where heads share them"""
    wide: int
    """width of what is kept of a feed-forward network: four times its own where it is gated, else twice"""
    vocabulary: int
    linear: tuple[tuple[str, int, int], ...]
    """name, inputs and outputs of each linear layer but the last, which gives the logits"""
    rows_and_columns: int
    """of all matrices"""
    stored_bytes: int
    """of a parameter, as the base is stored"""


class Estimate(NamedTuple):
    """GiB of one device."""

    weights: float
    copies: float
    """of weights in bfloat16, which autocast makes; those of other processes' weights under fsdp"""
    gradients: float
    optimizer: float
    activations: float
    logits: float
    slack: float
    runtime: float
    total: float
    """its peak: less than the sum of all where gradients only come when activations go"""


class Disk(NamedTuple):
    """GiB at the most."""

    checkpoints: float
    result: float


def shape(config) -> Shape:
    """Of a config of transformers; the model is built without memory for its weights."""
    import torch
    from transformers import AutoModelForCausalLM

    models.quiet()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    text = config.get_text_config()
    layers = _layers(model, text.num_hidden_layers)
    output = model.get_output_embeddings()
    linear = tuple((name, *_sides(module)) for name, module in model.named_modules() if _is_linear(module) and module is not output)
    heads = text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // heads
    queries, keys = heads * size, (getattr(text, "num_key_value_heads", None) or heads) * size
    inner = getattr(text, "intermediate_size", None) or getattr(text, "n_inner", None) or 4 * text.hidden_size
    largest = max(_count(layer) for layer in layers)
    gated = largest - 2 * text.hidden_size * (queries + keys) > 2.5 * text.hidden_size * inner  # three matrices, not two
    return Shape(
        parameters=model.num_parameters(), embeddings=model.num_parameters() - sum(map(_count, layers)),
        tables=_count(model.get_input_embeddings()), layer=largest, layers=len(layers), hidden=text.hidden_size, heads=heads,
        queries=queries, keys=keys, wide=(4 if gated else 2) * inner, vocabulary=text.vocab_size, linear=linear,
        rows_and_columns=sum(sum(one.shape) for one in model.parameters() if one.dim() > 1),
        stored_bytes=(config.dtype or torch.float32).itemsize,
    )  # fmt: skip


def _layers(model, number: int) -> list:
    """The list of layers: the first one that is as long as the config says."""
    from torch.nn import ModuleList

    return [*next(module for module in model.modules() if isinstance(module, ModuleList) and len(module) == number)]


def _count(module) -> int:
    return sum(one.numel() for one in module.parameters())


def _is_linear(module) -> bool:
    return type(module).__name__ in ("Linear", "Conv1D")  # GPT-2's is the latter


def _sides(module) -> tuple[int, int]:
    rows, columns = module.weight.shape
    return (rows, columns) if type(module).__name__ == "Conv1D" else (columns, rows)


def estimate(shape: Shape, settings: params.Training) -> Estimate:
    """The peak on each device."""
    sharers = settings.world if settings.sharding == "fsdp" else 1
    trained = trained_parameters(shape, settings)
    frozen = shape.parameters if settings.lora else 0
    weights = (4 * trained + _frozen_bytes(settings) * frozen) / sharers
    gradients = 4 * trained / sharers * (2 if settings.world > sharers else 1)  # without sharding also in buckets, for the other processes
    parts = {
        "weights": weights,
        "copies": _copies(shape, settings),
        "gradients": gradients,
        "optimizer": optimizer_bytes(shape, settings) / sharers,
        "activations": _activations(shape, settings),
        "logits": _logits(shape, settings),
        "runtime": RUNTIME[settings.device] * GIB,
    }
    parts["slack"] = SLACK * (parts["copies"] + parts["activations"] + parts["logits"])
    apart = settings.accumulation == 1 and settings.world == 1  # later passes of a step find the gradients of the first there already
    spared = min(gradients, parts["activations"] + parts["logits"]) if apart else 0
    return Estimate(**{name: value / GIB for name, value in parts.items()}, total=(sum(parts.values()) - spared) / GIB)


def trained_parameters(shape: Shape, settings: params.Training) -> int:
    """All, or those of the adapters: each linear layer in → out gets matrices in → r and r → out (LoRA, arXiv 2106.09685)."""
    if not settings.lora:
        return shape.parameters
    wanted = settings.lora.target_modules
    return sum(settings.lora.r * (inputs + outputs) for name, inputs, outputs in shape.linear
               if wanted == "all-linear" or name.rpartition(".")[2] in wanted)


def optimizer_bytes(shape: Shape, settings: params.Training) -> float:
    """Of the state, of all processes together."""
    trained, name = trained_parameters(shape, settings), settings.optimizer.removeprefix("paged_")
    if name.startswith("adafactor"):  # a mean for each row and each column (arXiv 1804.04235)
        return 4 * (shape.rows_and_columns if not settings.lora else trained)
    full = next((size for prefix, size in STATE.items() if name.startswith(prefix)), OTHER_STATE)
    if not name.endswith(("8bit", "4bit")):
        return full * trained
    whole = 0 if settings.lora else shape.tables  # transformers keeps that of embeddings in 32 bits
    return full * (whole + (trained - whole) * (EIGHT_BIT + ITS_SCALES))


def _frozen_bytes(settings: params.Training) -> int:
    """Of a weight beside adapters; trained ones are kept in float32 (in bfloat16, small updates would round away)."""
    return 2 if settings.dtype == "bfloat16" else 4


def _copies(shape: Shape, settings: params.Training) -> float:
    """Under autocast, the backward pass needs the bfloat16 copy of each matrix. Under fsdp weights are gathered layer by layer: the one at
    work and the next, with their gradients, and the embeddings for the whole pass."""
    width = _frozen_bytes(settings)
    if settings.sharding == "fsdp":
        return width * (2 * shape.layer + shape.embeddings) * (1 if settings.lora else 2)
    if settings.lora or settings.dtype == "float32":
        return 0.0
    output = shape.hidden * shape.vocabulary
    return 2 * (sum(inputs * outputs for _, inputs, outputs in shape.linear) + output)


def tokens(settings: params.Training) -> int:
    """Of one pass of one process."""
    return settings.block_size * settings.batch_size // (settings.accumulation * settings.world)


def _activations(shape: Shape, settings: params.Training) -> float:
    """What the backward pass needs of each layer; with checkpointing its input, and all of the one that is computed again (the bookkeeping
    of arXiv 2205.05198, for this architecture and these precisions)."""
    layer = tokens(settings) * _layer_bytes(shape, settings)
    if not settings.gradient_checkpointing:
        return shape.layers * layer
    stream = _frozen_bytes(settings) if settings.lora else 4  # autocast leaves what the embedding gives, and what is added to it, as it is
    return shape.layers * tokens(settings) * stream * shape.hidden + layer


def _layer_bytes(shape: Shape, settings: params.Training) -> float:
    """For each token in a layer, as torch.autograd.graph.saved_tensors_hooks counts them for a Llama.

    float32: the input and the outcome of both norms before and after their weights (the linear layers' inputs), queries, keys, values, what
    attention gives, and the feed-forward network. Under autocast the norms stay in float32, and each linear layer keeps a bfloat16 copy of
    its input. Beside adapters no weight of a norm is trained, so less of them is kept; each adapter keeps its own input.
    """
    hidden, queries, keys, wide = shape.hidden, shape.queries, shape.keys, shape.wide
    full = settings.dtype == "float32"
    width = 4 if full else 2
    if settings.lora:
        kept = 4 * 4 * hidden + 8 * queries if full else 18 * hidden + 6 * queries
        kept += width * 7 * settings.lora.r
        if settings.lora.dropout:  # which inputs were dropped; and these, which otherwise all adapters of an input share in float32
            kept += (4 if settings.device == "cpu" else 1) * (5 * hidden + queries + wide / 4)
            kept += 4 * (3 * hidden + queries) if full else 0
    else:
        kept = 4 * 6 * hidden + 8 * queries if full else 26 * hidden + 4 * queries
    kept += width * (2 * keys + wide)
    if settings.attention == "eager":  # all weights of attention, in float32 and as used; keys and values once for each head
        kept += 2 * width * (queries - keys) + (4 if full else 6) * shape.heads * settings.block_size
    return kept


def _logits(shape: Shape, settings: params.Training) -> float:
    return LOGIT_BYTES * min(LOGITS, tokens(settings) * shape.vocabulary)


def disk(shape: Shape, settings: params.Training, steps: int, kept: int) -> Disk:
    """Of checkpoints (`kept`, and the one that is being written), each with what is trained in float32 and the optimizer's state, and of
    the result, in the base's own precision."""
    number = min(kept + 1, -(-steps // settings.checkpoint_steps))
    checkpoint = 4 * trained_parameters(shape, settings) + optimizer_bytes(shape, settings)
    return Disk(checkpoints=number * checkpoint / GIB, result=shape.parameters * shape.stored_bytes / GIB)


