"""A task vector (Ilharco et al. 2023, arXiv 2212.04089): what an instruct model learnt after its base, added to a run of that base.

W_run + strength * (W_instruct - W_base), computed in float32 and stored as the run is. Rows that the instruct model's embeddings have beyond the
run's, of tokens that were added, are the instruct model's; rows that only the run has stay as they are.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import torch

from closedbook import models
from closedbook.models import slices
from closedbook.models.slices import Tensor
from closedbook.util import files
from closedbook.util.errors import UserError

SLICE = 2**18
"""values at a time: as many as stay in a processor's cache while they are computed with"""
AHEAD = 32
"""slices that are read while another is written"""
THREADS = 2
SAMPLE = 2**18
"""values of each matrix by which a model is known to be made from another"""
LEAST_COSINE = 0.5
"""of a matrix with that of its base: fine-tuning leaves nearly 1, matrices that were drawn apart have 0"""
ALIKE = ("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "rope_parameters",
         "hidden_act", "tie_word_embeddings")  # fmt: skip
"""what both configs must say, besides what shapes do"""
Named = dict[str, Tensor]


def check(run: Path | None, base: tuple[str, str | None], instruct: tuple[str, str | None], field: str) -> tuple[Named, Named, Named]:
    """The tensors of a run (its folder; None: of no run yet, the base's), of its base and of an instruct model (name and revision each), by
    their names.

    Raises UserError where the instruct model, which `field` of params.yaml names, can't have been made from the base: says what differs.
    """
    configs = models.config(*base).get_text_config(), models.config(*instruct, field=field).get_text_config()
    of_base = models.weights(*base)
    found = tuple(slices.tensors(paths) for paths in (sorted(run.glob("model*.safetensors")) if run else of_base, of_base,
                                                      models.weights(*instruct, field=field)))  # fmt: skip
    if configs[0].tie_word_embeddings and "lm_head.weight" not in found[0]:
        found = tuple({name: tensor for name, tensor in named.items() if name != "lm_head.weight"} for named in found)
    differences = [*_settings(*configs), *_lacking(*found), *_shapes(*found, rows=tuple(config.vocab_size for config in configs))]
    if differences:
        more = f", and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise UserError(f"params.yaml: {field}: {instruct[0]} is not made from {base[0]} (base.model): {'; '.join(differences[:3])}{more}: name "
                        "the instruct model of that very base")  # fmt: skip
    alike = _cosine(*found[1:])
    if alike is None:
        raise UserError(f"params.yaml: {field}: {instruct[0]} has the weights of {base[0]} (base.model): nothing would be added; name the model that "
                        "was made from it by instruction tuning")  # fmt: skip
    if alike < LEAST_COSINE:
        raise UserError(f"params.yaml: {field}: {instruct[0]} has the shapes of {base[0]} (base.model), and is another model: half of its matrices "
                        f"have a cosine of {alike:.2f} or less with the base's, and {LEAST_COSINE} is the least of a model that was made from it: "
                        "name the instruct model of that very base")  # fmt: skip
    return found


def _settings(base, instruct) -> Iterator[str]:
    for name in ALIKE:
        ours, its = (getattr(config, name, None) for config in (base, instruct))
        if ours != its:
            yield f"{name} is {its} and the base's {ours}"


def _lacking(run: Named, base: Named, instruct: Named) -> Iterator[str]:
    for who, named in (("it", instruct), ("the base", base), ("the run", run)):
        if lacks := sorted((run.keys() | base.keys() | instruct.keys()) - named.keys()):
            yield f"{who} has no tensor {lacks[0]}" + (f" (and {len(lacks) - 1} others)" if len(lacks) > 1 else "")


