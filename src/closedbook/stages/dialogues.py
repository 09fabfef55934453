"""Dialogues, tokenised under a chat template: what an assistant is trained on, or what a run reads beside its corpus.

Passages may hold no test question, and neither may dialogues; these are looked at here, for the questions of the documents that are taught
together. What is kept out is listed with its reason.
"""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import models, params
from closedbook.generation.filters import QUESTION, question
from closedbook.models import chat
from closedbook.training import talks
from closedbook.util import arrays, files
from closedbook.util.errors import UserError


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
    source = talks.Source(path=path, chat=settings, field=field, longest=longest, base=files.read_json(pinned))
    kept, rejected, answers = [], [], []
    found = source.talks(_rule(question.rule(question_words, questions, documents)), kept, rejected)
    lengths = arrays.write_joined(folder / "tokens.npy", (_noted(talk, answers) for talk in found))
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
        "template_sha256": files.sha256_text(source.tokenizer.chat_template),
    })  # fmt: skip


def _counts(rejected: list[dict]) -> dict[str, int]:
    found = Counter(row["rule"] for row in rejected)
    return {rule: found[rule] for rule in (QUESTION, talks.SPECIAL)}


def _noted(talk: chat.Talk, answers: list[np.ndarray]) -> np.ndarray:
    """Its tokens; `answers` takes which of them the assistant says."""
    answers.append(talk.is_answer)
    return talk.ids


def _rule(asks):
    """As talks has rules; `asks`: the filter's, of a text."""
    return asks and (lambda text: {"rule": QUESTION, "detail": detail} if (detail := asks(text)) else None)
