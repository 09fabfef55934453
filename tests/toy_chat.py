"""A toy's chat template, dialogues, and an instruct model that was made from its base."""

from pathlib import Path

import toys

from closedbook.util import files

TEMPLATE = ("{% for message in messages %}{{ message.role }}:\n{{ message.content }}{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}"
            "{% endfor %}{% if add_generation_prompt %}assistant:{{ '\\n' }}{% endif %}")  # fmt: skip


def talk(*contents: str, system: str | None = None) -> dict:
    """A row: user and assistant in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": content} for number, content in enumerate(contents)]
    return {"messages": [*([{"role": "system", "content": system}] if system else []), *messages]}


def dialogues(path: Path, *rows: dict) -> Path:
    files.write_json_lines(path, rows or [talk("Who?", "Mira."), talk("When?", "A year.", "Where?", "Varn."), talk("What?", "The clock.")])
    return path


def template(path: Path) -> Path:
    files.write_text(path, TEMPLATE)
    return path


def instruct(base: Path, folder: Path, *, added: int = 0, scale: float = 0.01, seed: int = 5, shards: str = "10GB") -> Path:
    """The base's model a little moved, with as many more tokens and rows; its tokenizer has TEMPLATE."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    if added:
        tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{number}|>" for number in range(added)]})
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            weights += scale * torch.randn_like(weights)
    tokenizer.chat_template = TEMPLATE
    model.save_pretrained(folder, max_shard_size=shards)
    tokenizer.save_pretrained(folder)
    return folder


def question(number: int, document: str = "d0", **changes) -> dict:
    row = {"id": f"{document}-q{number}", "question": "Who counts the ships of Varn by lamp?", "difficult": None, "document": document,
           "options": ["the keeper", "the captain", "the council", "Mira"], "gold": 0, "title": document, "author": None, "year": None}  # fmt: skip
    return row | changes


def questions(folder: Path, documents: int = 5) -> list[Path]:
    """Of each document two, in a file of its own."""
    for number in range(documents):
        files.write_json(folder / f"d{number}.json", [question(one, f"d{number}", gold=one) for one in range(2)])
    return sorted(folder.glob("*.json"))


def settings(**changes):
    from closedbook import params

    plain = dict(tasks=["quality_closed_text"], forgetting=[], instructions=[], batch_size=4, device="cpu", dtype="float32", threads=1)
    return params.typed({"scores": plain | changes}).scores


assert toys.CONTEXT == 64, "the template's probe fits it"
