"""Chat templates: which one an assistant has, and a dialogue as the text and the tokens that it makes of it.

A template writes all that stands around messages, the tokens before a text among it: nothing is added, in training, in scoring or in a chat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from json import loads
from pathlib import Path

import numpy as np

from closedbook import models
from closedbook.models import frame
from closedbook.params import Chat
from closedbook.util.errors import UserError

PROBE = [{"role": "user", "content": "Aword"}, {"role": "assistant", "content": "Bword"}, {"role": "user", "content": "Cword"},
         {"role": "assistant", "content": "Dword"}]  # fmt: skip
A_DAY = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro -%}"
"""before a template that writes today's date: that of Llama's templates"""
SAME = ("model", "normalizer", "pre_tokenizer")
"""parts of tokenizer.json that decide how words are spelled; added tokens, and what stands around a text, may differ"""


def tokenizer(base: dict, chat: Chat, field: str):
    """The tokenizer of an assistant of `base` (what its base.json says): the instruct model's where one is named, with its own chat template or
    the one of chat.template. `field`: the section of params.yaml.

    Raises UserError where there is no template, where it can't be used, and where the two tokenizers spell words otherwise.
    """
    found = own = models.pretrained_tokenizer(base["load"], base["revision"])
    if chat.instruct:
        found = models.pretrained_tokenizer(chat.instruct, chat.revision, field=f"{field}.instruct")
        _check_spelling(own, found, chat.instruct, f"{field}.instruct")
    found.chat_template = _template(found, chat, field)
    _check_template(found, field)
    return found


def _check_spelling(own, other, name: str, field: str) -> None:
    ours, its = (loads(one.backend_tokenizer.to_str()) for one in (own, other))
    if differing := [part for part in SAME if ours[part] != its[part]]:
        apart = sorted(_words(own) ^ _words(other))
        shown = f": {len(apart):,} tokens are in one of them only, as {apart[0]!r}" if apart else ""
        raise UserError(f"params.yaml: {field}: the tokenizer of {name} spells words otherwise than the base's ({', '.join(differing)}{shown}): "
                        "name an instruct model that was made from base.model")  # fmt: skip


def _words(tokenizer) -> set[str]:
    return set(tokenizer.get_vocab()) - {token.content for token in tokenizer.added_tokens_decoder.values()}


def _template(found, chat: Chat, field: str) -> str:
    if chat.template:
        try:
            return Path(chat.template).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UserError(f"params.yaml: {field}.template: {chat.template}: can't be read as text ({error}): give a file that holds a "
                            "chat template in Jinja") from None  # fmt: skip
    if not found.chat_template:
        raise UserError(f"params.yaml: {field}.template: the tokenizer of {found.name_or_path} has no chat template: name a file that holds one in "
                        f"Jinja, or an instruct model whose tokenizer has one ({field}.instruct)")  # fmt: skip
    return found.get_chat_template()


def _check_template(tokenizer, field: str) -> None:
    """Of what it makes of a dialogue: begins as texts begin, asks for an answer in whole tokens, ends each one with a special token."""
    try:
        talk = rendered(tokenizer, PROBE)
    except UserError as error:
        raise UserError(f"params.yaml: {field}.template: {error}") from None
    before, ids = frame.around(tokenizer)[0], talk.ids.tolist()
    if ids[: len(before)] != before or ids[len(before) : 2 * len(before)] == before != []:
        raise UserError(f"params.yaml: {field}.template: before a text stands {tokenizer.decode(before)!r}, and the template begins with "
                        f"{talk.text[:40]!r}: write {{{{ bos_token }}}} at its beginning, once")  # fmt: skip
    prompt = _text(tokenizer, PROBE[:1], add_generation_prompt=True)
    asked = tokenizer.encode(prompt, add_special_tokens=False)
    if ids[: len(asked)] != asked:
        raise UserError(f"params.yaml: {field}.template: it asks for an answer with {prompt[-20:]!r}, whose end the tokenizer joins with the "
                        "answer's first letters into one token, so that a model is asked otherwise than it learnt: end that with a special token or a "
                        "new line")  # fmt: skip
    if end_of_turn(tokenizer) not in special_ids(tokenizer):
        after = talk.text.rpartition("Dword")[2]
        raise UserError(f"params.yaml: {field}.template: the assistant's turn ends with {after[:40]!r}, which begins with no special token, so it "
                        f"would never stop: write one there, as {tokenizer.eos_token}")  # fmt: skip


def special_ids(tokenizer) -> set[int]:
    return {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def end_of_turn(tokenizer) -> int | None:
    """The id of what follows the assistant's words; None where nothing does."""
    after = _text(tokenizer, PROBE).rpartition("Dword")[2]
    return next(iter(tokenizer.encode(after, add_special_tokens=False)), None)


def lead(tokenizer) -> str:
    """What the template writes between its prompt for an answer and the answer's first letter, as a space; mostly nothing."""
    prompt, answered = _text(tokenizer, PROBE[:1], add_generation_prompt=True), _text(tokenizer, PROBE[:2])
    return answered[len(prompt) :].partition(PROBE[1]["content"])[0]


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A dialogue as a model reads it."""

    text: str
    ids: np.ndarray
    """uint32 [tokens]"""
    is_answer: np.ndarray
    """bool [tokens]: what the assistant says, and the end of its turn"""


def rendered(tokenizer, messages: Sequence[dict]) -> Talk:
    """Raises UserError for a template that fails, or that writes what is before an answer otherwise than when it asks for one: then the
    assistant's words could not be told from what it was shown."""
    whole = _text(tokenizer, messages)
    encoding = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    starts = np.array([start for start, _ in encoding["offset_mapping"]])
    is_answer = np.zeros(len(starts), bool)
    for number in (number for number, one in enumerate(messages) if one["role"] == "assistant"):
        before, until = _text(tokenizer, messages[:number], add_generation_prompt=True), _text(tokenizer, messages[: number + 1])
        if not (until.startswith(before) and whole.startswith(until)):
            raise UserError("the chat template writes a turn otherwise when others follow it, or an answer otherwise than it asks for one: give "
                            "another template")  # fmt: skip
        is_answer |= (starts >= len(before)) & (starts < len(until))
    return Talk(text=whole, ids=np.array(encoding["input_ids"], np.uint32), is_answer=is_answer)


def _text(tokenizer, messages: Sequence[dict], **options) -> str:
    from jinja2 import TemplateError

    try:
        return tokenizer.apply_chat_template(messages, chat_template=on_a_day(tokenizer.chat_template), tokenize=False, **options)
    except (TemplateError, TypeError, ValueError) as error:
        raise UserError(f"the chat template fails ({' '.join(str(error).split())[:200]})") from None


def on_a_day(template: str) -> str:
    """A template for training and scoring, which give the same on any day, today's date or not."""
    return A_DAY + template if "strftime_now" in template else template


def finish(tokenizer, folder: Path, end_of_text: int, instruct: tuple[str, str | None] | None = None) -> None:
    """Write into a model's folder its tokenizer with the template, and when it stops: at the end of a turn and of a text, and where the instruct
    model does."""
    from transformers import GenerationConfig

    tokenizer.save_pretrained(folder)
    try:
        config = GenerationConfig.from_pretrained(*instruct[:1], revision=instruct[1]) if instruct else GenerationConfig.from_pretrained(folder)
    except OSError:  # a model need not have one
        config = GenerationConfig()
    known = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    config.eos_token_id = list(dict.fromkeys(one for one in (end_of_turn(tokenizer), *known, end_of_text) if one is not None))
    config.save_pretrained(folder)
