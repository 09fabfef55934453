"""Keys as people paste them, for many providers; what is secret in them is always the same."""

import os
from collections.abc import Callable
from random import Random

from fuzzing.answers import reply
from fuzzing.asking import CHAT, Asking
from fuzzing.common import SECRET
from fuzzing.mutations import as_json

MODELS = (
    "openai/toy", "anthropic/claude-sonnet-4-5", "mistral/mistral-small-latest", "groq/llama-3.1-8b-instant", "deepseek/deepseek-chat",
    "ollama/toy:1b", "ollama_chat/toy:1b", "huggingface/some/toy", "lemonade/toy", "hosted_vllm/toy", "azure/toy", "openai/to y",
    "gemini/gemini-2.0-flash", "openrouter/some/toy", "together_ai/some/toy", "lm_studio/toy", "xinference/toy", "cohere/command-r",
    "frobnicate/toy", "openai/tøy",
)  # fmt: skip
AROUND = ("\n", "\r\n", "\r", " ", "\t", '"', "'", "“", "”", "’", "Bearer ", "export KEY=", "\u200b", "\ufeff", "é", "港", "😀", "\udcff",
          "\x7f", "\x1b", "…", "sk-", "", "", "")  # fmt: skip
REFUSED = {"error": {"message": "bad key KEY"}}


def area() -> Callable:
    asking = Asking()

    def case(draw: Random) -> None:
        model, api_base = draw.choice(MODELS), asking.url
        variable = f"{model.split('/')[0].upper()}_API_KEY"
        os.environ[variable] = _key(draw)
        if draw.random() < 0.15:
            del os.environ[variable]
            api_base = draw.choice((asking.url, None))
        plain = (draw.choice((200, 401, 403, 500)), {}, as_json(draw.choice((CHAT, REFUSED))))
        answer = draw.choice((plain, reply(draw, CHAT)))
        asking.server.reply = lambda: answer
        try:
            asking.ask("chat", model, api_base, draw)
        finally:
            os.environ.pop(variable, None)

    return case


def _key(draw: Random) -> str:
    return draw.choice(AROUND) + SECRET + draw.choice((*AROUND, "x" * 20_000)) + draw.choice(("", "", SECRET))
