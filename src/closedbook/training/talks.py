"""Dialogues as a training reads them: under a chat template, checked as a whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from closedbook import models
from closedbook.models import chat
from closedbook.params import Chat
from closedbook.sources import dialogues
from closedbook.util.errors import UserError

SPECIAL = "special_token"
"""why a dialogue is kept out that holds one: it would be read as a mark of the template, and not as the text that it is"""


@dataclass(frozen=True, kw_only=True)
class Source:
    path: str
    chat: Chat
    field: str
    """the section of params.yaml that names them"""
    longest: int | None
    """tokens of a block, where a dialogue must fit one"""
    base: dict
    """what its base.json says"""

    @cached_property
    def tokenizer(self):
        """With the template. Raises UserError for one that can't be used, or that writes tokens which the base has no embedding of."""
        found, base = chat.tokenizer(self.base, self.chat, self.field), self.base
        rows = models.config(base["load"], base["revision"]).get_text_config().vocab_size
        if (beyond := int(chat.rendered(found, chat.PROBE).ids.max())) >= rows:
            raise UserError(f"params.yaml: {self.field}: the chat template writes {found.convert_ids_to_tokens(beyond)!r}, token {beyond}, and "
                            f"{base['model']} (base.model) has an embedding of {rows} rows: give a template of tokens that the base has")  # fmt: skip
        return found

    def talks(self, rule: Callable[[str], dict | None] | None, kept: list[dict], rejected: list[dict]) -> Iterator[chat.Talk]:
        """Each dialogue with the end of a text after it. `rule` gives the reason why a text is kept out; `kept` and `rejected` take the id of each,
        the number of its row, and the latter its reason.

        Raises UserError for what is no dialogue, and for one that is longer than the base's context or than a block.
        """
        end, bounds = self.base["end_of_text_id"], {"the base's context": self.base["context"], "training.block_size": self.longest}
        special = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        for number, (place, messages) in enumerate(dialogues.rows(self.path, f"{self.field}.path"), 1):
            if reason := _reason("\n".join(one["content"] for one in messages), special, rule):
                rejected.append({"id": str(number), **reason})
                continue
            talk = _ended(self._rendered(messages, place), end)
            for name, bound in bounds.items():
                if bound is not None and len(talk.ids) > bound:
                    raise UserError(f"{place}: this dialogue has {len(talk.ids)} tokens with its end, and {name} is {bound}: shorten it, or take it "
                                    f"out ({self.field}.path in params.yaml)")  # fmt: skip
            kept.append({"id": str(number)})
            yield talk

    def _rendered(self, messages: dialogues.Messages, place: str) -> chat.Talk:
        try:
            return chat.rendered(self.tokenizer, messages)
        except UserError as error:
            raise UserError(f"{place}: {error} ({self.field} in params.yaml)") from None


def _reason(said: str, special: list[str], rule) -> dict | None:
    """Why a dialogue is kept out; None where it stays."""
    if held := next((token for token in special if token in said), None):
        return {"rule": SPECIAL, "detail": {"token": held}}
    return rule(said) if rule else None


def _ended(talk: chat.Talk, end: int) -> chat.Talk:
    """With the end of a text, as passages have it, unless the template has set it."""
    if talk.ids[-1] == end:
        return talk
    return chat.Talk(text=talk.text, ids=np.append(talk.ids, np.uint32(end)), is_answer=np.append(talk.is_answer, False))
