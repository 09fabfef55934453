"""A teacher for distillation: what the base expects of each token of a corpus with the passage's document in its context, and what that is worth.

    PYTHONPATH=src python -m closedbook job teacher/CORPUS
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import models, params
from closedbook.generation import sections
from closedbook.generation.strategies import is_document
from closedbook.records import Document, Passages
from closedbook.training import checkpoints, distributed, teaching, tokenizing
from closedbook.training.reading import TEACHER, Rows, Texts
from closedbook.util import arrays, files
from closedbook.util.errors import UserError


def job(*, params: SimpleNamespace, limits: params.Limits, base: Path, **paths) -> None:
    build(settings=params.training, words=params.llm.sections, reference=base / "base.json", **paths)


def build(
    *, corpus: Path, pieces: list[Path], documents: list[Path], passages: list[Path], reference: Path, settings: params.Training, words: int | None,
    checkpoints: Path, folder: Path, **_,
) -> None:  # fmt: skip
    """Write to `folder`, for each document of `corpus`, a npy of reading.row, one for each token of its passages; passages.npy, int64
    [passages, 3], where a passage's rows are: file, first row, rows; and last teacher.json: the "documents", in the order of their files, the teacher,
    and over how many "tokens" its loss was "with" and "without" the document in front, together and by document.

    In front stands what quality_open shows: the document under its byline, or the section of it (of at most `words` words) that the passage is
    about; both documents, of a passage about two. A passage that is the document itself has in front what stands before each token (as arXiv
    2602.16093 has it: the suffix, given its prefix). `checkpoints` keeps each document's rows until all are there. Raises UserError for a teacher of another tokenizer, and for a document that
    leaves no room for passages in the teacher's context. Of a passage that is longer than the room, later stretches have the document and at
    least half of the room before them.
    """
    facts, base = files.read_json(corpus / "corpus.json"), files.read_json(reference)
    source, context = _source(base, settings)
    texts = Texts.of_corpus(corpus, pieces)
    shown = _shown(corpus, documents, passages, reference, words, context)
    plan = teaching.Plan(
        corpus=str(corpus), pieces=[*map(str, pieces)], documents={name: [asdict(one) for one in its] for name, its in shown.items()}, source=source,
        context=context, before=facts["before_text"], end=facts["end_of_text_id"], settings=settings.model_dump(), folder=str(checkpoints),
        vocabulary=models.config(*models.source(reference)).get_text_config().vocab_size,
    )  # fmt: skip
    _claim(checkpoints, plan, facts, base)
    teaching.compute(plan, os.environ.get(distributed.LAUNCHER, ""))
    losses = {name: files.read_json(checkpoints / f"{name}.json") for name in shown}
    for name in shown:
        shutil.move(checkpoints / f"{name}.npy", folder / f"{name}.npy")
    arrays.write(folder / "passages.npy", _places(shown, texts))
    files.write_json(folder / TEACHER, {
        "corpus": corpus.name,
        "teacher": {"model": settings.teacher.model if settings.teacher else base["model"], "revision": source[1]},
        "width": min(teaching.WIDTH, plan.vocabulary - 1),
        **_worth([*losses.values()]),
        "by_document": {name: _worth([one]) for name, one in losses.items()},
        "documents": [*shown],
        **{name: facts[name] for name in ("tokens_sha256", "tokenizer_sha256")},
    })  # fmt: skip
    files.write_json(folder / TEACHER, files.read_json(folder / TEACHER) | {"rows_sha256": Rows(folder).sha256()})


def check_plan(wanted: params.Params) -> None:
    """Raises UserError for a teacher that can't teach the base, before anything is spent. Of a base that is still to be made here nothing is known."""
    if wanted.training.teacher and wanted.base.model not in params.OWN_BASES:
        _check_tokenizer(wanted.training, (wanted.base.model, wanted.base.revision))


def _check_tokenizer(settings: params.Training, student: tuple[str, str | None]) -> None:
    one = settings.teacher
    teacher, base = (_spelling(models.pretrained_tokenizer(*source)) for source in ((one.model, one.revision), student))
    if teacher != base:
        raise UserError(f"params.yaml: training.teacher.model: {one.model} has another tokenizer than the base, so what it expects is about other tokens: give "
                        "a model with the base's tokenizer, or training.teacher: null, which is the base itself")  # fmt: skip


