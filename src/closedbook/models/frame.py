"""The tokens around a text: what the base's own tokenizer puts before one, and the base's end of text after it.

A model is shown in training what it is shown in scoring, so corpora set both and lm_eval, which asks for what follows a text, the first.
"""


from closedbook.util.errors import UserError, nearest

DOCUMENT_ENDS = ("<|end_of_text|>", "<|endoftext|>", "<eos>", "</s>", "<｜end▁of▁sentence｜>", "<EOS_TOKEN>")
"""as models are pretrained with: Llama 3; GPT-2, Qwen, SmolLM2, Phi; Gemma; Llama 2, Mistral; DeepSeek; Command"""
TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eot|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|return|>", "<|END_OF_TURN_TOKEN|>")
PROBES = ("A", " the lamp\n")


def around(tokenizer) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer of transformers sets before and after any text. Raises UserError where these are not the same for each."""
    found = {_around(tokenizer, text) for text in PROBES}
    if len(found) != 1 or None in found:
        raise UserError(f"params.yaml: base.model: the tokenizer of {tokenizer.name_or_path} does more to a text than set tokens before and "
                        "after it, so how a passage must be framed is not known: take another base.model")  # fmt: skip
    before, after = found.pop()
    return [*before], [*after]


def _around(tokenizer, text: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    plain, whole = tokenizer.encode(text, add_special_tokens=False), tokenizer.encode(text)
    added = tokenizer.backend_tokenizer.encode(text).special_tokens_mask
    first = added.index(0) if 0 in added else len(added)
    last = first + len(plain)
    return ((*whole[:first],), (*whole[last:],)) if whole[first:last] == plain else None


def drop_end(tokenizer) -> None:
    """Keep a tokenizer from ending texts itself, now and when it was saved: what is asked for after an end is not what follows the text."""
    from tokenizers.processors import TemplateProcessing

    before, after = around(tokenizer)
    if not after:
        return
    tokens = tokenizer.convert_ids_to_tokens(before)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=[*tokens, "$A"], pair=[*tokens, "$A", "$B:1"], special_tokens=[*zip(tokens, before)]
    )


def end_of_text(tokenizer, wanted: str | None) -> tuple[str, int]:
    """The token that ends a document, and its id: the one wanted (base.end_of_text), or, of None, the tokenizer's eos_token.

    Where that ends a turn, as chat models' does, it is the first of DOCUMENT_ENDS that the vocabulary has, if it has one. Raises UserError
    for a wanted one that is not one special token.
    """
    special = {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    if wanted is not None and wanted not in special:
        near = nearest(wanted, special) or [*special][:8]
        raise UserError(f"params.yaml: base.end_of_text: {wanted!r} is not one special token of {tokenizer.name_or_path} (base.model): give one "
                        f"of its own, as {', '.join(near)}, or null")  # fmt: skip
    known = [token for token in DOCUMENT_ENDS if token in special]
    token = wanted or (known[0] if known and _ends_a_turn(tokenizer) else tokenizer.eos_token)
    return token, tokenizer.convert_tokens_to_ids(token)


def _ends_a_turn(tokenizer) -> bool:
    if tokenizer.eos_token in DOCUMENT_ENDS:
        return False
    return tokenizer.eos_token in TURN_ENDS or tokenizer.eos_token in str(tokenizer.chat_template or "")