def _shapes(run: Named, base: Named, instruct: Named, rows: tuple[int, int]) -> Iterator[str]:
    """`rows`: of the base's embedding and of the instruct model's."""
    for name in base.keys() & instruct.keys():
        ours, its = base[name].shape, instruct[name].shape
        if ours != its and ((*ours[:1], *its[:1]) != rows or ours[1:] != its[1:]):
            yield f"{name} has the shape {[*its]} and the base's {[*ours]}"
    for name in run.keys() & base.keys():
        if run[name].shape != base[name].shape:
            yield f"{name} of the run has the shape {[*run[name].shape]} and the base's {[*base[name].shape]}"


def _cosine(base: Named, instruct: Named) -> float | None:
    """The median, over all matrices, of the cosine of their first values with the base's; None where the first values of all tensors are equal."""
    found, are_equal = [], True
    with ExitStack() as stack:
        handles = _opened(stack, base, instruct)
        for name in base:
            end = min(SAMPLE, base[name].values, instruct[name].values)
            ours, its = (named[name].slice(0, end, handles[named[name].path]).float() for named in (base, instruct))
            are_equal = are_equal and torch.equal(ours, its)
            if len(base[name].shape) > 1:
                found.append(torch.nn.functional.cosine_similarity(ours, its, dim=0).item())
    return None if are_equal else median(found)


def write(run: Named, base: Named, instruct: Named, strength: float, folder: Path) -> None:
    """Write the sum into `folder`, in as many files as the run has; memory holds some slices."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {name: max(tensor.shape, instruct[name].shape) for name, tensor in run.items()}
    by_file: dict[Path, list[str]] = {}
    for name in sorted(run, key=lambda name: run[name].start):
        by_file.setdefault(run[name].path, []).append(name)
    with ExitStack() as stack:
        handles = _opened(stack, run, base, instruct)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)  # of each slice, beside which others are computed
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        for path, names in sorted(by_file.items()):
            work = (partial(piece, handles=handles) for name in names for piece in _pieces(run[name], base[name], instruct[name], strength))
            slices.write(folder / path.name, {name: (run[name].dtype, shapes[name]) for name in names}, _in_order(pool, work))
    if len(by_file) > 1:
        _write_index(folder, by_file, run, shapes)


def _opened(stack: ExitStack, *several: Named) -> dict:
    paths = {tensor.path for named in several for tensor in named.values()}
    return {path: stack.enter_context(open(path, "rb", buffering=0)) for path in paths}


def _pieces(run: Tensor, base: Tensor, instruct: Tensor, strength: float) -> Iterator[partial]:
    """What gives the values of a tensor, slice by slice."""
    common, longer = min(run.values, instruct.values), max(run, instruct, key=lambda tensor: tensor.values)
    for first in range(0, common, SLICE):
        yield partial(_sum, run, base, instruct, strength, first, min(first + SLICE, common))
    for first in range(common, longer.values, SLICE):
        yield partial(_alone, longer, run.dtype, first, min(first + SLICE, longer.values))


def _sum(run: Tensor, base: Tensor, instruct: Tensor, strength: float, first: int, end: int, handles: Mapping) -> torch.Tensor:
    ours, before, after = (tensor.slice(first, end, handles[tensor.path]) for tensor in (run, base, instruct))
    return after.float().sub_(before).mul_(strength).add_(ours).to(slices.DTYPES[run.dtype])


def _alone(tensor: Tensor, dtype: str, first: int, end: int, handles: Mapping) -> torch.Tensor:
    return tensor.slice(first, end, handles[tensor.path]).to(slices.DTYPES[dtype])


def _in_order(pool: ThreadPoolExecutor, work: Iterator[partial]) -> Iterator[torch.Tensor]:
    """What each gives, in order; some of those that follow are under way meanwhile."""
    waiting = deque()
    for one in work:
        waiting.append(pool.submit(one))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _write_index(folder: Path, by_file: dict[Path, list[str]], run: Named, shapes: dict) -> None:
    size = sum(torch.Size(shape).numel() * slices.DTYPES[run[name].dtype].itemsize for name, shape in shapes.items())
    weight_map = {name: path.name for path, names in by_file.items() for name in names}
    files.write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))})
