"""The loss over a large vocabulary, a piece of the tokens at a time: all logits of a pass in float32 would take more memory than the model."""

import types

import torch
from torch.utils.checkpoint import checkpoint
from transformers.modeling_outputs import CausalLMOutput

from closedbook.training import distributed
from closedbook.util import terminal

MOST_LOGITS = 2**26
"""held at once in float32, which is 256 MiB"""
PROBE = 16
"""tokens on which both ways are compared"""


def in_pieces(model, tokens: int, label: str) -> None:
    """Have a causal language model compute its loss in pieces, where a pass over `tokens` tokens holds more than MOST_LOGITS logits.

    A model that does more to its logits than its last layer does (as a cap on them) keeps its own way, which is said.
    """
    if tokens * model.config.get_text_config().vocab_size <= MOST_LOGITS:
        return
    own = model.forward
    model.forward = types.MethodType(_forward(own), model)
    if not _same(model, own):
        model.forward = own
        if distributed.is_first():
            terminal.note(f"{label}: the loss of {type(model).__name__} can't be computed in pieces, and takes {_gib(tokens, model):.1f} GiB for "
                          "the logits of a pass: more training.accumulation makes that less")  # fmt: skip


def _gib(tokens: int, model) -> float:
    return 4 * tokens * model.config.get_text_config().vocab_size / 2**30


def _same(model, own) -> bool:
    """Whether both ways give one loss. The first process compares, for the others may hold no weights yet."""
    return distributed.from_first(lambda: _compared(model, own))


def _compared(model, own) -> bool:
    training = model.training
    ids = torch.arange(PROBE, device=model.device)[None] + 1
    model.eval()
    with torch.no_grad():
        found, expected = (way(input_ids=ids, labels=ids).loss.float() for way in (model.forward, own))
    model.train(training)
    return torch.allclose(found, expected, rtol=1e-3)


def _forward(own):
    def forward(self, input_ids=None, labels=None, num_items_in_batch=None, **kwargs):
        if labels is None:
            return own(input_ids=input_ids, **kwargs)
        states = self.base_model(input_ids=input_ids, **kwargs).last_hidden_state[:, :-1]
        total = _summed(self.get_output_embeddings(), states.flatten(0, 1), labels[:, 1:].flatten())
        return CausalLMOutput(loss=total / (labels[:, 1:] != -100).sum() if num_items_in_batch is None else total / num_items_in_batch)

    return forward


def _summed(head, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The sum of the losses of hidden states [N, hidden] against labels [N]; of each piece the logits are made again for the gradient."""
    size = max(1, MOST_LOGITS // head.weight.shape[0])
    pieces = zip(states.split(size), labels.split(size), strict=True)
    return torch.stack([checkpoint(_piece, head, part, wanted, use_reentrant=False) for part, wanted in pieces]).sum()


def _piece(head, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(head(states).float(), labels, reduction="sum", ignore_index=-100)
