"""Dialogues, tokenised under a chat template: what an assistant is trained on, or what a run reads beside its corpus.

Passages may hold no test question, and neither may dialogues; these are looked at here, for the questions of the documents that are taught
together. What is kept out is listed with its reason.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import models, params
from closedbook.generation.filters import QUESTION, question
from closedbook.models import chat
from closedbook.sources import dialogues
from closedbook.util import arrays, files
from closedbook.util.errors import UserError

SPECIAL = "special_token"


def job(*, params: SimpleNamespace, limits: params.Limits, pinned: Path, questions: list[Path], documents: list[Path], folder: Path, **_) -> None:
    build(path=params.path, settings=params.chat, field=params.field, longest=params.longest, question_words=params.filters.question_words,
          pinned=pinned, questions=questions, documents=documents, folder=folder)  # fmt: skip


def build(
    *, path: str, settings: params.Chat, field: str, longest: int | None, question_words: int, pinned: Path, questions: list[Path],
    documents: list[Path], folder: Path,
) -> None:
    """Write to `folder` tokens.npy uint32, dialogue after dialogue; is_answer.npy bool [tokens], which of them the assistant says; offsets.npy
    int64 [dialogues + 1]; dialogues.jsonl with the id of each, lines.npy int64 [dialogues], the byte at which each of its lines begins;
    rejected.jsonl with the reason of each that is kept out; and last dialogues.json with the counts.

    `field` is the section of params.yaml, for errors; `longest`: tokens of a training's block, where a dialogue must fit one. Raises UserError
    for what is no dialogue, is longer than the block or the base's context, or has no usable template, and where nothing is left.
    """
    tokenizer, base = chat.tokenizer(pinned, settings, field), models.pinned(pinned)
    check_rows(tokenizer, base, field)
    rule = question.rule(question_words, questions, documents)
    kept, rejected, answers = [], [], []
    talks = _talks(path, field, tokenizer, longest, base["context"], rule, kept, rejected)
    lengths = arrays.write_joined(folder / "tokens.npy", (_noted(talk, base["end_of_text_id"], answers) for talk in talks))
    if not kept:
        raise UserError(f"params.yaml: {field}: every dialogue of {path} was kept out ({_counts(rejected)}): give others")
    arrays.write(folder / "is_answer.npy", np.concatenate(answers))
    arrays.write(folder / "offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    arrays.write_lines(folder / "dialogues.jsonl", folder / "lines.npy", kept)
    files.write_json_lines(folder / "rejected.jsonl", rejected)
    files.write_json(folder / "dialogues.json", {
        "path": path, "num_dialogues": len(kept), "tokens": sum(lengths), "answer_tokens": int(sum(map(np.sum, answers))),
        "num_rejected": len(rejected), "rejected": _counts(rejected),
        "instruct": settings.instruct, "revision": settings.instruct and models.commit(settings.instruct, settings.revision),
        "template_sha256": files.sha256_text(tokenizer.chat_template),
    })  # fmt: skip


def check(path: str, settings: params.Chat, field: str, longest: int | None, began: Path) -> None:
    """Everything that a user can mend about dialogues, before anything is spent: as `build`, without the questions and without writing."""
    tokenizer, base = chat.tokenizer(began, settings, field), models.pinned(began)
    check_rows(tokenizer, base, field)
    for _ in _talks(path, field, tokenizer, longest, base["context"], None, [], []):
        pass


def check_rows(tokenizer, base: dict, field: str) -> None:
    """Raises UserError for a template whose tokens the base has no embedding of."""
    rows = models.config(base["load"], base["revision"]).get_text_config().vocab_size
    ids = chat.rendered(tokenizer, chat.PROBE).ids
    if (beyond := int(ids.max())) >= rows:
        raise UserError(f"params.yaml: {field}: the chat template writes {tokenizer.convert_ids_to_tokens(beyond)!r}, token {beyond}, and "
                        f"{base['model']} (base.model) has an embedding of {rows} rows: give a template of tokens that the base has")  # fmt: skip


def _counts(rejected: list[dict]) -> dict[str, int]:
    found = Counter(row["rule"] for row in rejected)
    return {rule: found[rule] for rule in (QUESTION, SPECIAL)}


def _noted(talk: chat.Talk, end_of_text: int, answers: list) -> np.ndarray:
    """Its tokens, with the end of a text after them, as after passages; `answers` takes which ones the assistant says."""
    if talk.ids[-1] == end_of_text:
        answers.append(talk.is_answer)
        return talk.ids
    answers.append(np.append(talk.is_answer, False))
    return np.append(talk.ids, np.uint32(end_of_text))


def _talks(path: str, field: str, tokenizer, longest: int | None, context: int | None, rule, kept: list, rejected: list) -> Iterator[chat.Talk]:
    """Those that are read; `kept` and `rejected` take what is known of each."""
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    bounds = {"the base's context": context, "training.block_size": longest}
    for number, (place, messages) in enumerate(dialogues.rows(path, f"{field}.path"), 1):
        if reason := _reason(messages, special, rule):
            rejected.append({"id": str(number), **reason})
            continue
        try:
            talk = chat.rendered(tokenizer, messages)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        for name, bound in bounds.items():
            if bound is not None and len(talk.ids) + 1 > bound:  # and the end of a text after it
                raise UserError(f"{place}: this dialogue has {len(talk.ids) + 1} tokens with its end, and {name} is {bound}: shorten it, or take it out "
                                f"({field}.path in params.yaml)")  # fmt: skip
        kept.append({"id": str(number)})
        yield talk


def _reason(messages: dialogues.Messages, special: list[str], rule) -> dict | None:
    """Why a dialogue is kept out; None where it stays. A special token in a message would be read as one, and not as the text that it is."""
    said = "\n".join(one["content"] for one in messages)
    if held := next((token for token in special if token in said), None):
        return {"rule": SPECIAL, "detail": {"token": held}}
    detail = rule(said) if rule else None
    return {"rule": QUESTION, "detail": detail} if detail else None
