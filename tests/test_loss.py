"""The loss in pieces: the same number and gradients, without all logits at once."""

import pytest
import torch
import toys

from closedbook.training import loss

IDS = torch.arange(48).reshape(2, 24)
LABELS = IDS.clone()
LABELS[0, :5] = -100


def gradients(model, **given) -> dict:
    found = model(input_ids=IDS, labels=LABELS, **given).loss
    found.backward()
    return {"loss": found.detach()} | {name: weights.grad for name, weights in model.named_parameters()}


@pytest.mark.parametrize("given", [{}, {"num_items_in_batch": torch.tensor(70)}])
def test_loss_and_gradients_are_those_of_the_whole(monkeypatch, given):
    monkeypatch.setattr(loss, "MOST_LOGITS", 350 * 7)
    whole, pieces = toys.model(), toys.model()
    loss.in_pieces(pieces, IDS.numel(), "toy")
    expected, found = gradients(whole, **given), gradients(pieces, **given)
    assert all(torch.allclose(expected[name], found[name], atol=1e-6) for name in expected)


def test_no_more_logits_are_held_at_once_than_said(monkeypatch):
    monkeypatch.setattr(loss, "MOST_LOGITS", 350 * 7)
    model, sizes = toys.model(), []
    loss.in_pieces(model, IDS.numel(), "toy")
    model.lm_head.register_forward_hook(lambda module, inputs, output: sizes.append(output.numel()))
    gradients(model)
    assert max(sizes) <= 350 * 7 and len(sizes) == 2 * -(-2 * 23 // 7), "each piece once forward, and once more for its gradient"


def test_a_small_vocabulary_is_left_alone_and_so_is_a_model_that_does_more_to_its_logits(monkeypatch, capfd):
    model = toys.model()
    own = model.forward
    loss.in_pieces(model, IDS.numel(), "toy")
    assert model.forward == own
    monkeypatch.setattr(loss, "MOST_LOGITS", 350 * 7)
    capped = toys.model()
    head = capped.lm_head.forward

    def forward(*arguments, **options):
        found = type(capped).forward(capped, *arguments, **options)
        found.loss = found.loss / 2 if found.loss is not None else None
        return found

    capped.forward = forward
    loss.in_pieces(capped, IDS.numel(), "toy")
    assert capped.forward is forward and capped.lm_head.forward == head
    assert "toy: the loss of LlamaForCausalLM can't be computed in pieces" in capfd.readouterr().err