def _spelling(tokenizer) -> dict:
    """What decides the tokens of a text that holds no special ones."""
    known = json.loads(tokenizer.backend_tokenizer.to_str())
    return {name: known[name] for name in ("normalizer", "pre_tokenizer", "model")}


def _source(base: dict, settings: params.Training) -> tuple[tuple[str, str | None], int | None]:
    """What the teacher is loaded from, and its context."""
    if settings.teacher is None:
        return (base["load"], base["revision"]), base["context"]
    _check_tokenizer(settings, (base["load"], base["revision"]))
    source = (settings.teacher.model, settings.teacher.revision)
    return source, models.context(models.config(*source))


def _shown(corpus: Path, documents: list[Path], passages: list[Path], reference: Path, words: int | None,
           context: int | None) -> dict[str, list[teaching.Shown]]:  # fmt: skip
    """By document, in the order of their names, what stands in front of which passages."""
    about = {row["id"]: row for path in passages for row in map(asdict, Passages.read(path).passages)} if words else {}
    found: dict[str, dict[tuple[str | bool | None, str | None], list[int]]] = {}
    for number, row in enumerate(files.each_json_line(corpus / "passages.jsonl")):
        part = about[row["id"]]["section"] if row["id"] in about else None
        parts = found.setdefault(row["document"], {})
        parts.setdefault((ITSELF if is_document(row["strategy"]) else part, row.get("beside")), []).append(number)
    known = {path.stem: path for path in documents}
    spelling = tokenizing.Spelling(reference.parent / "tokenizer.json", reference)
    shown = {}
    for name, parts in sorted(found.items()):
        whole = Document.read(known[name])
        split = sections.split(whole, words)
        shown[name] = [
            teaching.Shown(texts=numbers, context=None if part is ITSELF else _front(
                [whole if part is None else split[part], *([Document.read(known[beside])] if beside else [])], spelling))
            for (part, beside), numbers in parts.items()
        ]  # fmt: skip
        _check_room(known[name], shown[name], context)
    return shown


ITSELF = True
"""in a section's place: the passage is the document"""
LEAST_ROOM = 64
"""tokens of a teacher's context beside a document"""


def _front(documents: list[Document], spelling: tokenizing.Spelling) -> list[int]:
    """Ids of what stands in front, up to where a passage begins: its document, or both of one about two."""
    (ids,) = spelling.tokens(["".join(f"{one.byline}.\n\n{one.text}\n\n" for one in documents)])
    return ids[:-1].tolist()


def _check_room(path: Path, shown: list[teaching.Shown], context: int | None) -> None:
    for one in (one for one in shown if one.context is not None and context is not None):
        if context - len(one.context) < LEAST_ROOM:
            raise UserError(f"{path}: has {len(one.context):,} tokens, and the teacher's context holds {context:,}, which leaves too few for its passages "
                            f"(at least {LEAST_ROOM}): give llm.sections in params.yaml fewer words, so that passages are about sections, or take a base of "
                            "a longer context")  # fmt: skip


def _claim(folder: Path, plan: teaching.Plan, facts: dict, base: dict) -> None:
    """Leave only rows of this very teacher and corpus in the folder."""
    import torch
    import transformers

    what = asdict(plan) | {"tokens": facts["tokens_sha256"], "weights": base["sha256"], "torch": torch.__version__, "transformers": transformers.__version__}
    checkpoints.claim(folder, {"sha256": files.sha256_text(files.canonical(what)), "processes": 1}, f"teacher {folder.name}")


def _places(shown: dict[str, list[teaching.Shown]], texts: Texts) -> np.ndarray:
    places = np.zeros((len(texts), 3), np.int64)
    for file, its in enumerate(shown.values()):
        numbers = sorted(number for one in its for number in one.texts)
        lengths = texts.lengths[numbers]
        places[numbers] = np.stack([np.full(len(numbers), file), np.cumsum(lengths) - lengths, lengths], axis=1)
    return places


def _worth(losses: list[dict]) -> dict:
    """Mean losses over all tokens."""
    tokens, known, unknown = (sum(one[name] for one in losses) for name in ("tokens", "with", "without"))
    return {"tokens": int(tokens), "with": known / tokens, "without": unknown / tokens}
