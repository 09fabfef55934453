"""What a model here writes on from a prompt: greedily, so the same each time."""

from pathlib import Path

from closedbook import models
from closedbook.evaluation import harness
from closedbook.models import chat
from closedbook.params import Scores
from closedbook.util import terminal
from closedbook.util.errors import UserError


def texts(model: Path, prompts: list[str], settings: Scores) -> list[tuple[str, bool]]:
    """(text, whether it was cut at `settings.summary_tokens`) for each prompt, which stands before a blank line as a heading does, or in an
    assistant's chat template.

    Raises UserError for a model that can't be loaded, and where its context does not hold prompt and text.
    """
    lm = harness.loaded(model, settings)
    asked = [_ids(lm, prompt) for prompt in prompts]
    longest = max(map(len, asked), default=0)
    if longest + settings.summary_tokens > lm.max_length:
        raise UserError(f"params.yaml: scores.summary_tokens: a prompt of {longest} tokens and {settings.summary_tokens} more are longer than the "
                        f"context of {model}, {lm.max_length}: give at most {lm.max_length - longest}, or leave quality_summary out of scores.tasks")
    ends = {lm.tokenizer.eos_token_id, models.pinned(model)["end_of_text_id"]} | ({chat.end_of_turn(lm.tokenizer)} if lm.is_chat else set())
    written = []
    for first in range(0, len(asked), settings.batch_size):
        batch = asked[first : first + settings.batch_size]
        terminal.show(f"{model}: {len(batch)} summaries, after {first} of {len(asked)}")
        written += [_text(lm.tokenizer, ids, ends) for ids in _generated(lm, batch, sorted(ends), settings.summary_tokens)]
    return written


def _ids(lm, prompt: str) -> list[int]:
    if lm.is_chat:
        return lm.tok_encode(lm.apply_chat_template([{"role": "user", "content": prompt}]), add_special_tokens=False)
    return [*lm.before, *lm.tokenizer.encode(f"{prompt}\n\n", add_special_tokens=False)]


def _generated(lm, batch: list[list[int]], ends: list[int], number: int) -> list[list[int]]:
    """The ids that follow each prompt; the shorter prompts are padded on the left."""
    import torch
    from transformers import GenerationConfig

    longest = max(map(len, batch))
    ids = torch.tensor([[ends[0]] * (longest - len(one)) + one for one in batch], device=lm.device)
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in batch], device=lm.device)
    settings = GenerationConfig(do_sample=False, max_new_tokens=number, eos_token_id=ends, pad_token_id=ends[0])
    with torch.inference_mode():
        return lm.model.generate(ids, attention_mask=mask, generation_config=settings)[:, longest:].tolist()


def _text(tokenizer, ids: list[int], ends: set[int]) -> tuple[str, bool]:
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    return tokenizer.decode(ids[:end], skip_special_tokens=True).strip(), end is None
