"""A model of transformers that answers token by token, and stops when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

from closedbook import models
from closedbook.serve.conversation import Asked, Line, shown
from closedbook.util import files

FACTS = ("base.json", "run.json", "assistant.json")
"""which of these a folder has says what it is, and what base it began with"""
DEFAULT_CONTEXT = 2048
"""tokens, of a model whose configuration does not say"""


class Local:
    """Loaded from a folder of results. One answer at a time: others wait for it."""

    def __init__(self, reference: Path):
        import torch

        self.tokenizer, self.model = models.tokenizer(reference), models.model(reference, "auto")
        self.model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.context = getattr(self.model.config, "max_position_embeddings", None) or DEFAULT_CONTEXT
        self._ends = _ends(self.model, self.tokenizer, reference)
        self._one = asyncio.Lock()

    @property
    def has_template(self) -> bool:
        return bool(self.tokenizer.chat_template)

    async def answer(self, asked: Asked) -> AsyncIterator[dict]:
        """{"notes"}, then {"text"} piece by piece, then {"end"}: "ended", or "length" where max_tokens or the context cut it off."""
        from transformers import AsyncTextIteratorStreamer

        ids, notes = shown(asked, self.tokenizer, self.context)
        yield {"notes": notes}
        room = min(asked.max_tokens, self.context - len(ids))
        stop, line = Event(), None if self.has_template else Line()
        streamer = AsyncTextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        written = asyncio.create_task(self._written(ids, room, asked, streamer, stop))
        try:
            async for text in streamer:
                if text := line.of(text) if line else text:
                    yield {"text": text}
                if line and line.ended:
                    break
        finally:
            stop.set()  # whether all is written, or whoever asked is gone
        count = await written
        yield {"end": "ended" if count < room or line and line.ended else "length", "tokens": count}

    async def _written(self, *given) -> int:
        """A task of its own, so that the model counts as busy until its thread has ended, whoever is gone."""
        async with self._one:
            return await asyncio.to_thread(self._write, *given)

    def _write(self, ids: list[int], room: int, asked: Asked, streamer, stop: Event) -> int:
        """Generate; the number of tokens."""
        import torch

        prompt = torch.tensor([ids], device=self.model.device)
        try:
            with torch.inference_mode():
                made = self.model.generate(
                    prompt, attention_mask=torch.ones_like(prompt), streamer=streamer, do_sample=False, temperature=None, top_p=None, top_k=None,
                    max_new_tokens=room, eos_token_id=self._ends, pad_token_id=self._ends[0],
                    stopping_criteria=[lambda ids, scores, **_: torch.full((len(ids),), stop.is_set(), device=ids.device)],
                    logits_processor=[_drawn(asked.temperature, asked.seed, prompt.device)] if asked.temperature else [],
                )  # fmt: skip
        finally:
            streamer.end()  # else whoever reads would wait for ever where generation fails
        return made.shape[1] - len(ids)


def _ends(model, tokenizer, reference: Path) -> list[int]:
    """The tokens that end an answer: the model's own, the tokenizer's, and what ends a document in training."""
    own = model.generation_config.eos_token_id
    facts = next((files.read_json(path) for name in FACTS if (path := reference / name).exists()), {})
    taught = facts.get("base", facts).get("end_of_text_id")
    found = [tokenizer.eos_token_id, *(own if isinstance(own, list) else [own]), taught]
    return [token for token in dict.fromkeys(found) if token is not None]


def _drawn(temperature: float, seed: int, device):
    """A token drawn by its probability, as the largest of log-probabilities with Gumbel noise: with a generator of its own, so that one seed
    gives one answer whatever else is drawn meanwhile."""
    import torch

    generator = torch.Generator(device).manual_seed(seed)

    def processor(ids, scores):
        uniform = torch.rand(scores.shape, generator=generator, device=scores.device).clamp_min(1e-12)
        return scores.float() / temperature - torch.log(-torch.log(uniform))

    return processor
