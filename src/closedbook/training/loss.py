"""The loss over a large vocabulary, a piece of the tokens at a time: all logits of a pass in float32 would take more memory than the model.
And the loss against a teacher, which knows of each token its most probable ones."""

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
SMALLEST = 1e-30
"""probability of a model that has next to none left"""


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
        total = _in_pieces(_piece, self.get_output_embeddings(), states.flatten(0, 1), labels[:, 1:].flatten())
        return CausalLMOutput(loss=total / (labels[:, 1:] != -100).sum() if num_items_in_batch is None else total / num_items_in_batch)

    return forward


def _in_pieces(piece, head, *given: torch.Tensor) -> torch.Tensor:
    """The sum of what `piece` gives of parts of some tensors [N, …]; of each part the logits are made again for the gradient."""
    size = max(1, MOST_LOGITS // head.weight.shape[0])
    parts = zip(*(one.split(size) for one in given), strict=True)
    return torch.stack([checkpoint(piece, head, *part, use_reentrant=False) for part in parts]).sum()


def _piece(head, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(head(states).float(), labels, reduction="sum", ignore_index=-100)


def against_teacher(model) -> None:
    """Have a model, whose loss may be in pieces already, take a teacher's rows beside labels, and compute how far it is from them.

    "teacher_tokens" int64 [B, S, K] and "teacher_log_probs" float32 [B, S, K + 1], as reading.Rows has them, are about the token in their place,
    as labels are: row i is compared with what the model predicts from the tokens before i. The loss is the mean forward Kullback-Leibler
    divergence, KL(teacher || model) in nats, over all places with a label. Without these arguments the model does what it did.
    """
    next_token = model.forward
    in_pieces = "forward" in vars(model)

    def forward(self, input_ids=None, labels=None, num_items_in_batch=None, teacher_tokens=None, teacher_log_probs=None, **kwargs):
        if teacher_tokens is None:
            return next_token(input_ids=input_ids, labels=labels, num_items_in_batch=num_items_in_batch, **kwargs)
        wanted = labels[:, 1:].flatten() != -100
        rows = (teacher_tokens[:, 1:].flatten(0, 1), teacher_log_probs[:, 1:].flatten(0, 1), wanted)
        if in_pieces:
            states = self.base_model(input_ids=input_ids, **kwargs).last_hidden_state[:, :-1]
            total = _in_pieces(_compared_piece, self.get_output_embeddings(), states.flatten(0, 1), *rows)
        else:
            total = Divergence.apply(next_token(input_ids=input_ids, **kwargs).logits[:, :-1].flatten(0, 1).float(), *rows)
        return CausalLMOutput(loss=total / (wanted.sum() if num_items_in_batch is None else num_items_in_batch))

    model.forward = types.MethodType(forward, model)


def _compared_piece(head, states, tokens, log_probs, wanted) -> torch.Tensor:
    return Divergence.apply(head(states).float(), tokens, log_probs, wanted)


class Divergence(torch.autograd.Function):
    """The sum of KL(teacher || model) over N places, in one bucket for each of K tokens and one for all the rest.

    Its gradient on the logits is q - p, where the teacher's rest is shared out among the other tokens as the model has them.
    """

    @staticmethod
    def forward(ctx, logits, tokens, log_probs, wanted):
        """`logits` float32 [N, V], `tokens` int64 [N, K], none twice in a row, `log_probs` [N, K + 1], the last for the rest, `wanted` bool [N]."""
        log_p = log_probs.log_softmax(-1)  # what was rounded sums to 1 again
        p, rest = log_p[:, :-1].exp(), log_p[:, -1:].exp()
        log_q = logits.gather(1, tokens) - logits.logsumexp(-1, keepdim=True)
        q = logits.softmax(-1).scatter_(1, tokens, 0.0)  # of all other tokens
        others = q.sum(-1, keepdim=True).clamp_min(SMALLEST)
        found = (p * (log_p[:, :-1] - log_q)).sum(-1) + (rest * (log_p[:, -1:] - others.log())).squeeze(-1)
        q.mul_((1 - rest / others) * wanted[:, None]).scatter_(1, tokens, (log_q.exp() - p) * wanted[:, None])
        ctx.save_for_backward(q)
        return (found * wanted).sum()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0], None, None, None
