"""Which passages of a strategy hold a test question, of the documents that are taught together.

Apart from tokens: what one document's questions are changes no other document's tokens.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from closedbook import params
from closedbook.generation.filters import question
from closedbook.records import Passages
from closedbook.util import files


def job(*, params: SimpleNamespace, limits: params.Limits, **paths) -> None:
    build(question_words=params.filters.question_words, **paths)


def build(*, passages: list[Path], questions: list[Path], documents: list[Path], question_words: int, output: Path) -> None:
    """Write {"id", "detail"} of each passage that holds a question, as lines. `questions` and `documents` are files of the same documents."""
    rule = question.rule(question_words, questions, documents)
    files.write_json_lines(output, _found(passages, rule) if rule else [])


def _found(paths: list[Path], rule) -> Iterator[dict]:
    for path in paths:
        for passage in Passages.read(path).passages:
            detail = rule(passage.text)
            if detail:
                yield {"id": passage.id, "detail": detail}
