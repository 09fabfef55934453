"""The scripted generator as a model, miniature/author: asked by the same client, through the same ledger and checks as one behind an API.

It answers within the process and without LiteLLM, whose import takes longer than all that it writes about a book.
"""

from types import SimpleNamespace

MODEL = "miniature/author"


def version() -> str:
    """The scripted generator's version: what, beside the model's name, determines its answers."""
    from closedbook.miniature import author

    return author.version()


def played() -> frozenset[str]:
    """The prompts that it can answer."""
    from closedbook.miniature import author

    return author.PLAYED


async def complete(messages: list[dict], seed: int) -> SimpleNamespace:
    """The answer, as much of an OpenAI response as the client reads."""
    from closedbook.miniature import author

    return response(f"author-{version()}", messages, author.answer(messages[-1]["content"], seed))


def response(model: str, messages: list[dict], text: str) -> SimpleNamespace:
    """What a model that is code of ours, by its name and version, says to these messages."""
    message = SimpleNamespace(content=text, refusal=None)
    asked = " ".join(message["content"] for message in messages)
    return SimpleNamespace(id=None, model=model, choices=[SimpleNamespace(message=message, finish_reason="stop")],
                           usage=SimpleNamespace(prompt_tokens=_words(asked), completion_tokens=_words(text)))  # fmt: skip


def _words(text: str) -> int:
    """Words between spaces: the scripted generator has no tokens."""
    return len(text.split())
